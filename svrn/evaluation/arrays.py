"""Scoring from arrays: the features, vehicles and cameras that a training loop has in hand, in numpy, torch or pandas.

The numbers are those of the same content in files, to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from svrn.data import protocols
from svrn.data.distances import VisibleParts
from svrn.data.protocols import NO_CAMERA, Protocol, Rows, Trial
from svrn.errors import UserError
from svrn.evaluation.evaluator import Reranking, Vectors, evaluated
from svrn.evaluation.options import Options
from svrn.evaluation.results import Evaluation
from svrn.extras import lacking

Role = Literal["query", "gallery"]


def evaluate(
    query_features: Any,
    gallery_features: Any,
    query_ids: Any,
    gallery_ids: Any,
    query_cameras: Any = None,
    gallery_cameras: Any = None,
    *,
    protocol: str | Protocol = "veri776",
    gallery_tracks: Any = None,
    distance: Literal["cosine", "euclidean"] | VisibleParts | None = None,
    reranking: Reranking | None = None,
    **options: Any,
) -> Evaluation:
    """Score features under a named protocol, exactly.

    Features: shapes (queries, D) and (gallery, D), real numbers of any kind, taken as float32: numpy arrays, torch
    tensors (of any device, with or without a gradient), DataFrames of numbers, or Series and lists of vectors. Ids and
    cameras: one a row, whole numbers or texts; only whether two are equal counts, so -1 is a vehicle like any other.

    Args:
        protocol: `veri776` and `veriwild` remove gallery images of the query's vehicle and camera, `plain` and
            `veriwild-junk-kept` remove nothing and need no cameras; docs/evaluation.md has all.
        gallery_tracks: one a row of the gallery, for protocols that rank tracks.
        distance: cosine where it is not given; or how features with visible parts are compared.
        reranking: give the numbers of re-ranked rankings instead.
        options: fields of `svrn.evaluation.options.Options`, as `device="cuda"`, `top=0`, `map_at=100`.

    Returns:
        `metrics` (percent, by name), `queries` (a DataFrame with a row a query, in the order given) and `intervals()`.
        Images are named by a DataFrame's index of texts, else q and g with their position, as g000017. An image of the
        query's name in the gallery is the query itself, and leaves its ranking.

    Raises:
        UserError: lengths differ, something is empty or not finite, cameras or tracks are missing where the protocol
            rests on them, the protocol draws queries and gallery itself, an unknown option, or no query has a match.
    """
    rule = protocols.get(protocol) if isinstance(protocol, str) else protocol
    if rule.draws is not None:
        raise UserError(
            f"protocol {rule.name!r} draws its queries and gallery itself, by the images' names",
            where="protocol",
            mend="score from files (svrn evaluate), or one draw of your own with protocol='plain'",
        )
    given = sides_of(
        (query_features, gallery_features), (query_ids, gallery_ids), (query_cameras, gallery_cameras), rule
    )
    both, vehicles, cameras = given.features, given.vehicles, given.cameras
    width = both["query"].shape[1]
    if isinstance(distance, VisibleParts) and distance.dimension != width:
        what = f"the distance is of vectors of {distance.dimension} numbers, these have {width}"
        raise UserError(what, where="distance")
    names = {
        "query": _names(query_features, both["query"], "query"),
        "gallery": _names(gallery_features, both["gallery"], "gallery"),
    }
    if len(np.unique(vehicles.codes[1])) == 1:
        raise UserError(
            f"all {len(both['gallery'])} gallery images are of one vehicle: no search can go wrong, so the scores would"
            " say nothing",
            where="gallery_ids",
        )
    tracks = _tracks(gallery_tracks, both["gallery"], rule)
    trial = Trial(
        None,
        Rows(names["query"], vehicles.codes[0], cameras.codes[0], np.full(len(both["query"]), None, dtype=object)),
        Rows(names["gallery"], vehicles.codes[1], cameras.codes[1], tracks),
    )
    asked, sheet = (Vectors(part, np.arange(len(part))) for part in both.values())
    named = distance if isinstance(distance, VisibleParts) else None
    try:
        outcome = evaluated(
            [(trial, asked, sheet)],
            rule,
            _options(options, None if named else distance),
            named=named,
            reranking=reranking,
            where="the given arrays",
            about={"benchmark": "arrays", "test": "arrays"},
            origin={},
        )
    except ModuleNotFoundError as error:
        raise lacking(error, "this way of scoring") or error from None
    outcome.queries["vehicle"] = vehicles.of(outcome.queries["vehicle"])
    if cameras.known:
        outcome.queries["camera"] = cameras.of(outcome.queries["camera"])
    return outcome


class _Labels:
    """Labels of queries and gallery as numbers that are equal where the labels are."""

    def __init__(self, both: Sequence[npt.NDArray[Any]]) -> None:
        self.known = True
        # Signed and unsigned numbers together would be float64, which has no place for the last digits of great ones.
        kind = object if np.result_type(*both).kind == "f" else None
        numbers, self._labels = pd.factorize(np.concatenate(both, dtype=kind), sort=True)
        self.codes = np.split(numbers.astype(np.int64), [len(both[0])])

    def of(self, codes: pd.Series) -> npt.NDArray[Any]:
        """The labels themselves."""
        return np.asarray(self._labels)[codes.to_numpy(dtype=np.intp)]


class _NoLabels(_Labels):
    def __init__(self, lengths: Sequence[int]) -> None:
        self.known = False
        self.codes = [np.full(length, NO_CAMERA) for length in lengths]


@dataclass(frozen=True)
class Sides:
    """Features by role, and the vehicles and cameras of both roles."""

    features: dict[str, npt.NDArray[np.float32]]
    vehicles: _Labels
    cameras: _Labels


def sides_of(features: tuple[Any, Any], ids: tuple[Any, Any], cameras: tuple[Any, Any], rule: Protocol) -> Sides:
    """What was given of queries and gallery, pair by pair; UserError where it is not fit to be scored by the rule."""
    both = {"query": _features_of(features[0], "query"), "gallery": _features_of(features[1], "gallery")}
    widths = [part.shape[1] for part in both.values()]
    if widths[0] != widths[1]:
        raise UserError(f"the queries have {widths[0]} dimensions, the gallery {widths[1]}", where="gallery_features")
    return Sides(both, _labels_of(ids, both, "ids"), _cameras_of(cameras, both, rule))


def _features_of(given: Any, role: Role) -> npt.NDArray[np.float32]:
    """Features as float32, (images, dimensions); UserError where they are none."""
    where = f"{role}_features"
    array = _array(given)
    if array.dtype == object and array.ndim == 1 and len(array):  # a Series or a list of vectors
        lengths = {np.shape(one) for one in array}
        if len(lengths) > 1:
            raise UserError(f"the features have different lengths: {sorted(map(str, lengths))[:3]}", where=where)
        array = np.stack([_array(one) for one in array])
    if array.dtype.kind not in "fiub":
        raise UserError(f"the features are {array.dtype}, wanted real numbers", where=where)
    if array.ndim != 2 or not array.shape[1]:
        raise UserError(f"the features have the shape {array.shape}, wanted (images, dimensions)", where=where)
    if not len(array):
        raise UserError("it is empty", where=where, mend=f"give at least one {role} image")
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise UserError(
            f"{len(bad)} of {len(vectors)} features hold NaN or infinite values, the first is row {bad[0]}",
            where=where,
            mend="a training that diverged gives these, or half precision that overflowed",
        )
    return vectors


def _labels_of(given: tuple[Any, Any], features: dict[str, npt.NDArray[np.float32]], what: str) -> _Labels:
    """Labels, one a row of each side's features, as numbers; UserError where they are missing or of several kinds."""
    sides = []
    for one, (role, vectors) in zip(given, features.items(), strict=True):
        where = f"{role}_{what}"
        labels = np.asarray(_array(one))
        if labels.ndim == 2 and 1 in labels.shape:
            labels = labels.reshape(-1)
        if labels.shape != (len(vectors),):
            raise UserError(
                f"there are {len(vectors)} {role} features and {what} of the shape {labels.shape}",
                where=where,
                mend="give one a row",
            )
        if pd.isna(labels).any():
            raise UserError(f"it is missing in row {int(np.flatnonzero(pd.isna(labels))[0])}", where=where)
        if labels.dtype.kind == "f":
            if (labels != np.rint(labels)).any() or np.abs(labels).max(initial=0) > 2**53:
                raise UserError("there are numbers that are not whole", where=where)
            labels = labels.astype(np.int64)
        elif labels.dtype.kind not in "iub":
            labels = labels.astype(object)
        sides.append(labels)
    kinds = {"text" if side.dtype == object else "numbers" for side in sides}
    if len(kinds) > 1:
        raise UserError(
            f"{what} are numbers on one side and texts on the other, so none would be equal",
            where=f"query_{what}, gallery_{what}",
        )
    if kinds == {"text"}:
        mixed = {type(label).__name__ for side in sides for label in side}
        if len(mixed) > 1:
            raise UserError(f"{what} are of several kinds: {', '.join(sorted(mixed))}", where=f"query_{what}")
    return _Labels(sides)


def _cameras_of(given: tuple[Any, Any], features: dict[str, npt.NDArray[np.float32]], rule: Protocol) -> _Labels:
    """Cameras as numbers, none where a protocol that needs none was given none; UserError where one is missing."""
    absent = [f"{role}_cameras" for role, one in zip(features, given, strict=True) if one is None]
    if not absent:
        return _labels_of(given, features, "cameras")
    if rule.junk == "same-camera" or len(absent) == 1:
        raise UserError(
            f"protocol {rule.name!r} rests on cameras, none were given" if len(absent) == 2 else "none were given",
            where=", ".join(absent),
            mend="give both, or score with protocol='plain', which needs none and removes nothing",
        )
    return _NoLabels([len(part) for part in features.values()])


def _tracks(given: Any, gallery: npt.NDArray[np.float32], rule: Protocol) -> npt.NDArray[np.object_]:
    if rule.unit != "track":
        return np.full(len(gallery), None, dtype=object)
    if given is None:
        raise UserError(f"protocol {rule.name!r} ranks tracks, none were given", where="gallery_tracks")
    tracks = np.asarray(_array(given))
    if tracks.shape != (len(gallery),) or pd.isna(tracks).any():
        raise UserError(f"wanted one track for each of {len(gallery)} images, none missing", where="gallery_tracks")
    return tracks.astype(str).astype(object)


def _names(given: Any, vectors: npt.NDArray[np.float32], role: Role) -> npt.NDArray[np.object_]:
    index = given.index if isinstance(given, pd.DataFrame | pd.Series) else None
    if index is None or index.inferred_type != "string":  # numbers count rows, and name nothing
        return np.array([f"{role[0]}{row:06d}" for row in range(len(vectors))], dtype=object)
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise UserError(f"image {twice!r} stands more than once in the index", where=f"{role}_features")
    return index.to_numpy(dtype=object)


def _array(given: Any) -> npt.NDArray[Any]:
    """An array of what was given; a tensor's values, wherever it lies."""
    if hasattr(given, "detach"):
        tensor = given.detach().cpu()
        given = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
    if isinstance(given, list | tuple) and given and hasattr(given[0], "detach"):
        given = [_array(one) for one in given]
    if isinstance(given, pd.DataFrame) and all(map(pd.api.types.is_numeric_dtype, given.dtypes)):
        plain = given.to_numpy()  # of objects where pandas keeps numbers in a kind of its own
        return plain if plain.dtype != object else given.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(given, pd.DataFrame | pd.Series):
        return given.to_numpy()
    if np.ma.is_masked(given):  # what is masked is missing
        given = given.astype(float if given.dtype.kind in "fiub" else object).filled(np.nan)
    try:
        return np.asarray(given)
    except ValueError:  # rows of different lengths
        ragged = np.empty(len(given), dtype=object)
        ragged[:] = list(given)
        return ragged


def _options(given: dict[str, Any], distance: Any) -> Options:
    try:
        return Options(distance=distance, **given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{first['msg']}: {first.get('input')!r}",
            where=name,
            mend=f"options: {', '.join(Options.model_fields)}",
        ) from None
