"""Table 7's measurements: complete, named as the table names them, in turns. No test asks how fast."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
import torch

from svrn.config.parameters import (
    Backbone,
    Batches,
    Dcc,
    Head,
    Icc,
    Input,
    Losses,
    Model,
    RunParameters,
    Salience,
    Stages,
    Training,
    Unified,
    Vcc,
)
from svrn.training import timing


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_ROUNDS", (2, 2))
    monkeypatch.setattr(timing, "_WARM", 1)


def run(stages: int) -> RunParameters:
    off = {"vcc": Vcc(weight=0), "icc": Icc(weight=0), "dcc": Dcc(weight=0)} if stages == 1 else {}
    return RunParameters(
        model=Model(
            backbone=Backbone(name="small_cnn", weights="random"),
            stages=Stages(count=stages),
            head=Head(reduction=16),
            salience=Salience(grid=2),
            unified=Unified(enabled=stages > 1),
        ),
        training=Training(
            input=Input(size=32),
            batches=Batches(identities=2, images=2),
            losses=Losses(**off),  # type: ignore[arg-type]
        ),
    )


def test_measures_every_run_and_names_the_device() -> None:
    made = timing.measure_all({"Baseline": run(1), "SVRN": run(3)}, torch.device("cpu"), identities=5)
    assert list(made) == ["Baseline", "SVRN"]
    for one in made.values():
        assert one.rounds == 2 and one.batch == 4 and one.precision == "float32" and one.device
        numbers = [value for value in asdict(one).values() if not isinstance(value, str)]
        assert all(math.isfinite(value) and value >= 0 for value in numbers)
        assert min(one.train_ms, one.inference_ms, one.single_ms) > 0
        assert json.loads(json.dumps(asdict(one))) == asdict(one)
    assert made["SVRN"].parameters > made["Baseline"].parameters
    assert made["SVRN"].inference_flops > made["Baseline"].inference_flops


def test_flops_are_those_of_the_layers() -> None:
    """The baseline's inference, by hand: five 3x3 convolutions, mining, the 1x1 reduction."""
    made = timing.measure(run(1), torch.device("cpu"), identities=5)
    layers = [(3, 16, 16), (16, 16, 8), (16, 32, 4), (32, 48, 2), (48, 64, 2)]
    flops = sum(2 * 9 * inputs * outputs * side**2 for inputs, outputs, side in layers)
    flops += 2 * 9 * (2 * 8 + 8 * 1) * 4 + 2 * 64 * 16 * 4
    assert made.inference_flops == flops


def test_a_training_step_is_three_times_its_forward_pass_where_everything_is_trained() -> None:
    """Less the gradient of the images, which nobody needs; beside it the classifier and the triplets' distances."""
    made = timing.measure(run(1), torch.device("cpu"), identities=5)
    first, classifier, distances = 2 * 9 * 3 * 16 * 16**2, 2 * 16 * 5, 2 * 16 * 4
    assert made.train_flops == 3 * (made.inference_flops + classifier) - first + distances


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_flops_of_a_convolutions_gradients_know_groups(groups: int) -> None:
    layer = torch.nn.Conv2d(4, 4, 3, padding=1, groups=groups, bias=False)
    images = torch.randn(2, 4, 5, 5, requires_grad=True)
    forward = 2 * 2 * 25 * 4 * (4 // groups) * 9
    assert timing._flops(lambda: layer(images).sum().backward()) == 3 * forward


def test_peak_memory_is_what_was_held_at_once() -> None:
    def work() -> None:
        one = torch.zeros(1000)
        del one
        two, three = torch.zeros(2000), torch.zeros(500)
        del two, three

    assert timing._peak(torch.device("cpu"), work) == 4 * 2500


def test_a_step_changes_the_weights_and_an_inference_does_not() -> None:
    subject = timing.Subject(run(3), torch.device("cpu"), 5)
    before = [one.detach().clone() for one in subject.network.parameters()]
    subject.infer()
    assert all(torch.equal(one, other) for one, other in zip(subject.network.parameters(), before, strict=True))
    subject.step()
    assert not all(torch.equal(one, other) for one, other in zip(subject.network.parameters(), before, strict=True))


def test_rows_carry_the_tables_columns() -> None:
    row = timing.measure(run(1), torch.device("cpu"), identities=5).as_row()
    assert {"train.ms", "train.ms.std", "inference.ms", "inference.ms.std", "train_flops", "parameters"} <= set(row)
    assert all(isinstance(value, float) for value in row.values())


def test_networks_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    works = {(name, "train"): (lambda name=name: order.append(name)) for name in ("a", "b")}
    timing._rounds(works, torch.device("cpu"))
    assert order == ["a", "b"] * 3  # one warm round, two measured
