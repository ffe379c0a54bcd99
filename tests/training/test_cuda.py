"""What only a GPU can show: a training there resumes, repeats, counts its energy; float16 keeps its scaler."""

import json
import os
import signal
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from worlds import small_run, start, train_in

from svrn.errors import Interrupted, UserError
from svrn.evaluation.embedding import PassOptions, embed
from svrn.training import train
from svrn.training.checkpoints import load_newest, steps_saved
from svrn.training.distributed import Group, gather, join_group

pytestmark = [  # CI has no GPU: whoever has one runs `pytest -m gpu`
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

OFTEN = {"execution": {"checkpoint_minutes": 1e-6}}
HALF = {"training": {"numerics": {"precision": "float16", "channels_last": True}}}


def losses(folder) -> np.ndarray:
    log = pq.read_table(folder / "train.parquet").to_pandas()
    return log[["total", "identity", "triplet", "vcc", "icc", "dcc", "reward"]].to_numpy()


def stopped(run, patterns, folder) -> int:
    """Train in a process of its own, stop it by a signal, and say after which step."""
    child = start(train_in, run, patterns, folder)
    deadline = time.monotonic() + 120
    while not any(step >= 2 for step in steps_saved(folder / "checkpoints")):
        assert time.monotonic() < deadline and child.is_alive()
        time.sleep(0.002)  # a step takes some milliseconds: look often, or it has ended
    os.kill(child.pid, signal.SIGTERM)
    child.join()
    assert child.exitcode == Interrupted.exit_code
    return steps_saved(folder / "checkpoints")[0]


@pytest.mark.parametrize("overlay", [{}, HALF], ids=["float32", "float16"])
def test_a_stopped_training_goes_on_as_if_it_had_not_been(patterns, tmp_path, overlay):
    run = small_run(patterns, OFTEN, overlay)
    train(run, patterns, tmp_path / "whole")
    assert 2 <= stopped(run, patterns, tmp_path / "stopped") <= 12
    train(run, patterns, tmp_path / "stopped")
    assert np.allclose(losses(tmp_path / "stopped"), losses(tmp_path / "whole"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("overlay", [{}, HALF], ids=["float32", "float16"])
def test_captured_steps_are_steps(patterns, tmp_path, overlay, capsys):
    train(small_run(patterns, overlay), patterns, tmp_path / "plain")
    captured = small_run(patterns, overlay, {"execution": {"compile": "captured"}})
    train(captured, patterns, tmp_path / "captured")
    assert "captured" not in capsys.readouterr().err  # neither refused nor given up
    assert np.allclose(losses(tmp_path / "captured"), losses(tmp_path / "plain"), rtol=1e-3, atol=1e-4)
    assert 2 <= stopped(small_run(patterns, OFTEN, overlay, {"execution": {"compile": "captured"}}), patterns,
                        tmp_path / "stopped") <= 12  # fmt: skip
    train(captured, patterns, tmp_path / "stopped")
    assert np.allclose(losses(tmp_path / "stopped"), losses(tmp_path / "plain"), rtol=1e-3, atol=1e-4)


def test_the_same_seed_twice_gives_the_same_losses(patterns, tmp_path):
    run = small_run(patterns)
    for name in ("one", "two"):
        train(run, patterns, tmp_path / name)
    assert (losses(tmp_path / "one") == losses(tmp_path / "two")).all()


def test_a_gpu_and_a_cpu_begin_alike(patterns, tmp_path, monkeypatch):
    run = small_run(patterns)
    train(run, patterns, tmp_path / "there")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train(run, patterns, tmp_path / "here")
    assert np.allclose(losses(tmp_path / "there")[0], losses(tmp_path / "here")[0], rtol=5e-3)


def test_what_a_run_says_of_its_device(patterns, tmp_path):
    run = small_run(patterns)
    train(run, patterns, tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["device_kind"] == "cuda" and record["device"] == torch.cuda.get_device_name()
    assert record["peak_memory_bytes"] > 0
    assert record["energy_joules"] is None or record["energy_joules"] > 0
    facts = json.loads((tmp_path / "env.json").read_text())["device"]
    assert facts["driver"] and facts["cuda"] == torch.version.cuda


def test_float16_keeps_its_scaler(patterns, tmp_path):
    run = small_run(patterns, OFTEN, HALF)
    stopped(run, patterns, tmp_path)
    found = load_newest(tmp_path / "checkpoints", run.key, print)
    assert found is not None and found.facts["scaler"]["scale"] > 0
    train(run, patterns, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["precision"] == "float16"


def test_a_loss_that_is_not_finite_stops_the_run_with_a_state_from_before(patterns, tmp_path):
    run = small_run(patterns, {"training": {"optimisation": {"lr": 1e30}}})
    with pytest.raises(UserError, match="the loss is not finite at step"):
        train(run, patterns, tmp_path)
    assert json.loads((tmp_path / "diverged.json").read_text())["images"]
    kept = load_newest(tmp_path / "checkpoints", run.key, print)
    assert kept is not None
    assert all(bool(t.isfinite().all()) for name, t in kept.tensors.items() if name.startswith("network."))


def test_more_devices_than_there_are_is_a_mistake(patterns, tmp_path):
    more = torch.cuda.device_count() + 1
    with pytest.raises(UserError, match=f"{more} devices were asked for"):
        train(small_run(patterns, {"execution": {"devices": more}}), patterns, tmp_path)


def test_embeddings_are_those_of_the_cpu(patterns, tmp_path):
    run = small_run(patterns)
    train(run, patterns, tmp_path)
    here = embed(tmp_path, patterns, tmp_path / "cpu.parquet")
    there = embed(tmp_path, patterns, tmp_path / "cuda.parquet", PassOptions(devices=("cuda:0",)))
    assert np.allclose(here.vectors, there.vectors, rtol=1e-2, atol=1e-2)


def alone(meeting) -> None:
    torch.cuda.set_device(0)
    group = join_group(0, 1, meeting, cuda=True)
    part = torch.ones(2, 3, device="cuda", requires_grad=True)
    gather(part).sum().backward()
    assert group == Group(0, 1) and bool((part.grad == 1).all())
    torch.distributed.destroy_process_group()


def test_a_group_over_nccl(tmp_path):
    child = start(alone, tmp_path / "meeting")
    child.join()
    assert child.exitcode == 0
