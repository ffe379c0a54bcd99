from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_verification import plain, told_apart

from svrn.data import protocols
from svrn.errors import UserError
from svrn.evaluation.benchmark import Benchmark
from svrn.evaluation.from_arrays import benchmark
from svrn.evaluation.options import Options
from svrn.evaluation.slices import slices_of
from svrn.evaluation.verification import verify

ONE = Options(threads=1)


def arrays(seed: int) -> tuple[Benchmark, dict[str, object]]:
    """A world as a benchmark, and as the arrays that a training loop has."""
    manifest, embeddings = told_apart(seed)
    given: dict[str, object] = {}
    for role in ("query", "gallery"):
        rows = manifest.table[manifest.table["split"] == role].sort_values("image")
        given[f"{role}_features"] = embeddings.of(rows["image"])
        given[f"{role}_ids"] = rows["vehicle"].to_numpy(dtype=int)
        given[f"{role}_cameras"] = rows["camera"].to_numpy(dtype=int)
    return Benchmark(embeddings, manifest, protocols.get("veri776")), given


def test_the_answers_are_those_of_files() -> None:
    files, given = arrays(1)
    ours, theirs = (plain(verify(one, ONE)) for one in (benchmark(**given), files))
    for name in ("genuine", "impostors", "junk", "equal_error"):
        assert ours[name] == theirs[name]
    thresholds = [[one["threshold"] for one in found["operating"]] for found in (ours, theirs)]
    assert thresholds[0] == thresholds[1]
    slices = [slices_of(one, ONE).slices.drop(columns="value") for one in (benchmark(**given), files)]
    pd.testing.assert_frame_equal(slices[0].iloc[:1], slices[1].iloc[:1])


def test_labels_may_be_texts_and_facts_are_sliced() -> None:
    _, given = arrays(2)
    for name in ("query_ids", "gallery_ids"):
        given[name] = np.char.add("v", given[name].astype(str))
    colours = [pd.DataFrame({"colour": np.where(np.arange(n) % 3, "red", None)}) for n in (60, 300)]
    made = benchmark(**given, query_facts=colours[0], gallery_facts=colours[1])
    table = slices_of(made, ONE).slices
    assert table.loc[table["kind"] == "query's colour", "value"].tolist() == ["red"]
    without = {name: value for name, value in given.items() if "cameras" not in name}
    assert verify(benchmark(**without, protocol="plain"), ONE).junk == 0


def test_what_does_not_fit_is_said() -> None:
    _, given = arrays(3)
    for changed, message in (
        ({"protocol": "vehicleid"}, "needs a manifest: it draws by names"),
        ({"protocol": "veri776-track"}, "needs a manifest: it ranks tracks"),
        ({"query_features": np.ones((60, 5))}, "the queries have 5 dimensions, the gallery 12"),
        ({"query_facts": pd.DataFrame({"paint": ["red"] * 60})}, "the column 'paint' is unknown"),
        ({"gallery_facts": pd.DataFrame({"colour": ["red"] * 60})}, "300 gallery features and 60 rows of facts"),
        ({"query_cameras": None}, "none were given"),
    ):
        with pytest.raises(UserError, match=message):
            benchmark(**{**given, **changed})
