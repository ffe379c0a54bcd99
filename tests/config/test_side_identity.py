"""What of side information, weights and a method's own parameters is part of a run's name, and whose name it is in."""

from __future__ import annotations

from typing import Any

import pytest
from worlds_of_parameters import BASELINE, parameters

from svrn.config.annotations import benchmark_side_digest
from svrn.config.identity import evaluation_key, inference_key, run_identity, run_key
from svrn.config.side import SideColumns
from svrn.config.study import digests_of, load_study
from svrn.errors import UserError

DIGEST = "d" * 64


def test_each_side_information_is_another_run_and_another_embedding() -> None:
    sides = (None, "a" * 64, "b" * 64)
    assert len({run_key(parameters(), DIGEST, side) for side in sides}) == 3
    assert len({inference_key(parameters(), side) for side in sides}) == 3
    assert "side" not in run_identity(parameters(), DIGEST)


@pytest.mark.parametrize("method", ["svrn", "bot"])
def test_a_file_of_weights_counts_by_its_digest(method: str) -> None:
    def key(**backbone: str) -> str:
        tree: dict[str, Any] = {"model": {"backbone": {"weights": "file", **backbone}}, "method": {"name": method}}
        unified = {"model": {"unified": {"enabled": False}, "stages": {"count": 1}}} if method == "bot" else {}
        return run_key(parameters(tree, unified), DIGEST)

    assert key(file="/one", file_digest="1" * 64) == key(file="/moved", file_digest="1" * 64)
    assert key(file="/one", file_digest="1" * 64) != key(file="/one", file_digest="2" * 64)
    with pytest.raises(UserError, match=r"file_digest is wanted with .* `sha256sum /one` says it"):
        key(file="/one")  # any file would be this run


@pytest.mark.parametrize("method", ["svrn", "bot"])
def test_weights_that_come_with_the_package_count_by_their_digest(method: str) -> None:
    def key(**backbone: str) -> str:
        tree: dict[str, Any] = {"model": {"backbone": backbone}, "method": {"name": method}}
        return run_key(parameters(BASELINE, tree), DIGEST)

    assert len({key(), *(key(weights="shipped", file_digest=one * 64) for one in "12")}) == 3
    with pytest.raises(
        UserError, match=r"file_digest is wanted with weights: shipped.* svrn/shipped/run\.json says it"
    ):
        key(weights="shipped")  # those of any release would be this run


def test_what_a_method_of_its_own_does_not_use_is_no_part_of_it() -> None:
    def bot(losses: dict[str, Any], **inference: Any) -> Any:
        return parameters({"method": {"name": "bot"}, "training": {"losses": losses}, "inference": inference})

    off = {"triplet": {"weight": 0}}
    assert run_key(bot(off), DIGEST) == run_key(bot({"triplet": {"weight": 0, "margin": 0.9}}), DIGEST)
    assert run_key(bot(off), DIGEST) != run_key(bot({"triplet": {"margin": 0.9}}), DIGEST)
    assert run_key(bot({}), DIGEST) == run_key(bot({"triplet": {"scale": 3.0}}), DIGEST)
    circle = {"kind": "circle", "scale": 3.0}
    assert run_key(bot({"triplet": circle}), DIGEST) != run_key(bot({"triplet": {**circle, "scale": 4.0}}), DIGEST)
    assert inference_key(bot({}, fusion="concat")) == inference_key(bot({}, fusion="sum")), "one branch"
    pcb = [parameters({"method": {"name": "pcb"}, "inference": {"fusion": one}}) for one in ("sum", "concat")]
    assert inference_key(pcb[0]) != inference_key(pcb[1])


def test_what_either_asks_for_stands_once_in_the_order_of_a_batch() -> None:
    one = SideColumns(camera=True, masks=("front", "roof"), attributes=("colour",))
    other = SideColumns(viewpoint=True, masks=("side", "front"))
    both = one.union(other)
    assert both == SideColumns(True, True, ("colour",), (), (), ("front", "roof", "side"))
    assert both.names() == ("camera", "viewpoint", "attribute:colour", "mask:front", "mask:roof", "mask:side")
    assert both and not SideColumns() and SideColumns(boxes=("grille",))


def test_every_name_of_a_suite_follows_from_its_parts() -> None:
    """Runs by their training images and what is told of those; embeddings and scores by the test images'."""
    study = load_study("smoke")
    different = 0
    for cell in study.cells:
        if cell.benchmark is None:
            continue
        benchmark = study.benchmarks[cell.benchmark]
        digests = digests_of(cell.benchmark, benchmark)
        for seed, one, scored in zip(study.suite.seeds, cell.parameters, cell.evaluations, strict=False):
            assert digests is not None and one.training.seed == seed
            needs = one.method.needs(one)
            train = benchmark_side_digest(cell.benchmark, benchmark, needs.training, "train")
            test = benchmark_side_digest(cell.benchmark, benchmark, needs.test, "test")
            different += train != test
            run, way = run_key(one, digests.train, train), inference_key(one, test)
            assert (scored.run, scored.embedding.inference) == (run, way)
            assert scored.embedding.benchmark == cell.benchmark
            parts = (run, way, cell.benchmark, digests.whole, cell.test, cell.protocol)
            assert scored.key == evaluation_key(*map(str, parts))
            assert study.runs[run].side_digest == train
            assert cell.protocol == scored.protocol and cell.test == scored.test
    assert different >= 8, "rows that read side information"
