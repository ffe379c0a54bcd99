"""Several processes train as one does."""

import json
import os
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.distributed as dist
from torch import nn
from worlds import processes, small_run, start, train_in, write_patterns

from svrn.errors import UserError
from svrn.evaluation.embedding import embed
from svrn.evaluation.evaluator import evaluate
from svrn.training import train
from svrn.training.checkpoints import steps_saved
from svrn.training.distributed import Group, gather, join_group, with_global_batch_norm
from svrn.training.records import read_events

TWENTY_STEPS = {
    "training": {
        "batches": {"identities": 4, "images": 2},
        # A rate at which rounding stays rounding: at higher ones, which pair is the hardest one soon flips.
        "optimisation": {"epochs": 5, "batches_per_epoch": 4, "lr": 0.001},
    },
    "execution": {"checkpoint_minutes": 60},
}

LONGER = {
    "training": {
        "batches": {"identities": 4, "images": 4},
        "optimisation": {"epochs": 8, "batches_per_epoch": 5, "lr": 0.003},
    },
    "execution": {"checkpoint_minutes": 60},
}


def losses(folder) -> np.ndarray:
    log = pq.read_table(folder / "train.parquet").to_pandas()
    return log[["total", "identity", "triplet", "vcc", "icc", "dcc", "reward"]].to_numpy()


@pytest.fixture(scope="module")
def alone(patterns, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    os.environ["SVRN_CACHE"] = str(folder / "cache")
    train(small_run(patterns, TWENTY_STEPS), patterns, folder)
    return losses(folder)


@pytest.mark.parametrize("world", [2, 4])
def test_the_same_losses_on_any_number_of_processes(alone, patterns, tmp_path, world):
    run = small_run(patterns, TWENTY_STEPS, {"execution": {"devices": world}})
    assert run.key == small_run(patterns, TWENTY_STEPS).key
    train(run, patterns, tmp_path)
    assert len(alone) == 20
    assert np.allclose(losses(tmp_path), alone, rtol=1e-5, atol=1e-5)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["devices"] == world
    events = read_events(tmp_path / "events.jsonl")
    epoch, end = (max(e["elapsed"] for e in events if e["event"] == kind) for kind in ("epoch", "end"))
    assert world * epoch <= record["device_seconds"] <= world * end + 0.01, "each device's seconds count"


def test_random_masks_are_the_same_on_two_processes(patterns, tmp_path):
    masks = {"model": {"salience": {"scores": "random"}}}
    for world in (1, 2):
        run = small_run(patterns, TWENTY_STEPS, masks, {"execution": {"devices": world}})
        train(run, patterns, tmp_path / str(world))
    assert np.allclose(losses(tmp_path / "1"), losses(tmp_path / "2"), rtol=1e-5, atol=1e-5)


def test_stopped_together_and_gone_on_with_another_number(alone, patterns, tmp_path):
    often = {"execution": {"checkpoint_minutes": 1e-6, "devices": 2}}
    run = small_run(patterns, TWENTY_STEPS, often)
    child = start(train_in, run, patterns, tmp_path)
    deadline = time.monotonic() + 120
    while not steps_saved(tmp_path / "checkpoints"):
        assert time.monotonic() < deadline and child.is_alive()
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGTERM)
    child.join()
    assert child.exitcode == 75
    train(small_run(patterns, TWENTY_STEPS), patterns, tmp_path)
    assert np.allclose(losses(tmp_path), alone, rtol=1e-5, atol=1e-5)


def test_a_mistake_met_by_the_processes_is_told_once(patterns, tmp_path):
    wrong = {"training": {"batches": {"identities": 10}}, "execution": {"devices": 2}}
    with pytest.raises(UserError, match="a batch of 10 identities was asked for, there are 6"):
        train(small_run(patterns, TWENTY_STEPS, wrong), patterns, tmp_path)


def test_the_same_metrics_on_any_number_of_processes_as_far_as_seeds_go(tmp_path):
    patterns = write_patterns(tmp_path / "patterns", vehicles=16, images=5, noise=120)
    patterns.table["split"] = "train+query+gallery"

    def metrics(name: str, *overlays: dict) -> np.ndarray:
        run = small_run(patterns, LONGER, *overlays)
        train(run, patterns, tmp_path / name)
        embeddings = embed(tmp_path / name, patterns, tmp_path / f"{name}.parquet")
        scores = evaluate(embeddings, patterns, "veri776").scores
        return np.array([scores.map, scores.cmc[1], scores.minp])

    seeds = np.stack([metrics(f"seed {seed}", {"training": {"seed": seed}}) for seed in range(4)])
    assert (seeds.std(axis=0) > 0).all() and 20 < seeds[0, 0] < 95  # neither perfect nor chance: there is noise to see
    for world in (2, 4):
        difference = np.abs(metrics(f"{world} processes", {"execution": {"devices": world}}) - seeds[0])
        assert (difference <= np.ptp(seeds, axis=0)).all()


def normalised(rank: int, world: int, meeting, shape: tuple[int, ...], folder) -> None:
    """One process's part of a batch through a normalisation over all of them, and its gradients."""
    torch.set_num_threads(1)
    group = join_group(rank, world, meeting, cuda=False)
    network, values, weights = a_network(shape)
    with_global_batch_norm(network, cuda=False)
    size = shape[0] // world
    part = values[rank * size : (rank + 1) * size].clone().requires_grad_()
    whole = gather(network(part))
    (whole * weights).sum().backward()
    for parameter in network.parameters():
        dist.all_reduce(parameter.grad)
        parameter.grad /= world
    result = {"whole": whole, "part": part.grad / world, **dict(network.named_buffers())}
    result |= {f"gradient of {name}": one.grad for name, one in network.named_parameters()}
    torch.save({name: value.detach() for name, value in result.items()}, folder / f"{rank}.pt")
    group.wait()
    assert group == Group(rank, world)
    dist.destroy_process_group()


def a_network(shape: tuple[int, ...]) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    network = nn.Sequential(norm(shape[1]), nn.ReLU(), norm(shape[1]))
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1.5, generator=chance)
    values = torch.randn(shape, generator=chance) * 3 + 5
    return network, values, torch.randn(shape, generator=chance)


@pytest.mark.parametrize("shape", [(8, 3, 4, 4), (12, 5)])
def test_global_batch_norm_is_batch_norm_of_the_whole(tmp_path, shape):
    network, values, weights = a_network(shape)
    values.requires_grad_()
    wanted = network(values)
    (wanted * weights).sum().backward()
    context = processes()
    children = [start(normalised, rank, 2, tmp_path / "meeting", shape, tmp_path, context=context) for rank in range(2)]
    for child in children:
        child.join()
        assert child.exitcode == 0
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for found in parts:
        assert torch.allclose(found["whole"], wanted, atol=1e-5)
        for name, buffer in network.named_buffers():
            assert torch.allclose(found[name], buffer, atol=1e-5)
        for name, parameter in network.named_parameters():
            assert torch.allclose(found[f"gradient of {name}"], parameter.grad, atol=1e-4)
    assert torch.allclose(torch.cat([found["part"] for found in parts]), values.grad, atol=1e-5)


@pytest.mark.parametrize("cuda", [False, True])
def test_a_norm_over_all_processes_is_the_norm_that_it_was(cuda):
    network = nn.Sequential(nn.BatchNorm2d(3, eps=0.1, momentum=0.3), nn.Sequential(nn.BatchNorm1d(2, affine=False)))
    for buffer in network.buffers():
        buffer.fill_(7)
    network[1].eval()
    before = dict(network.state_dict())
    with_global_batch_norm(network, cuda)
    first, second = network[0], network[1][0]
    assert first.training and not second.training, "frozen blocks stay in evaluation mode"
    assert (first.eps, first.momentum, second.affine) == (0.1, 0.3, False)
    after = network.state_dict()
    assert list(after) == list(before) and all(after[name] is not None for name in before)
    assert all(torch.equal(after[name], one) for name, one in before.items())
    assert first.weight.requires_grad and type(first) is not nn.BatchNorm2d
