"""How commands end: one message and an exit code whatever was raised, a traceback for our own faults alone."""

from __future__ import annotations

import errno
import gzip
import json
import os
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image, UnidentifiedImageError
from safetensors import SafetensorError

from svrn.cli.ending import FAULT, run
from svrn.errors import Interrupted, UserError

NUMBERS = sorted(set(errno.errorcode) - {errno.EPIPE, errno.ESHUTDOWN})  # a reader that went away is no error


def ended(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    def command() -> None:
        raise error

    return run(command), capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, os.strerror(number), "results/a.json") for number in NUMBERS),
        yaml.YAMLError("while parsing"),
        pa.ArrowInvalid("not Parquet"),
        pa.ArrowNotImplementedError("a type"),
        SafetensorError("Error while deserializing header: HeaderTooLarge"),
        UnidentifiedImageError("cannot identify image file"),
        Image.DecompressionBombError("too many pixels"),
        zipfile.BadZipFile("File is not a zip file"),
        tarfile.ReadError("not a tar"),
        gzip.BadGzipFile("Not a gzipped file"),
        zlib.error("Error -3"),
        json.JSONDecodeError("Expecting value", "", 0),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        EOFError(),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=lambda error: f"{type(error).__name__} {getattr(error, 'errno', '')}",
)  # fmt: skip
def test_what_is_no_fault_of_ours_is_one_message(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended(error, capsys)
    assert code == 2
    assert said.startswith("svrn: ") and len(said) > 12 and "Traceback" not in said
    if getattr(error, "filename", None):
        assert said.startswith("svrn: results/a.json: ")


def test_a_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(UserError("wrong", where="a.yaml", mend="right"), capsys) == (
        2,
        "svrn: a.yaml: wrong\n  mend: right\n",
    )


def test_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(Interrupted("stopped by SIGTERM"), capsys) == (75, "svrn: stopped by SIGTERM\n")
    assert ended(KeyboardInterrupt(), capsys) == (130, "svrn: stopped\n")


@pytest.mark.parametrize(
    "error", [TypeError("f() takes 1"), KeyError("a"), ValueError("b"), AssertionError(), RuntimeError("c")]
)
def test_a_fault_of_ours_shows_where_it_is(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """And has a code of its own: 1 is a verdict, 2 a mistake of the user's."""
    code, said = ended(error, capsys)
    assert code == FAULT == 70
    assert "Traceback" in said and "report it" in said


def svrn(arguments: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "svrn.cli", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_a_full_disk_behind_the_standard_output() -> None:
    with Path("/dev/full").open("wb") as full:
        done = svrn(["plan", "--suite", "smoke"], stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith(b"svrn: ") and b"the disk is full" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = svrn(["plan", "--suite", "smoke"], stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x1b[2J"])
def test_a_name_that_is_no_text(name: bytes) -> None:
    done = svrn([os.fsdecode(name), "x"], stdout=subprocess.DEVNULL)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    done = svrn(["plan", "--suite", os.fsdecode(name)], stdout=subprocess.DEVNULL)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
