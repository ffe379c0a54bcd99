"""What is printed is seen, never obeyed, wherever it comes from."""

from __future__ import annotations

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_logger_plugin_svrn.handler import say
from svrn.cli.streams import Escaping, escaped_output, terminal
from svrn.errors import UserError, printable

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
letters = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x07\x9b\r\n\t\u202e\u2066\udcff\ud800\u2028")))


@given(letters)
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = printable(text)
    assert not ACTS.search(shown) and "\n" not in shown and "\t" not in shown
    shown.encode("utf-8")
    assert printable(shown) == shown
    error = str(UserError(text, where=text, mend=text))
    assert not ACTS.search(error) and error.count("\n") == (1 if text else 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ±, 车辆, é", "plain, ±, 车辆, é"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("caf\udce9", "caf\\xe9"),  # a byte of a name that is not UTF-8
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eabc", "\\u202eabc"),
        ("\ud800", "\\ud800"),
    ],
)
def test_letters_are_shown_as_python_writes_them(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_both_streams_escape_for_the_block_and_are_themselves_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with escaped_output(), escaped_output():
        print("a\x1b[2Jb", "c\td")
        print("e\u202e\udcff", file=sys.stderr)
        sys.stderr.writelines(["f\x07\n"])
        assert isinstance(sys.stdout, Escaping) and terminal(sys.stdout) is before[0]
        assert terminal(io.StringIO()) is not None and sys.stdout.isatty() is False
        print("bar\r", end="", file=terminal(sys.stderr))
    assert (sys.stdout, sys.stderr) == before
    printed = capsys.readouterr()
    assert printed.out == "a\\x1b[2Jb c\td\n"
    assert printed.err == "e\\u202e\\xff\nf\\x07\nbar\r"


class Written(io.StringIO):
    """A stream that keeps each write by itself, as the system would do it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs of a workflow share a stream: a line that goes out in two writes is sometimes torn by another's."""
    stream = Written()
    monkeypatch.setattr(sys, "stderr", stream)
    with escaped_output():
        print("one", "line", file=sys.stderr, flush=True)
        print("two\nlines", file=sys.stderr)
        print("asked: ", end="", file=sys.stderr, flush=True)
        print("answered", file=sys.stderr)
        print("no end", end="", file=sys.stderr)
    assert stream.writes == ["one line\n", "two\n", "lines\n", "asked: ", "answered\n", "no end"]


def test_what_the_workflow_says_of_its_jobs_is_one_write_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Written()
    monkeypatch.setattr(sys, "stderr", stream)
    say("svrn: 4 of 4 trainings done")
    assert stream.writes == ["svrn: 4 of 4 trainings done\n"]
