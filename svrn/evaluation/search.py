"""Search: the gallery images nearest to a query image, by a trained run, with an index that is made once.

The index is the gallery's embeddings (evaluation/embedding.py), kept under the run and named by the gallery's digest
and the way of inference: a changed gallery or another model makes a new one. Exact by default; the other way is
evaluation/approximate.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from svrn.config.identity import inference_key
from svrn.config.parameters import RunParameters
from svrn.data import protocols
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES
from svrn.data.embeddings import Embeddings, read_embeddings
from svrn.data.manifest import SCHEMA, Manifest, parse_split, read_manifest
from svrn.data.protocols import NO_CAMERA, Rows, Trial
from svrn.errors import UserError
from svrn.evaluation.embedding import PassOptions, embed
from svrn.evaluation.evaluator import Vectors, rank_trial
from svrn.evaluation.options import Options
from svrn.evaluation.told import UNTOLD, Told, annotated_viewpoints
from svrn.ordinary import ordinary
from svrn.runs.run import read_config

SUFFIXES = frozenset(IMAGE_SUFFIXES)


@dataclass(frozen=True)
class Match:
    """A gallery image found; `score` is the cosine, or the distance that the embeddings name, negated. vehicle and
    camera: None where the gallery does not know them."""

    image: str
    file: Path
    score: float
    vehicle: int | None
    camera: int | None


@dataclass(frozen=True)
class Found:
    """The matches of one query image, best first."""

    query: Path
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Index:
    """A gallery made searchable: its manifest and the file of its embeddings."""

    gallery: Manifest
    file: Path


def image_files(given: Sequence[Path]) -> list[Path]:
    """Image files, those in folders included, sorted within each; names that begin with a dot are a system's notes.

    Raises:
        UserError: a path is not there or no ordinary file, a folder has no images, or a name is not UTF-8.
    """
    files = []
    for path in given:
        if path.is_dir():
            found = (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            inside = sorted(file for file in found if not _hidden(file.relative_to(path)))
            if not inside:
                raise UserError("no images in this folder", where=str(path), mend=f"images end in {_suffixes()}")
            files += inside
        elif path.exists():
            ordinary(path)
            files.append(path)
        else:
            raise UserError("no such file or folder", where=str(path))
    for file in files:
        try:
            str(file).encode()
        except UnicodeEncodeError:
            raise UserError("its name is not UTF-8", where=str(file), mend="rename it") from None
    return files


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def gallery_of(source: Path, *, viewpoints: bool = False) -> Manifest:
    """The gallery in a folder of images, or the test images of a manifest that are not queries alone.

    viewpoints: take them from the annotations beside the manifest, where these have them.

    Raises:
        UserError: neither, or nothing in it.
    """
    if source.suffix != ".parquet":
        return _unlabelled(image_files([source]), source)
    manifest = read_manifest(source)
    wanted = manifest.table["split"].map(
        lambda text: any(member.role in ("gallery", "pool") for member in parse_split(text))
    )
    rows = manifest.table[wanted.to_numpy(dtype=bool)]
    if rows.empty:
        raise UserError("no gallery images", where=str(source), mend="give a folder, or a manifest with a gallery")
    if viewpoints:
        rows = rows.assign(viewpoint=annotated_viewpoints(source.parent, rows))
    return replace(manifest, table=rows.assign(split="gallery"))


def index_of(run_dir: Path, gallery: Manifest, options: PassOptions, home: Path | None = None) -> Index:
    """The gallery's index in `home`, or under the run's folder; made where it is not there or not of both.

    Raises:
        UserError: no such run, or an image cannot be read.
    """
    from svrn.files import file_digest

    parameters, _ = read_config(run_dir)
    file = (home or run_dir / "search") / f"{gallery.digest[:12]}-{_way(parameters, options)}.parquet"
    weights = run_dir / "model.safetensors"
    wanted = (file_digest(weights) if weights.is_file() else None, gallery.digest)
    if _made_of(file) != wanted:
        embed(run_dir, gallery, file, options)
    return Index(gallery, file)


def query_vectors(
    run_dir: Path, files: Sequence[Path], options: PassOptions, scratch: Path, said: Told = UNTOLD
) -> Embeddings:
    """Embeddings of some image files, in their order; `scratch` is a folder for the pass's own files."""
    return embed(run_dir, _unlabelled(files, scratch, said), scratch / "queries.parquet", options)


def search_exact(queries: Embeddings, index: Index, top: int) -> list[Found]:
    """The `top` gallery images of highest cosine for each query, or nearest by the distance that the embeddings name;
    equal ones by image name."""
    gallery = read_embeddings(index.file)
    order = np.argsort(gallery.images, kind="stable")
    asked = Vectors(queries.vectors, np.arange(len(queries.images)))
    trial = Trial(None, _strangers(queries.images, 1), _strangers(gallery.images[order], 0))
    sides = asked, Vectors(gallery.vectors, order)
    found, _ = rank_trial(trial, *sides, protocols.get("plain"), Options(top=top), named=gallery.distance)
    images = gallery.images[order[found.top_items]].reshape(len(queries.images), -1)
    return described(queries, index, images, found.top_scores.reshape(images.shape))


def _strangers(images: npt.NDArray[np.object_], vehicle: int) -> Rows:
    """Images of which nothing is known: one vehicle for all queries, another for the gallery, so that none matches."""
    count = len(images)
    return Rows(images, np.full(count, vehicle), np.full(count, NO_CAMERA), np.full(count, None, dtype=object))


def described(
    queries: Embeddings, index: Index, images: npt.NDArray[np.object_], scores: npt.NDArray[np.floating]
) -> list[Found]:
    """Names and scores, both (queries, top), with what the gallery's manifest knows of them."""
    table = index.gallery.table.set_index("image")
    known = index.gallery.layout != "folder"
    result = []
    for query, names, values in zip(queries.images, images, scores, strict=True):
        rows = table.loc[list(names)]
        matches = tuple(
            Match(
                str(name),
                index.gallery.image_path(row.path),
                float(value),
                int(row.vehicle) if known else None,
                int(row.camera) if known and not pd.isna(row.camera) else None,
            )
            for name, value, row in zip(names, values, rows.itertuples(), strict=True)
        )
        result.append(Found(Path(str(query)), matches))
    return result


def _unlabelled(files: Sequence[Path], root: Path, said: Told = UNTOLD) -> Manifest:
    """A manifest of files whose vehicles nobody knows; its digest changes with their size or time of change."""
    table = pd.DataFrame({"image": [str(file) for file in files]})
    table["path"] = [str(file.resolve()) for file in files]
    table["split"], table["vehicle"] = "gallery", 0
    states = [file.stat() for file in files]
    texts = [f"{file.resolve()} {s.st_size} {s.st_mtime_ns}" for file, s in zip(files, states, strict=True)]
    table["digest"] = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    for name in SCHEMA.names:
        if name not in table.columns:
            table[name] = getattr(said, name, None)
    kinds = {"vehicle": "Int64", "camera": "Int64", "frame": "Int64", "width": "Int32", "height": "Int32"}
    table = table.drop_duplicates("image")
    return Manifest(table[SCHEMA.names].astype(kinds), root, root.resolve().name, "folder")


def _made_of(file: Path) -> tuple[str, str] | None:
    """The digests of the model and of the gallery that an index names; None where there is none."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_schema(file).metadata or {}
    except (OSError, ValueError):
        return None  # not there, or cut short: made again
    return metadata.get(b"svrn.model_digest", b"").decode(), metadata.get(b"svrn.manifest_digest", b"").decode()


def _way(parameters: RunParameters, options: PassOptions) -> str:
    inference = options.inference or parameters.inference
    return inference_key(parameters.model_copy(update={"inference": inference}))


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))
