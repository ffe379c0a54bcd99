"""One training process: its words, its records, its device, its signals."""

import io
import json
import os
import signal

import pyarrow.parquet as pq
import pytest
import torch
from worlds import BASELINE, small_run

from svrn.config.parameters import Numerics
from svrn.errors import Interrupted, UserError
from svrn.training import train
from svrn.training.device import autocast_type, compiled, threads
from svrn.training.environment import Energy, code_state, packages
from svrn.training.progress import Progress, clock
from svrn.training.records import Events, StepLog, read_events, seconds_before
from svrn.training.stop import StopRequest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_says_which_run_of_how_many_and_how_long_is_left(monkeypatch):
    import svrn.training.progress as module

    moment = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: moment)
    stream = io.StringIO()
    progress = Progress("abc svrn s0", "3 of 20", stream)
    for step in range(1, 101):
        moment = float(step)
        progress.step(step, 100, (step - 1) // 10 + 1, 10, 3.214)
    lines = stream.getvalue().splitlines()
    assert "[run 3 of 20] abc svrn s0: epoch 5/10, step 41/100, loss 3.21, 0:59 left" in lines
    assert lines[-1].endswith("step 100/100, loss 3.21, 0:00 left")
    assert len(lines) == 21  # the first, one every five seconds, the last


def test_progress_says_where_a_device_waits_for_images():
    stream = Terminal()
    progress = Progress("abc", None, stream)
    progress.step(1, 2, 1, 1, 0.5, starved=0.09)
    progress.step(2, 2, 1, 1, 0.5, starved=0.434)
    first, last = stream.getvalue().split("\r")[1:]
    assert "waits" not in first and "loss 0.50, 0:00 left, waits for images 43% of the time" in last


def test_progress_on_a_terminal_rewrites_its_line():
    stream = Terminal()
    progress = Progress("abc", None, stream)
    progress.step(1, 2, 1, 1, 0.5)
    progress.say("done")
    assert stream.getvalue().startswith("\rabc: epoch 1/1, step 1/2") and stream.getvalue().endswith("\nabc: done\n")


def test_progress_takes_its_position_from_the_workflow(monkeypatch):
    monkeypatch.setenv("SVRN_RUN_POSITION", "7 of 9")
    stream = io.StringIO()
    Progress("abc", stream=stream).say("hello")
    assert stream.getvalue() == "[run 7 of 9] abc: hello\n"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65, "1:05"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_events_survive_a_torn_line(tmp_path):
    file = tmp_path / "events.jsonl"
    Events(file).write("start", step=0)
    with file.open("ab") as stream:
        stream.write(b'{"event": "epo')
    Events(file).write("start", step=3)
    found = read_events(file)
    assert [event["step"] for event in found] == [0, 3]


def test_seconds_are_added_over_restarts(tmp_path):
    lines = [("start", 1.0), ("epoch", 8.0), ("start", 1.0), ("checkpoint", 4.0)]
    events = [{"event": event, "elapsed": elapsed} for event, elapsed in lines]
    assert seconds_before(events) == (12.0, 2)
    assert seconds_before([*events, {"event": "start", "elapsed": 0.5}, {"event": "end", "elapsed": 2.0}]) == (14.0, 3)
    assert seconds_before([]) == (0.0, 0)


def test_events_that_cannot_be_written_are_said_once(tmp_path, capsys):
    events = Events(tmp_path / "absent" / "events.jsonl")
    events.write("start")
    events.write("epoch")
    assert capsys.readouterr().err.count("events are not written") == 1


def test_a_log_goes_through_a_checkpoint_bit_for_bit(tmp_path):
    log, again = StepLog(), StepLog()
    for step in range(5):
        log.add({"step": step + 1, "epoch": 1, "loss": 1 / (step + 3)})
    again.restore(log.columns, log.tensor())
    log.write(tmp_path / "a.parquet")
    again.write(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert pq.read_schema(tmp_path / "a.parquet").field("step").type == "int64"
    with pytest.raises(ValueError, match="columns"):
        log.add({"step": 6})


def test_a_signal_before_the_first_step_ends_at_once():
    with StopRequest() as stop:
        with pytest.raises(Interrupted, match="SIGTERM before the first step"):
            os.kill(os.getpid(), signal.SIGTERM)
        stop.hold()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.asked == "SIGUSR1"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_ctrl_c_does_not_wait():
    with StopRequest() as stop:
        stop.hold()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_threads_are_a_number(monkeypatch):
    monkeypatch.delenv("SVRN_THREADS", raising=False)
    assert threads() == 1
    monkeypatch.setenv("SVRN_THREADS", "3")
    assert threads() == 3
    for text in ("many", "", "0", "-2", "1.5", "²"):
        monkeypatch.setenv("SVRN_THREADS", text)
        with pytest.raises(UserError, match=f"SVRN_THREADS is '{text}'"):
            threads()


def test_what_a_device_cannot_do_is_said():
    said: list[str] = []
    cpu = torch.device("cpu")
    assert autocast_type(Numerics(precision="float32"), cpu, said.append) is None
    assert autocast_type(Numerics(precision="bfloat16"), cpu, said.append) is torch.bfloat16
    assert not said
    assert autocast_type(Numerics(precision="float16"), cpu, said.append) is None
    assert said == ["cpu has no float16 arithmetic: training in float32"]


def test_without_a_compiler_the_network_stays_as_it_is(monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "which", lambda _: None)
    said: list[str] = []
    network = torch.nn.Linear(2, 2)
    assert compiled(network, said.append) is network
    assert said == ["no compiler on this machine: training without torch.compile"]


@pytest.mark.parametrize("numerics", [{"precision": "bfloat16"}, {"channels_last": True}, {"precision": "float16"}])
def test_options_of_arithmetic_train(patterns, tmp_path, numerics):
    run = small_run(patterns, {"training": {"numerics": numerics}})
    train(run, patterns, tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["precision"] == ("bfloat16" if numerics.get("precision") == "bfloat16" else "float32")
    plain = small_run(patterns)
    assert plain.key != run.key


def test_interrupted_in_channels_last_goes_on_alike(patterns, tmp_path):
    run = small_run(patterns, BASELINE, {"training": {"numerics": {"channels_last": True}}})
    train(run, patterns, tmp_path / "whole")

    class Stopping(Progress):
        def step(self, step, *others):
            if step == 5:
                os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="after step 5 of 12, saved"):
        train(run, patterns, tmp_path / "parts", progress=Stopping("x"))
    train(run, patterns, tmp_path / "parts")
    for name in ("model.safetensors", "train.parquet"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_the_environment_says():
    assert packages()["torch"].startswith("2.")
    assert "version" in code_state()
    assert Energy(torch.device("cpu")).joules() is None
