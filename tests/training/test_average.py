"""The moving average of weights: against its formula, in checkpoints, and as the model that a training leaves."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from method_worlds import run_of_method, trainer_of
from safetensors.torch import load_file
from torch import nn
from worlds import BASELINE, small_run

from svrn.data.manifest import Manifest
from svrn.training import train
from svrn.training.average import MovingAverage

AVERAGED = {"training": {"optimisation": {"average": 0.8, "optimiser": "adamw", "layer_decay": 0.7}}}


def test_is_its_formula() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = MovingAverage(network, 0.6)
    wanted = {name: one.clone() for name, one in network.state_dict().items()}
    for step in range(1, 30):
        with torch.no_grad():
            for one in network.parameters():
                one.add_(torch.randn(one.shape))
        network(torch.randn(4, 3))
        average.update(step)
        kept = min(0.6, step / (9 + step))
        for name, one in network.state_dict().items():
            whole = not one.is_floating_point()
            wanted[name] = one.clone() if whole else kept * wanted[name] + (1 - kept) * one
    for name, one in average.values.items():
        torch.testing.assert_close(one, wanted[name])
    assert int(average.values["1.num_batches_tracked"]) == 29


def test_weights_that_do_not_move_stay_to_the_bit() -> None:
    network = nn.Linear(50, 50)
    average = MovingAverage(network, 0.9)
    for step in range(1, 20):
        average.update(step)
    assert all(torch.equal(average.values[name], one) for name, one in network.state_dict().items())


def test_goes_on_to_the_bit_and_is_what_a_training_leaves(tmp_path: Path) -> None:
    run = run_of_method("bot", AVERAGED)
    whole = trainer_of(run, tmp_path / "whole")
    whole.run()
    first = trainer_of(run, tmp_path / "stopped")
    first.steps = 2
    first.run()
    first.save()
    second = trainer_of(run, tmp_path / "stopped")
    assert second.restore() and second.step == 2
    second.run()
    assert whole.average is not None and second.average is not None
    left, weights = whole.model(), whole.network.state_dict()
    assert list(left) == list(weights)
    assert [name for name, one in left.items() if not torch.equal(one, second.model()[name])] == []
    apart = {name for name, one in left.items() if not torch.equal(one, weights[name])}
    assert "head.classifier.weight" in apart and not {name for name in apart if name.startswith("trunk.0")}
    assert second.log.rows == whole.log.rows


@pytest.mark.parametrize("method", ["svrn", "transreid"])
def test_without_an_average_the_model_is_the_network(method: str, tmp_path: Path) -> None:
    trainer = trainer_of(run_of_method(method), tmp_path)
    assert trainer.average is None
    weights = trainer.network.state_dict()
    assert all(torch.equal(one, weights[name]) for name, one in trainer.model().items())
    assert not [name for name in trainer.checkpoint().tensors if name.startswith("average.")]


def test_a_run_leaves_its_average_and_trains_as_without_one(patterns: Manifest, tmp_path: Path) -> None:
    option = {"training": {"optimisation": {"average": 0.8}}}
    plain, averaged = small_run(patterns, BASELINE), small_run(patterns, BASELINE, option)
    assert plain.key != averaged.key
    for name, run in (("plain", plain), ("averaged", averaged)):
        train(run, patterns, tmp_path / name)
    assert pq.read_table(tmp_path / "plain/train.parquet").equals(pq.read_table(tmp_path / "averaged/train.parquet"))
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "averaged"))
    assert one.keys() == other.keys() and not all(torch.equal(one[name], other[name]) for name in one)
