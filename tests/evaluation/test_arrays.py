"""`svrn.evaluate` on arrays: the digits of the same content in files, and right or one clear error for odd input."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from retrieval_worlds import world

import svrn
from svrn.data.distances import VisibleParts
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import Manifest
from svrn.errors import UserError
from svrn.evaluation.evaluator import evaluate as from_files
from svrn.evaluation.intervals import query_intervals

NAMES = ("query_features", "gallery_features", "query_ids", "gallery_ids", "query_cameras", "gallery_cameras")


def arrays_of(manifest: Manifest, embeddings: Embeddings) -> dict[str, Any]:
    columns = {}
    for role in ("query", "gallery"):
        rows = manifest.table[manifest.table["split"] == role]
        columns[f"{role}_features"] = embeddings.of(rows["image"])
        columns[f"{role}_ids"] = rows["vehicle"].to_numpy(dtype=np.int64)
        columns[f"{role}_cameras"] = rows["camera"].to_numpy(dtype=np.int64)
    return {name: columns[name] for name in NAMES}


@pytest.fixture
def given() -> dict[str, Any]:
    return arrays_of(*world(5, queries=12, gallery=60, vehicles=6, dim=8))


@pytest.mark.parametrize("protocol", ["veri776", "veriwild-junk-kept", "plain"])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_digits_of_the_same_content_in_files(protocol: str, distance: Any) -> None:
    from svrn.evaluation.options import Options

    for seed in range(4):
        manifest, embeddings = world(seed, queries=20, gallery=90, vehicles=7, levels=2 * (seed % 2))
        files = from_files(embeddings, manifest, protocol, options=Options(distance=distance, trapezoidal=True))
        arrays = svrn.evaluate(
            **arrays_of(manifest, embeddings), protocol=protocol, distance=distance, trapezoidal=True
        )
        assert arrays.metrics == files.metrics and arrays.counts == files.counts
        for column in ("ap", "inp", "ranks", "first_rank", "junk", "gallery", "top_scores", "vehicle", "camera"):
            assert arrays.queries[column].tolist() == files.queries[column].tolist()


@pytest.mark.parametrize("reranking", ["k-reciprocal", "aqe"])
def test_reranked_too(reranking: Any, given: dict[str, Any]) -> None:
    manifest, embeddings = world(5, queries=12, gallery=60, vehicles=6, dim=8)
    files = from_files(embeddings, manifest, "veri776", reranking=reranking)
    assert svrn.evaluate(**given, reranking=reranking).metrics == files.metrics


def test_tracks_and_visible_parts_too() -> None:
    manifest, embeddings = world(8, dim=11)
    vectors = np.abs(embeddings.vectors) + 1
    distance = VisibleParts(4, (2, 3), 0.5, "sqrt")
    with_parts = Embeddings(embeddings.images, vectors, {"distance": distance.text()})
    tracks = manifest.table[manifest.table["split"] == "gallery"]["track"]
    files = from_files(with_parts, manifest, "veri776-track")
    arrays = svrn.evaluate(
        **arrays_of(manifest, with_parts), protocol="veri776-track", gallery_tracks=tracks, distance=distance
    )
    assert arrays.metrics == files.metrics


def test_a_result_has_metrics_queries_and_intervals(given: dict[str, Any]) -> None:
    result = svrn.evaluate(**given, map_at=5, top=3)
    assert set(result.metrics) == {"mAP", "CMC@1", "CMC@5", "CMC@10", "mINP", "mAP@5"}
    assert result.queries["image"].tolist() == [f"q{row:06d}" for row in range(12)]
    assert all(name.startswith("g") for name in result.queries["top_images"][0])
    assert result.intervals(samples=50) == query_intervals(result.queries, 50)
    assert str(result).startswith(f"veri776: mAP {result.metrics['mAP']:.2f}, CMC@1")


def torch_of(kind: str) -> Any:
    import torch

    return lambda x: torch.from_numpy(np.array(x)).to(getattr(torch, kind)).requires_grad_(kind != "int64")


def halved(x: np.ndarray) -> np.ndarray:
    return np.round(x * 4) / 4  # numbers that half precision holds


WAYS: dict[str, Any] = {
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),
    "read-only": lambda x: np.frombuffer(x.tobytes(), dtype=x.dtype).reshape(x.shape),
    "Fortran order": np.asfortranarray,
    "every second": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda x: x.astype(">f4"),
    "lists": lambda x: x.tolist(),
    "rows in a list": list,
    "DataFrame": pd.DataFrame,
    "DataFrame of nullable numbers": lambda x: pd.DataFrame(x).astype("Float64"),
    "DataFrame of Arrow's numbers": lambda x: pd.DataFrame(x).astype("float32[pyarrow]"),
    "masked nowhere": lambda x: np.ma.masked_array(x, mask=False),
    "Series of vectors": lambda x: pd.Series(list(x)),
    "torch": lambda x: torch_of("float32")(x),
    "torch half": lambda x: torch_of("float16")(x),
    "torch bfloat16": lambda x: torch_of("bfloat16")(x),
    "torch rows": lambda x: list(torch_of("float32")(x)),
}


@pytest.mark.parametrize("way", WAYS)
def test_features_of_any_kind_are_right(way: str, given: dict[str, Any]) -> None:
    for side in ("query_features", "gallery_features"):
        given[side] = halved(given[side])
    expected = svrn.evaluate(**given)
    for side in ("query_features", "gallery_features"):
        given[side] = WAYS[way](given[side])
    found = svrn.evaluate(**given)
    assert found.metrics == expected.metrics
    assert found.queries["top_scores"].tolist() == expected.queries["top_scores"].tolist()


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, bool])
def test_integer_features_are_right(kind: Any, given: dict[str, Any]) -> None:
    for side in ("query_features", "gallery_features"):
        given[side] = np.abs(np.rint(3 * given[side])).astype(kind)
    expected = svrn.evaluate(**{**given, **{s: given[s].astype(np.float32) for s in NAMES[:2]}})
    assert svrn.evaluate(**given).metrics == expected.metrics


@pytest.mark.parametrize(
    "way",
    [
        lambda x: x - 3,
        lambda x: x.astype(float),
        lambda x: x.astype(np.int8),
        lambda x: x[:, None],
        lambda x: [f"car {label}" for label in x],
        lambda x: np.array([f"car {label}" for label in x]),
        lambda x: pd.Series([f"car {label}" for label in x], dtype="string"),
        lambda x: pd.array(x, dtype="Int64"),
        lambda x: pd.Categorical(x),
        lambda x: torch_of("int64")(x),
        lambda x: x.tolist(),
    ],
)
def test_labels_of_any_kind_are_right(way: Any, given: dict[str, Any]) -> None:
    expected = svrn.evaluate(**given)
    found = svrn.evaluate(**{name: way(value) if "features" not in name else value for name, value in given.items()})
    assert found.metrics == expected.metrics and found.counts == expected.counts
    assert found.intervals(samples=20)["mAP"].value == expected.intervals(samples=20)["mAP"].value


def test_great_numbers_are_told_apart_with_and_without_a_sign(given: dict[str, Any]) -> None:
    expected = svrn.evaluate(**given)
    given["query_ids"] = given["query_ids"].astype(np.uint64) + 2**60
    given["gallery_ids"] = given["gallery_ids"].astype(np.int64) + 2**60
    found = svrn.evaluate(**given)
    assert found.metrics == expected.metrics
    assert found.queries["vehicle"].tolist() == given["query_ids"].tolist()


def test_labels_come_back_as_they_were_given(given: dict[str, Any]) -> None:
    given["query_ids"], given["gallery_ids"] = ([f"car {x}" for x in given[n]] for n in ("query_ids", "gallery_ids"))
    given["query_cameras"], given["gallery_cameras"] = (given[n] - 1 for n in ("query_cameras", "gallery_cameras"))
    queries = svrn.evaluate(**given).queries
    assert queries["vehicle"].tolist() == given["query_ids"] and queries["camera"].tolist() == list(
        given["query_cameras"]
    )
    frame = pd.DataFrame(given["query_features"], index=[f"{row}.jpg" for row in range(12)])
    assert svrn.evaluate(**{**given, "query_features": frame}).queries["image"].tolist() == list(frame.index)


def test_an_image_of_the_querys_name_is_the_query_itself(given: dict[str, Any]) -> None:
    frame = pd.DataFrame(given["gallery_features"], index=[f"{row}.jpg" for row in range(60)])
    vehicles = given["gallery_ids"]
    named = svrn.evaluate(frame.iloc[:9], frame, vehicles[:9], vehicles, protocol="plain")
    assert named.counts.junk == 9 and not (named.queries["image"] == named.queries["top_images"].str[1]).any()
    numbered = frame.reset_index(drop=True)
    counted = svrn.evaluate(numbered.iloc[:9], numbered, vehicles[:9], vehicles, protocol="plain")
    assert counted.counts.junk == 0 and counted.metrics["CMC@1"] == 100
    twice = pd.concat([frame, frame.iloc[:1]])
    with pytest.raises(UserError, match="stands more than once in the index"):
        svrn.evaluate(frame.iloc[:9], twice, vehicles[:9], np.append(vehicles, 0), protocol="plain")


def changed(given: dict[str, Any], name: str, change: Any) -> dict[str, Any]:
    return {**given, name: change(given[name])}


def poisoned(x: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[3, 1] = value
    return x


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("query_features", lambda x: poisoned(x, np.nan), "1 of 12 features hold NaN or infinite values.* row 3"),
        ("gallery_features", lambda x: poisoned(x, -np.inf), "1 of 60 features hold NaN or infinite"),
        ("gallery_features", lambda x: poisoned(x.astype(float), 1e300), "NaN or infinite"),
        ("gallery_features", lambda x: np.ma.masked_equal(x, x[7, 2]), "1 of 60 features hold NaN or infinite.* row 7"),
        ("gallery_features", lambda x: pd.DataFrame(poisoned(x, 9)).astype("Float64").replace(9, pd.NA), "hold NaN"),
        ("gallery_features", lambda x: pd.DataFrame(x).assign(image="a.jpg"), "are object, wanted real numbers"),
        ("gallery_features", lambda x: x[:0], "it is empty"),
        ("query_features", lambda x: x[:0], "it is empty"),
        ("gallery_features", lambda x: x[:, :5], "the queries have 8 dimensions, the gallery 5"),
        ("gallery_features", lambda x: x[0], r"have the shape \(8,\)"),
        ("gallery_features", lambda x: x[:, :0], r"have the shape \(60, 0\)"),
        ("gallery_features", lambda x: x[..., None], r"have the shape \(60, 8, 1\)"),
        ("gallery_features", lambda x: x.astype(complex), "are complex128, wanted real numbers"),
        ("gallery_features", lambda x: x.astype(str), "wanted real numbers"),
        ("gallery_features", lambda x: [*x[:-1].tolist(), [1.0]], "have different lengths"),
        ("gallery_features", lambda x: None, "wanted real numbers"),
        ("gallery_ids", lambda x: x[:-1], r"60 gallery features and ids of the shape \(59,\)"),
        ("query_ids", lambda x: None, "12 query features and ids of the shape"),
        ("query_ids", lambda x: x + 0.5, "numbers that are not whole"),
        ("query_ids", lambda x: np.where(x == 1, np.nan, x), "it is missing in row"),
        ("query_ids", lambda x: [None, *x[1:]], "it is missing in row 0"),
        ("query_ids", lambda x: np.ma.masked_array(x, mask=np.arange(12) == 5), "it is missing in row 5"),
        ("query_ids", lambda x: np.ma.masked_array(x.astype(str), mask=np.arange(12) == 5), "it is missing in row 5"),
        ("query_ids", lambda x: x.astype(str), "numbers on one side and texts on the other"),
        ("query_cameras", lambda x: x[:3], r"12 query features and cameras of the shape \(3,\)"),
        ("query_cameras", lambda x: None, "none were given"),
        ("gallery_cameras", lambda x: [*x[:-1], None], "it is missing in row 59"),
        ("query_ids", lambda x: x + 1000, "none of the 12 queries has a match"),
        ("gallery_ids", lambda x: x * 0, "all 60 gallery images are of one vehicle"),
    ],
)
def test_bad_input_is_one_clear_error(name: str, change: Any, message: str, given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=message):
        svrn.evaluate(**changed(given, name, change))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"protocol": "veri"}, "there is no protocol"),
        ({"protocol": "vehicleid"}, "draws its queries and gallery itself"),
        ({"protocol": "veri776-track"}, "ranks tracks, none were given"),
        ({"protocol": "veri776-track", "gallery_tracks": ["a"]}, "wanted one track for each of 60"),
        ({"query_cameras": None, "gallery_cameras": None}, "rests on cameras, none were given"),
        ({"precison": "float32"}, "precison: Extra inputs"),
        ({"top": -1}, "top: "),
        ({"distance": "manhattan"}, "distance: "),
        ({"distance": VisibleParts(4, (2,), 0.5, "sqrt")}, "vectors of 7 numbers, these have 8"),
    ],
)
def test_wrong_words_are_refused(words: dict[str, Any], message: str, given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=message):
        svrn.evaluate(**{**given, **words})


def test_what_was_given_is_left_as_it_was(given: dict[str, Any]) -> None:
    before = {name: np.copy(value) for name, value in given.items()}
    svrn.evaluate(**given)
    assert all((given[name] == before[name]).all() for name in given)


def test_without_cameras_plain_needs_none(given: dict[str, Any]) -> None:
    with_cameras = svrn.evaluate(**given, protocol="plain")
    found = svrn.evaluate(*list(given.values())[:4], protocol="plain")
    assert found.metrics == with_cameras.metrics and found.queries["camera"].isna().all()


def test_importing_it_is_light() -> None:
    code = (
        "import sys, svrn\n"
        "heavy = {'numpy', 'pandas', 'torch', 'pydantic'} & set(sys.modules); assert not heavy, heavy\n"
        "svrn.evaluate\n"
        "heavy = {'torch', 'scipy', 'mlflow', 'matplotlib', 'yaml'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
