"""A step that is recorded and replayed gives what a step gives; and no method's step asks its host to wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from method_worlds import run_of_method, trainer_of
from torch import Tensor, nn
from watch import NoWaiting, Tape, Waits

from svrn.config.methods import method_names
from svrn.training.captured import WARM, Captured
from svrn.training.loss_step import Gradients
from svrn.training.passes import Passes
from svrn.training.trainer import Trainer

#: Beside every room: random masks, an accumulated step, circle loss, and those whose path is another one.
RUNS: dict[str, list[dict[str, Any]]] = {
    **{name: [] for name in method_names()},
    "svrn-random-masks": [{"training": {"batches": {"accumulate": 2}}}],
    "svrn-single-space": [{"training": {"losses": {"triplet": {"kind": "circle"}}}}],
    "aaver-given": [],
    "saver": [{"method": {"pretrain_steps": 3}}],
}


def stepping(run: list[dict[str, Any]], name: str, folder: Path) -> Trainer:
    return trainer_of(run_of_method(name, *run), folder)


def state_of(trainer: Trainer) -> list[Tensor]:
    return [*trainer.network.buffers(), *trainer.losses.buffers()]


@pytest.mark.parametrize("name", RUNS)
def test_a_replayed_step_is_a_step_to_the_bit(name: str, tmp_path: Path) -> None:
    plain, taped = (stepping(RUNS[name], name, tmp_path / kind) for kind in ("plain", "taped"))
    assert isinstance(taped.gradients, Gradients)
    places = [one.data_ptr() for one in state_of(taped)]
    taped.gradients = Captured(taped.gradients, Tape(state_of(taped)), taped.progress.say)
    plain.run()
    taped.run()
    assert taped.gradients._able and len(taped.gradients._recorded) == 1 + (taped.pretraining > WARM)
    assert taped.log.rows == plain.log.rows
    for kind in ("network", "losses"):
        found, wanted = getattr(taped, kind).state_dict(), getattr(plain, kind).state_dict()
        assert [key for key in wanted if not torch.equal(found[key], wanted[key])] == []
    assert places == [one.data_ptr() for one in state_of(taped)]


def test_a_step_that_waits_is_said_and_taken_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, other = (stepping([], "baseline", tmp_path / kind) for kind in ("plain", "other"))

    class Refusing(Tape):
        def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
            super().record(function)
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    assert isinstance(other.gradients, Gradients)
    other.gradients = Captured(other.gradients, Refusing(state_of(other)), other.progress.say)
    plain.run()
    other.run()
    assert "operation not permitted when stream is capturing): training goes on without" in capsys.readouterr().err
    assert other.log.rows == plain.log.rows
    wanted = plain.network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in other.network.state_dict().items())


def test_without_a_gpu_it_is_said_and_the_steps_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = stepping([{"execution": {"compile": "captured"}}], "baseline", tmp_path / "asked")
    plain = stepping([], "baseline", tmp_path / "plain")
    asked.run()
    plain.run()
    assert "steps are not captured: no GPU" in capsys.readouterr().err
    assert asked.log.rows == plain.log.rows


@pytest.mark.parametrize(
    "waits",
    [
        lambda one: float(one.sum()),
        lambda one: bool((one > 0).any()),
        lambda one: one[one > 0],
        lambda one: one.nonzero(),
        lambda one: (one > 0).long().bincount(),
        lambda one: one * torch.tensor([2.0], device=one.device),
        lambda one: one[[0, 2]],
    ],
)
def test_the_guard_knows_what_waits(waits: Callable[[Tensor], Any]) -> None:
    one = torch.randn(4)
    with NoWaiting():
        torch.where(one > 0, one, 0.0).sum().sqrt()
        with pytest.raises(Waits):
            waits(one)


def test_passes_are_counted_as_torch_counts_them() -> None:
    def norms() -> nn.Sequential:
        return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    ours, torchs = norms(), norms()
    ours.load_state_dict(torchs.state_dict())
    passes = Passes(ours)
    images = torch.randn(4, 3, 2, 2)
    for network in (ours, torchs):
        network(images)
        network[0](images)
        network.eval()(images)
    passes.settle()
    passes.settle()
    for name, value in torchs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)
    assert isinstance(ours[0], nn.BatchNorm2d)
    ours.train()(images)
    passes.forget()
    passes.settle()
    assert int(ours[0].num_batches_tracked) == 2
