"""One set of images is embedded once, in however many layouts it lies.

The rendered worlds lie in several layouts: other names and roles, the same pictures. A pass takes images in the order
of their digests, so that two layouts of one set pass the same batches; the second takes the vectors of the first.
Light: nothing here needs PyTorch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from svrn.config.identity import EVALUATION_SEMANTICS, canonical_json
from svrn.config.parameters import Inference, RunParameters
from svrn.data.embeddings import Embeddings, read_embeddings
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.files import file_digest

#: What may differ between two files of the same vectors: the layout, and what kind of device made them first.
_OF_THE_LAYOUT = ("benchmark", "manifest_digest", "devices")


def test_images(manifest: Manifest) -> pd.DataFrame:
    """The rows of a manifest that stand in a test set, in manifest order.

    Raises:
        UserError: there are none.
    """
    wanted = manifest.table["split"].map(lambda text: text != "train").astype(bool)
    rows = manifest.table[wanted.to_numpy()]
    if rows.empty:
        raise UserError("there are no test images to embed", where=f"manifest of {manifest.benchmark}")
    return rows


test_images.__test__ = False  # type: ignore[attr-defined]  # not a test of pytest's


def in_order_of_digests(rows: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Places of `rows` in the order in which they pass the network: by digest, as they stand where one is unknown."""
    if rows["digest"].isna().any():
        return np.arange(len(rows))
    return np.argsort(rows["digest"].to_numpy(dtype=str), kind="stable")


def origin_of(
    run_dir: Path,
    manifest: Manifest,
    rows: pd.DataFrame,
    parameters: RunParameters,
    inference: Inference,
    arithmetic: str | None = None,
) -> dict[str, str]:
    """What vectors follow from, as their file says it, but for the kind of device.

    rows: of `test_images`. arithmetic: of the forward pass, None: that of the training.

    Raises:
        UserError: the run has no weights.
    """
    weights = run_dir / "model.safetensors"
    if not weights.is_file():
        raise UserError("this run has no trained weights", where=str(weights), mend="let the training finish first")
    return {
        "run": run_dir.resolve().name,
        "benchmark": manifest.benchmark,
        "manifest_digest": manifest.digest,
        "model_digest": file_digest(weights),
        "inference": canonical_json(inference.model_dump(mode="json")),
        **_of_the_method(parameters, inference),
        **_of_the_set(rows, parameters),
        "arithmetic": arithmetic or parameters.training.numerics.precision,
        "input_size": str(parameters.training.input.size),
        "semantics": str(EVALUATION_SEMANTICS),
    }


def _of_the_method(parameters: RunParameters, inference: Inference) -> dict[str, str]:
    """What only some methods say of their embeddings: their options at test, and their own distance."""
    found = {}
    if parameters.method.at_test:
        own = parameters.method.model_dump(mode="json", include=set(parameters.method.at_test))
        found["method"] = canonical_json(own)
    distance = parameters.method.distance(parameters, inference)
    if distance is not None:
        found["distance"] = canonical_json(distance)
    return found


def _of_the_set(rows: pd.DataFrame, parameters: RunParameters) -> dict[str, str]:
    """The digest of the set of images; none where a vector follows from more than its image, or a digest is unknown."""
    if parameters.method.needs(parameters).test or rows["digest"].isna().any():
        return {}
    return {"images": hashlib.sha256("\n".join(sorted(rows["digest"])).encode()).hexdigest()}


def of_another_layout(out: Path, rows: pd.DataFrame, origin: Mapping[str, str]) -> Embeddings | None:
    """The vectors of these images from a file beside `out` that was made of the same pictures in the same way.

    rows, origin: of `test_images` and `origin_of`, for `out`. None where there is no such file.
    """
    if "images" not in origin:
        return None
    wanted = {key: value for key, value in origin.items() if key not in _OF_THE_LAYOUT}
    for file in sorted(out.parent.glob("*.parquet")):
        if file == out or not wanted.items() <= _said(file).items():
            continue
        try:
            there = read_embeddings(file)
        except UserError:
            continue  # torn: these images go through the network like any
        if there.digests is None or len(there.digests) != len(rows):
            continue
        places = pd.Series(np.arange(len(rows)), index=there.digests).groupby(level=0).first()
        made_on = {"devices": there.origin.get("devices", "")}
        return embeddings_of(rows, there.vectors[places[rows["digest"]]], {**origin, **made_on})
    return None


def embeddings_of(rows: pd.DataFrame, vectors: npt.NDArray[np.float32], origin: Mapping[str, str]) -> Embeddings:
    """Vectors of a manifest's rows, in their order, with the digests of the images where all are known."""
    digests = None if rows["digest"].isna().any() else rows["digest"].to_numpy(dtype=object)
    return Embeddings(rows["image"].to_numpy(dtype=object), vectors, origin, digests)


def _said(file: Path) -> dict[str, str]:
    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, ValueError):  # pyarrow's own errors are of these kinds
        return {}
    prefix = b"svrn."
    return {k.decode()[len(prefix) :]: v.decode(errors="replace") for k, v in metadata.items() if k.startswith(prefix)}
