"""A training that is stopped, killed, or whose checkpoints are damaged ends with the same bytes."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import worlds
from worlds import BASELINE, results, small_run, start, train_in

from svrn.config.identity import run_key
from svrn.config.study import Run
from svrn.errors import Interrupted, UserError
from svrn.training import train
from svrn.training.checkpoints import Checkpoint, load_newest, save_checkpoint, steps_saved
from svrn.training.records import read_events
from svrn.training.session import finished

OFTEN = {"execution": {"checkpoint_minutes": 1e-6}}


@pytest.fixture(scope="module")
def undisturbed(patterns, tmp_path_factory):
    """The run, and what it gives when nothing happens to it."""
    run = small_run(patterns, OFTEN)
    folder = tmp_path_factory.mktemp("undisturbed")
    os.environ["SVRN_CACHE"] = str(folder / "cache")
    train(run, patterns, folder / "run")
    return run, results(folder / "run"), folder / "run"


def wait_for_step(run_dir: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while not any(saved >= step for saved in steps_saved(run_dir / "checkpoints")):
        assert time.monotonic() < deadline, "the training makes no progress"
        time.sleep(0.002)


def test_what_a_run_leaves(undisturbed):
    run, _, folder = undisturbed
    record = json.loads((folder / "run.json").read_text())
    assert record["key"] == run.key and record["restarts"] == 0 and record["steps"] == 12
    assert record["device_seconds"] > 0 and record["peak_memory_bytes"] > 1e7
    log = pq.read_table(folder / "train.parquet").to_pandas()
    assert list(log["step"]) == list(range(1, 13))
    assert list(log["epoch"]) == [1] * 4 + [2] * 4 + [3] * 4
    assert (log["total"] > 0).all() and (log["vcc"] > 0).all() and (log["reward"] > 0).all()
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == [
        "config.yaml",
        "env.json",
        "events.jsonl",
        "model.safetensors",
        "run.json",
        "train.parquet",
    ]
    environment = json.loads((folder / "env.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert read_events(folder / "events.jsonl")[0]["event"] == "start"


def test_the_same_seed_twice_gives_the_same_bytes_and_another_does_not(patterns, tmp_path, undisturbed):
    run, wanted, _ = undisturbed
    train(run, patterns, tmp_path / "again")
    assert results(tmp_path / "again") == wanted
    other = small_run(patterns, OFTEN, {"training": {"seed": 1}})
    train(other, patterns, tmp_path / "other")
    assert results(tmp_path / "other")["model.safetensors"] != wanted["model.safetensors"]


def test_it_learns(patterns, tmp_path):
    longer = {"training": {"optimisation": {"epochs": 12, "lr": 0.01}, "input": {"erasing": 0.0}}}
    run = small_run(patterns, BASELINE, longer)
    train(run, patterns, tmp_path)
    losses = pq.read_table(tmp_path / "train.parquet").to_pandas()["identity"]
    assert losses[-8:].mean() < 0.8 * losses[:8].mean()


def test_a_finished_run_is_left_alone(undisturbed, patterns, capsys):
    run, _, folder = undisturbed
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    train(run, patterns, folder)
    assert "finished already" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["model.safetensors", "train.parquet"])
def test_a_finished_run_whose_results_were_replaced_is_trained_again(undisturbed, patterns, tmp_path, name):
    """Its record names the digests of its weights and its log: another run's, put in their place, do not pass."""
    run, wanted, folder = undisturbed
    other = small_run(patterns, OFTEN, {"training": {"seed": 1}})
    train(other, patterns, tmp_path / "other")
    shutil.copytree(folder, tmp_path / "run")
    shutil.copyfile(tmp_path / "other" / name, tmp_path / "run" / name)
    assert not finished(tmp_path / "run", run.key)
    train(run, patterns, tmp_path / "run")
    assert results(tmp_path / "run") == wanted
    assert finished(tmp_path / "run", run.key)


def test_a_finished_run_with_another_runs_configuration_is_not_taken_for_finished(undisturbed, patterns, tmp_path):
    run, _, folder = undisturbed
    other = small_run(patterns, OFTEN, {"training": {"seed": 1}})
    shutil.copytree(folder, tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    own = config.read_text()
    for spoilt, what in [
        (own.replace("  seed: 0", "  seed: 1"), f"are those of run {other.key}"),
        (own.replace("  seed: 0", "  seed: 1").replace(run.key, other.key), f"the configuration of run {other.key}"),
        (own[:100], "not the configuration of a run"),
    ]:
        assert spoilt != own
        config.write_text(spoilt)
        with pytest.raises(UserError, match=what):
            train(run, patterns, tmp_path / "run")
    config.write_text(own)
    assert finished(tmp_path / "run", run.key)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_and_leaves(undisturbed, patterns, tmp_path, number):
    run, wanted, _ = undisturbed
    child = start(train_in, run, patterns, tmp_path / "run")
    wait_for_step(tmp_path / "run", 2)
    os.kill(child.pid, number)
    child.join()
    assert child.exitcode == Interrupted.exit_code
    saved = steps_saved(tmp_path / "run" / "checkpoints")
    assert 2 <= saved[0] <= 12
    last = read_events(tmp_path / "run" / "events.jsonl")[-1]
    assert last["event"] == "stop" and last["step"] == saved[0] and last["signal"] == number.name
    train(run, patterns, tmp_path / "run")
    assert results(tmp_path / "run") == wanted
    assert json.loads((tmp_path / "run" / "run.json").read_text())["restarts"] == 1


def test_killed_again_and_again(undisturbed, patterns, tmp_path):
    run, wanted, _ = undisturbed
    chance = random.Random(3)
    kills = 0
    while not (tmp_path / "run" / "run.json").is_file():
        child = start(train_in, run, patterns, tmp_path / "run")
        if kills < 2:  # somewhere on the way, however fast the machine
            wait_for_step(tmp_path / "run", 2 + 3 * kills)
        else:  # longer after each kill, so that a busy machine gets through as well
            child.join(timeout=0.05 + chance.random() * 0.8 * (1 + kills / 10))
        if child.exitcode is None:
            child.kill()
            child.join()
            kills += 1
        assert child.exitcode in (0, -signal.SIGKILL)
        assert kills < 100
    assert kills >= 2
    assert results(tmp_path / "run") == wanted
    restarts = json.loads((tmp_path / "run" / "run.json").read_text())["restarts"]
    assert 0 < restarts <= kills


@pytest.mark.parametrize("damage", ["truncated tensors", "truncated json", "flipped bit", "tensors gone", "all"])
def test_a_damaged_checkpoint_is_passed_over(undisturbed, patterns, tmp_path, damage, capsys):
    run, wanted, _ = undisturbed
    child = start(train_in, run, patterns, tmp_path / "run")
    wait_for_step(tmp_path / "run", 5)
    child.kill()
    child.join()
    folder = tmp_path / "run" / "checkpoints"
    newest = steps_saved(folder)[0]
    stem = folder / f"step-{newest:08d}"
    tensors, facts = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    if damage == "truncated tensors":
        tensors.write_bytes(tensors.read_bytes()[:-1000])
    elif damage == "truncated json":
        facts.write_bytes(facts.read_bytes()[:40])
    elif damage == "flipped bit":
        content = bytearray(tensors.read_bytes())
        content[len(content) // 2] ^= 4
        tensors.write_bytes(content)
    elif damage == "tensors gone":
        tensors.unlink()
    else:
        for file in folder.iterdir():
            file.write_bytes(b"")
    train(run, patterns, tmp_path / "run")
    said = capsys.readouterr().err
    assert f"checkpoint of step {newest} is damaged" in said
    assert ("goes on after step" in said) == (damage != "all")
    assert results(tmp_path / "run") == wanted


def test_a_full_disk_does_not_stop_a_training(undisturbed, patterns, tmp_path, monkeypatch, capsys):
    import errno

    import svrn.training.checkpoints as checkpoints

    run, wanted, _ = undisturbed
    real = checkpoints.save_file
    calls = iter(range(1000))

    def full(tensors, file, metadata=None):
        if next(calls) < 6:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, file, metadata=metadata)

    monkeypatch.setattr(checkpoints, "save_file", full)
    train(run, patterns, tmp_path / "run")
    assert "was not written: the disk is full; training goes on" in capsys.readouterr().err
    assert results(tmp_path / "run") == wanted
    assert sum(e["event"] == "checkpoint_failed" for e in read_events(tmp_path / "run" / "events.jsonl")) == 6


def test_a_disk_full_at_the_end_loses_nothing(undisturbed, patterns, tmp_path, monkeypatch):
    import errno

    import svrn.training.records as records

    run, wanted, _ = undisturbed

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(records.pq, "write_table", full)
        with pytest.raises(UserError, match="the disk is full"):
            train(run, patterns, tmp_path / "run")
    assert not (tmp_path / "run" / "run.json").exists() and not (tmp_path / "run" / "train.parquet").exists()
    assert steps_saved(tmp_path / "run" / "checkpoints")
    train(run, patterns, tmp_path / "run")
    assert results(tmp_path / "run") == wanted


def test_a_folder_that_cannot_be_made(patterns, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((UserError, NotADirectoryError)):
        train(small_run(patterns), patterns, tmp_path / "file" / "run")


def test_a_clock_that_jumps(undisturbed, patterns, tmp_path, monkeypatch):
    run, wanted, _ = undisturbed
    times = iter([2e9, 1e9] * 100000)
    monkeypatch.setattr(time, "time", lambda: next(times))
    train(run, patterns, tmp_path / "run")
    assert results(tmp_path / "run") == wanted


def test_a_folder_in_use(undisturbed, patterns, tmp_path):
    run, _, _ = undisturbed
    from svrn.locks import release, try_lock

    lock = try_lock(tmp_path / ".lock")
    with pytest.raises(UserError, match="being trained by another process"):
        train(run, patterns, tmp_path)
    release(lock)


def test_other_images_or_another_runs_folder(undisturbed, patterns, tmp_path):
    run, _, folder = undisturbed
    with pytest.raises(UserError, match="the training images are not those of run"):
        train(Run(run.key, "x", run.parameters, "patterns", "0" * 64), patterns, tmp_path)
    other = small_run(patterns, {"training": {"seed": 7}})
    with pytest.raises(UserError, match=f"this folder holds run {run.key}"):
        train(other, patterns, folder)
    save_checkpoint(tmp_path / "run" / "checkpoints", Checkpoint(3, {"a": torch.zeros(1)}, {}), other.key)
    with pytest.raises(UserError, match=f"this checkpoint is run {other.key}'s, not run {run.key}'s"):
        train(run, patterns, tmp_path / "run")


def test_checkpoints_hold_two_and_no_code(tmp_path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Checkpoint(step, {"a": torch.full((2,), step)}, {"n": step}), "k")
    assert steps_saved(tmp_path) == [3, 2]
    found = load_newest(tmp_path, "k")
    assert found is not None and found.step == 3 and found.facts == {"n": 3}
    assert torch.equal(found.tensors["a"], torch.full((2,), 3))
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_a_loss_that_is_not_finite(patterns, tmp_path):
    run = small_run(patterns, OFTEN, {"training": {"optimisation": {"lr": 1e12, "optimiser": "sgd", "epochs": 9}}})
    with pytest.raises(UserError, match="the loss is not finite at step") as error:
        train(run, patterns, tmp_path)
    told = json.loads((tmp_path / "diverged.json").read_text())
    assert f"step {told['step']} " in error.value.what and told["images"][0] in error.value.what
    assert len(told["images"]) == 8
    kept = load_newest(tmp_path / "checkpoints", run.key)
    assert kept is not None and kept.step == told["step"] - 1
    assert not (tmp_path / "run.json").exists()
    assert str(kept.step) in str(error.value.mend)


def test_more_identities_than_there_are(patterns, tmp_path):
    run = small_run(patterns, {"training": {"batches": {"identities": 9}}})
    with pytest.raises(UserError, match="a batch of 9 identities was asked for, there are 6"):
        train(run, patterns, tmp_path)


def test_accumulated_batches_make_fewer_steps(patterns, tmp_path):
    run = small_run(patterns, {"training": {"batches": {"accumulate": 3}}})
    train(run, patterns, tmp_path)
    log = pq.read_table(tmp_path / "train.parquet").to_pandas()
    assert len(log) == 3  # 4 batches an epoch make one step of 3


def test_accumulation_adds_gradients(patterns, tmp_path):
    """One step over 2 batches moves the weights by the mean of the two batches' gradients."""
    import copy

    from building import build_network, total_loss

    from svrn.data.cache import ImageStore
    from svrn.data.loading import TrainingBatches, training_images
    from svrn.methods.rooms import build_losses
    from svrn.parts.output import Seen, Sizes
    from svrn.training.distributed import Group
    from svrn.training.progress import Progress
    from svrn.training.records import Events
    from svrn.training.stop import StopRequest
    from svrn.training.trainer import Trainer

    sgd = {"training": {"batches": {"accumulate": 2}, "optimisation": {"optimiser": "sgd", "weight_decay": 0.0}}}
    run = small_run(patterns, BASELINE, sgd)
    images = training_images(patterns)
    store = ImageStore(images.files, images.fingerprints, run.parameters.training.input)
    batches = TrainingBatches(images, store, run.parameters.training)
    torch.manual_seed(0)
    network = build_network(run.parameters.model, images.identities)
    twin = copy.deepcopy(network).train()
    arguments = (tmp_path, torch.device("cpu"), Group(), Events(tmp_path / "e"), StopRequest(), Progress("x"))
    losses = build_losses(run.parameters, Sizes(images.identities))
    trainer = Trainer(run.key, run.parameters, network, losses, batches, *arguments)
    trainer._take_step(iter([batches.batch(0), batches.batch(1)]))
    for number in (0, 1):
        batch = batches.batch(number)
        total = total_loss(twin(Seen(batch.images, batch.labels)), batch.labels, run.parameters.training.losses).total
        (total / 2).backward()
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs - 0.001 * theirs.grad, atol=1e-6)


def test_paths_and_workers_do_not_change_a_run(patterns, tmp_path, undisturbed):
    run, wanted, _ = undisturbed
    other = small_run(patterns, {"execution": {"workers": 2, "cache": False, "log_every": 3}})
    assert other.key == run.key == run_key(other.parameters, other.train_digest)
    train(other, patterns, tmp_path)
    found = results(tmp_path)
    assert found["model.safetensors"] == wanted["model.safetensors"]
    assert found["train.parquet"] == wanted["train.parquet"]
    assert worlds.SMALL["training"]["input"]["size"] == 32
