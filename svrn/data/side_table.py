"""A benchmark's side information ready for batches: read once, given out by rows of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from svrn.config.annotations import SIDECAR, TABLE, Part, check_side, read_sidecar
from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS, mirrored_name
from svrn.data.annotations.table import GRID, Annotations, Column, Numbers, Texts, content_of, read_annotations
from svrn.data.manifest import Manifest
from svrn.data.side import Side, Vocabulary, places
from svrn.errors import UserError


class SideTable:
    """The side information of N images; `rows` gives that of some of them as tensors.

    Masks stay bytes until they are asked for: N x M x 32 x 32 of them.
    """

    def __init__(self, columns: SideColumns, whole: Side, masks: npt.NDArray[np.uint8] | None) -> None:
        self.columns = columns
        self._whole = whole
        self._masks = masks

    def __len__(self) -> int:
        return len(self._whole) if self._masks is None else len(self._masks)

    @property
    def attributes(self) -> Tensor | None:
        """Those of all images, [N, A] int64, -1 where unknown; None where none are asked for."""
        return self._whole.attributes

    @property
    def camera(self) -> Tensor | None:
        """Those of all images, [N] int64, places in the vocabulary, -1 where unknown; None where none are asked for."""
        return self._whole.camera

    def part(self, start: int, stop: int) -> SideTable:
        """That of images `start` to `stop`, without the last."""
        masks = None if self._masks is None else self._masks[start:stop]
        return SideTable(self.columns, self._whole[slice(start, stop)], masks)

    def rows(self, rows: npt.NDArray[np.integer[Any]] | Sequence[int]) -> Side:
        """The side information of these images."""
        index = np.asarray(rows, np.int64)
        side = self._whole[torch.from_numpy(index)]
        if self._masks is None:
            return side
        cells = torch.from_numpy(self._masks[index]).to(torch.float32).div_(255)
        return replace(side, masks=cells.reshape(len(index), -1, GRID, GRID))


def learn_vocabulary(manifest: Manifest, folder: Path, columns: SideColumns) -> Vocabulary:
    """Cameras and attribute values of a benchmark's training images, as far as they are asked for.

    folder: the benchmark's, with annotations.parquet.

    Raises:
        UserError: the benchmark lacks what is asked for.
    """
    rows = manifest.members("train")
    cameras = tuple(sorted(int(value) for value in rows["camera"].dropna().unique())) if columns.camera else ()
    if not columns.attributes:
        return Vocabulary(cameras)
    names = [f"attribute:{name}" for name in columns.attributes]
    found = _aligned(_read(folder, names), rows["image"].to_numpy(dtype=object), folder / TABLE)
    words = {}
    for name, short in zip(names, columns.attributes, strict=True):
        column = found[name]
        assert isinstance(column, Texts)
        words[short] = tuple(sorted({str(value) for value in column.values if value is not None}))
    return Vocabulary(cameras, words)


def side_table(
    manifest: Manifest,
    folder: Path,
    images: npt.NDArray[np.object_] | Sequence[str],
    columns: SideColumns,
    vocabulary: Vocabulary,
    *,
    part: Part | None = None,
) -> SideTable:
    """The side information of these images, in their order.

    manifest, folder: the benchmark's; annotations.parquet stands in the folder. part: of which images it must be whole
    (`check_side`); None takes what there is.

    Raises:
        UserError: there is no such file or column, it lacks in too many images, an image is not in it, or a name is
            asked for without the one that a mirrored image shows in its place.
    """
    _check_partners(columns)
    if part is not None:
        check_side(folder / SIDECAR, columns, part)
    wanted = np.asarray(images, dtype=object)
    names = [name for name in columns.names() if name != "camera"]
    found = _aligned(_read(folder, names), wanted, folder / TABLE) if names else {}
    whole = Side(columns)
    if columns.camera:
        whole = replace(whole, camera=_cameras(manifest, wanted, vocabulary))
    if columns.viewpoint:
        whole = replace(whole, viewpoint=places(_texts(found["viewpoint"]), VIEWPOINTS))
    if columns.attributes:
        per_name = [
            places(_texts(found[f"attribute:{name}"]), vocabulary.attributes[name]) for name in columns.attributes
        ]
        whole = replace(whole, attributes=torch.stack(per_name, 1))
    if columns.keypoints:
        whole = replace(whole, keypoints=_stacked(found, "keypoint", columns.keypoints))
    if columns.boxes:
        boxes = _stacked(found, "box", columns.boxes)
        whole = replace(whole, boxes=torch.where((boxes == 0).all(-1, keepdim=True), torch.nan, boxes))
    masks = None
    if columns.masks:
        masks = np.stack([_numbers(found[f"mask:{name}"]).values for name in columns.masks], 1)
    return SideTable(columns, whole, masks)


def side_as_known(
    manifest: Manifest, images: npt.NDArray[np.object_], columns: SideColumns, vocabulary: Vocabulary
) -> SideTable | None:
    """Cameras and viewpoints of these images as far as their manifest knows them, for images of no benchmark.

    None: more is asked for than a manifest can know.
    """
    if columns != SideColumns(camera=columns.camera, viewpoint=columns.viewpoint):
        return None
    whole = Side(columns)
    if columns.camera:
        whole = replace(whole, camera=_cameras(manifest, images, vocabulary))
    if columns.viewpoint:
        told = manifest.table.set_index("image")["viewpoint"].reindex(images)
        whole = replace(whole, viewpoint=places(told.to_numpy(object), VIEWPOINTS))
    return SideTable(columns, whole, None)


def _check_partners(columns: SideColumns) -> None:
    for kind in ("keypoints", "boxes", "masks"):
        names = getattr(columns, kind)
        for name in names:
            if mirrored_name(name) not in names:
                raise UserError(
                    f"{kind} {name!r} is asked for without {mirrored_name(name)!r}, which a mirrored image shows there",
                    mend="ask for both",
                )


def _read(folder: Path, names: list[str]) -> Annotations:
    """The columns, after comparing the table with the sidecar that the run's key rests on."""
    found = read_annotations(folder / TABLE, names)
    if content_of(folder / TABLE) != read_sidecar(folder / SIDECAR).get("content"):
        raise UserError(
            f"{SIDECAR} beside it is another file's",
            where=str(folder / TABLE),
            mend=f"svrn data annotate {folder.name}",
        )
    return found


def _aligned(found: Annotations, images: npt.NDArray[np.object_], where: Path) -> dict[str, Column]:
    """The columns in the order of `images`."""
    at = pd.Index(found.images).get_indexer(pd.Index(images))
    if (at < 0).any():
        raise UserError(
            f"{images[int(np.flatnonzero(at < 0)[0])]} is not in it ({int((at < 0).sum()):,} images are not)",
            where=str(where),
            mend=f"svrn data annotate {where.parent.name}",
        )
    return {
        name: Texts(column.values[at]) if isinstance(column, Texts) else Numbers(column.values[at], column.known[at])
        for name, column in found.columns.items()
    }


def _cameras(manifest: Manifest, images: npt.NDArray[np.object_], vocabulary: Vocabulary) -> Tensor:
    told = manifest.table.set_index("image")["camera"].reindex(images)
    return places(np.array([None if value is pd.NA else int(value) for value in told], object), vocabulary.cameras)


def _texts(column: Column) -> npt.NDArray[np.object_]:
    assert isinstance(column, Texts)
    return column.values


def _numbers(column: Column) -> Numbers:
    assert isinstance(column, Numbers)
    return column


def _stacked(found: dict[str, Column], kind: str, names: tuple[str, ...]) -> Tensor:
    """[N, names, 3 | 4] float32."""
    return torch.from_numpy(np.stack([_numbers(found[f"{kind}:{name}"]).values for name in names], 1))
