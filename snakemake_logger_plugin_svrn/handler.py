"""What a call of the workflow says beside Snakemake's own lines: time left, and at the end what failed."""

from __future__ import annotations

import re
import shlex
import sys
import time
from dataclasses import dataclass, field
from logging import LogRecord
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

#: Also `reid_train`, where another workflow calls this one with a prefix.
_TRAINING = re.compile(r"(\w+_)?train")
_KEPT_OPTIONS = (
    "--cores",
    "-c",
    "--jobs",
    "-j",
    "--resources",
    "--res",
    "--config",
    "-C",
    "--workflow-profile",
    "--profile",
)


@dataclass
class Job:
    """A job as far as its records told."""

    rule: str
    output: list[str]
    log: list[str]
    began: float = 0.0


@dataclass
class Calls:
    """What has been heard of a call: its jobs, how many trainings it has, and what failed."""

    jobs: dict[int, Job] = field(default_factory=dict)
    trainings: int = 0
    lengths: list[float] = field(default_factory=list)
    began: float = 0.0
    failed: dict[int, Job] = field(default_factory=dict)


class LogHandler(LogHandlerBase):
    """Listens beside Snakemake's own log."""

    def __post_init__(self) -> None:
        self.calls = Calls()

    def emit(self, record: LogRecord) -> None:
        """Take a record in; a training that ended is told with the time left."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self.calls.trainings = _trainings(record.__dict__["stats"])
        elif event == LogEvent.JOB_INFO:
            self._begins(record)
        elif event == LogEvent.JOB_FINISHED:
            self._ends(int(record.job_id))  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_ERROR:
            number = int(record.jobid)  # type: ignore[attr-defined]
            if number in self.calls.jobs:
                self.calls.failed[number] = self.calls.jobs[number]

    def close(self) -> None:
        """The end of the call: what failed, its log, and the command that repeats it alone."""
        text = summary(self.calls.failed.values(), sys.argv)
        if text:
            say(text)
        self.calls = Calls()
        super().close()

    def _begins(self, record: LogRecord) -> None:
        facts: dict[str, Any] = record.__dict__
        number = int(facts["jobid"])
        self.calls.failed.pop(number, None)  # tried again
        job = Job(facts["rule_name"], _paths(facts["output"]), _paths(facts["log"]), time.monotonic())
        self.calls.jobs[number] = job
        if _TRAINING.fullmatch(job.rule) and not self.calls.began:
            self.calls.began = job.began

    def _ends(self, number: int) -> None:
        job = self.calls.jobs.get(number)
        if job is None or not _TRAINING.fullmatch(job.rule):
            return
        calls = self.calls
        calls.lengths.append(time.monotonic() - job.began)
        done, all_of_them = len(calls.lengths), calls.trainings
        if all_of_them <= 1 or self.common_settings.dryrun:
            return
        left = (time.monotonic() - calls.began) / done * (all_of_them - done)
        ending = f", about {duration(left)} of training left" if done < all_of_them else ""
        say(f"svrn: {done} of {all_of_them} trainings done{ending}")

    @property
    def writes_to_stream(self) -> bool:
        """No: Snakemake's own lines stay."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """No file either."""
        return False

    @property
    def has_filter(self) -> bool:
        """Yes, namely none: `--quiet` must not hide failures."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Nothing is formatted."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False


def say(text: str) -> None:
    """A line in one write: `print` would write its end by itself, and what a job says would come between the two."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _trainings(stats: dict[str, int]) -> int:
    return sum(int(count) for rule, count in stats.items() if _TRAINING.fullmatch(rule))


def summary(failed: Any, argv: list[str]) -> str:
    """What failed, each with its log and the command that repeats it alone; empty where nothing did."""
    jobs = list(failed)
    if not jobs:
        return ""
    lines = ["", f"svrn: {len(jobs)} job{'s' if len(jobs) > 1 else ''} failed"]
    for job in jobs:
        lines.append(f"  {job.rule} {_subject(job)}".rstrip())
        lines += [f"    log:   {path}" for path in job.log]
        if job.output:
            lines.append(f"    alone: {again(argv, job.output[0])}")
    lines.append("  Everything that finished is kept; the same command again does only what is missing.")
    return "\n".join(lines)


def again(argv: list[str], target: str) -> str:
    """A call that makes one target, with those options of this call that say where and with what."""
    options: list[str] = []
    keeping = False
    for word in argv[1:]:
        if word.startswith("-"):
            name = word.partition("=")[0] if word.startswith("--") else word[:2]
            keeping = name in _KEPT_OPTIONS
            if keeping and word != name:  # --config=a=1, -c4: its value stands in it
                options.append(word)
                keeping = False
        if keeping:
            options.append(word)
            keeping = word.startswith("-") or "=" in word
    return shlex.join(["snakemake", target, *options])


def _subject(job: Job) -> str:
    match = re.search(r"results/runs/([0-9a-f]{12})", " ".join(job.output))
    return match.group(1) if match else (job.output[0] if job.output else "")


def _paths(value: Any) -> list[str]:
    if value is None:
        return []
    words = [value] if isinstance(value, str) else list(value)
    return [str(word) for word in words]


def duration(seconds: float) -> str:
    """Seconds as people say them: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
