"""The logger plugin record by record: time left, what failed, and the command that repeats it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_svrn import handler
from snakemake_logger_plugin_svrn.handler import Job, LogHandler, again, duration, summary

TYPED = ["/bin/snakemake", "all_tables", "--cores", "2", "--config", "suite=small", "-n", "--resources", "gpu=8", "-k"]


class Clock:
    """Seconds as a test sets them."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(handler, "time", made)
    monkeypatch.setattr(handler.sys, "argv", TYPED)
    return made


def listening(dryrun: bool = False) -> LogHandler:
    made = LogHandler.__new__(LogHandler)
    logging.Handler.__init__(made)
    made.common_settings = SimpleNamespace(dryrun=dryrun)  # type: ignore[assignment]
    made.__post_init__()
    return made


def told(one: LogHandler, event: LogEvent, **facts: Any) -> None:
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    record.__dict__ |= {"event": event, **facts}
    one.emit(record)


def begun(one: LogHandler, number: int, rule: str, key: str = "a" * 12) -> None:
    output = [f"results/runs/{key}/model.safetensors", f"results/runs/{key}/run.json"]
    told(one, LogEvent.JOB_INFO, jobid=number, rule_name=rule, output=output, log=f"logs/{rule}/{key}.log")


def test_time_left_is_the_mean_length_of_what_is_done_for_each_that_is_not(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    one = listening()
    told(one, LogEvent.RUN_INFO, stats={"train": 3, "reid_train": 1, "embed": 9, "retrain_it": 5, "total": 18})
    clock.now = 1000
    for number in (1, 2):
        begun(one, number, "train")
    begun(one, 3, "embed")
    clock.now = 1300
    told(one, LogEvent.JOB_FINISHED, job_id=3)
    told(one, LogEvent.JOB_FINISHED, job_id=1)
    begun(one, 4, "reid_train")
    begun(one, 5, "train")
    clock.now = 1500
    told(one, LogEvent.JOB_FINISHED, job_id=2)
    told(one, LogEvent.JOB_FINISHED, job_id=4)
    told(one, LogEvent.JOB_FINISHED, job_id=5)
    told(one, LogEvent.JOB_FINISHED, job_id=77)
    assert capsys.readouterr().err.splitlines() == [
        "svrn: 1 of 4 trainings done, about 15 min of training left",  # 300 s for one, three left
        "svrn: 2 of 4 trainings done, about 8 min of training left",  # 500 s for two, two left
        "svrn: 3 of 4 trainings done, about 3 min of training left",
        "svrn: 4 of 4 trainings done",
    ]
    one.close()
    assert capsys.readouterr().err == ""


def test_a_single_training_and_a_dry_run_tell_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for dryrun, trainings in ((False, 1), (True, 4)):
        one = listening(dryrun)
        told(one, LogEvent.RUN_INFO, stats={"train": trainings})
        begun(one, 1, "train")
        told(one, LogEvent.JOB_FINISHED, job_id=1)
    assert capsys.readouterr().err == ""


def test_what_failed_and_was_not_mended_is_told_at_the_end_once(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    one = listening()
    begun(one, 1, "train", "b" * 12)
    begun(one, 2, "embed", "c" * 12)
    told(one, LogEvent.JOB_ERROR, jobid=1)
    told(one, LogEvent.JOB_ERROR, jobid=2)
    told(one, LogEvent.JOB_ERROR, jobid=9)
    begun(one, 2, "embed", "c" * 12)  # tried again
    one.close()
    again_alone = (
        f"snakemake results/runs/{'b' * 12}/model.safetensors --cores 2 --config suite=small --resources gpu=8"
    )
    assert capsys.readouterr().err.splitlines() == [
        "",
        "svrn: 1 job failed",
        f"  train {'b' * 12}",
        f"    log:   logs/train/{'b' * 12}.log",
        f"    alone: {again_alone}",
        "  Everything that finished is kept; the same command again does only what is missing.",
    ]
    one.close()
    assert capsys.readouterr().err == ""


def test_several_failures_are_counted_and_named_by_what_they_make() -> None:
    jobs = [Job("cells", ["results/x/cells.parquet"], []), Job("one", [], ["a.log", "b.log"])]
    lines = summary(jobs, ["snakemake"]).splitlines()
    assert lines[1:4] == [
        "svrn: 2 jobs failed",
        "  cells results/x/cells.parquet",
        "    alone: snakemake results/x/cells.parquet",
    ]
    assert lines[4:7] == ["  one", "    log:   a.log", "    log:   b.log"]
    assert summary([], ["snakemake"]) == ""


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("all --cores all", "--cores all"),
        ("-c 4 all", "-c 4"),
        ("--config=suite=a all --keep-going", "--config=suite=a"),
        ("--config a=1 b=2 --resources gpu=1 -- all", "--config a=1 b=2 --resources gpu=1"),
        ("--cores 2 all -k -n", "--cores 2"),
        ("-c4 all -k", "-c4"),
        ("-j8 all", "-j8"),
        ("--workflow-profile there all", "--workflow-profile there"),
        ("all", ""),
    ],
)
def test_a_job_is_repeated_where_and_with_what_it_was_asked_for(typed: str, kept: str) -> None:
    assert again(["snakemake", *typed.split()], "t").split() == ["snakemake", "t", *kept.split()]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")]
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
