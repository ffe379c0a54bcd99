"""The command line: parse, call, print. Every area has a file of its own; this one finds it.

A command's module is imported when the command is called, so that `svrn plan` never waits for torch.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass

import typer
import typer.main

from svrn import __version__
from svrn.cli.ending import run
from svrn.cli.streams import escaped_output
from svrn.config.documents import suggestion
from svrn.errors import UserError
from svrn.extras import lacking


@dataclass(frozen=True)
class Command:
    """Where a command is defined (`module:attribute`, a function or a Typer group) and what it does.

    extra: what brings all that it needs beside the core (svrn/extras.py); None where that depends on what it is to do.
    """

    target: str
    help: str
    extra: str | None = None


COMMANDS = {
    "plan": Command("svrn.cli.plan:plan", "Show the runs a suite needs: done, shared, to do, and how long."),
    "methods": Command("svrn.cli.methods:methods", "List the methods, or show one: idea, source, readings, labels."),
    "trace": Command("svrn.cli.trace:trace", "Show the evidence of one cell."),
    "doctor": Command("svrn.cli.doctor:doctor", "Check environment, devices, disk and data roots."),
    "search": Command("svrn.cli.search:search", "Find a vehicle in a gallery with a trained run.", "train"),
    "export": Command(
        "svrn.cli.export:export", "Write a trained run as ONNX, int8, a program or a hub's folder.", "export"
    ),
    "evaluate": Command("svrn.cli.evaluate:evaluate", "Score embeddings, ours or anyone's, under a named protocol."),
    "verification": Command(
        "svrn.cli.verification:verification", "Say how sure 'the same vehicle' and 'not in the gallery' are."
    ),
    "slices": Command("svrn.cli.slices:slices", "Show where a model fails: cameras, viewpoints, look-alikes, size."),
    "shortcuts": Command(
        "svrn.cli.shortcuts:shortcuts", "Hide plate, background or details, and see what is lost.", "train"
    ),
    "parser": Command("svrn.cli.parser:app", "Train the part parser, and hold it against true masks.", "train"),
    "data": Command("svrn.cli.data:app", "Verify, unpack, render and read benchmarks."),
    "train": Command("svrn.cli.train:train", "Train one run of a suite.", "train"),
    "embed": Command("svrn.cli.embed:embed", "Embed a benchmark's test images with a trained run.", "train"),
    "salience": Command(
        "svrn.cli.salience:salience", "See whether a run's masks fall on a vehicle's own details.", "train"
    ),
    "timing": Command("svrn.cli.timing:timing", "Measure table 7 on the device at hand.", "train"),
    "runs": Command("svrn.cli.runs:app", "Give runs to and take them from a store that machines share.", "train"),
    "track": Command("svrn.cli.track:app", "Mirror the runs into MLflow, and show them.", "track"),
    "report": Command("svrn.cli.report:app", "Make tables, figures and the evidence pages.", "workflow"),
}


def overview() -> str:
    """What `svrn` and `svrn --help` print."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(["usage: svrn COMMAND [options]", "", *lines, "", "svrn COMMAND --help says more."])


def load(name: str) -> typer.Typer:
    """The command as an application of its own; UserError with a did-you-mean for an unknown name."""
    if name not in COMMANDS:
        raise UserError(f"no command is called {name!r}", where="svrn", mend=suggestion(name, list(COMMANDS)))
    module, attribute = COMMANDS[name].target.split(":")
    target = getattr(importlib.import_module(module), attribute)
    if isinstance(target, typer.Typer):
        return target
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command()(target)
    return single


def main() -> None:
    """Run the command line. A user's mistake is one message on stderr and exit code 2, never a traceback."""
    with escaped_output():
        code = run(lambda: _command(sys.argv[1:]))
    raise SystemExit(code)


def _command(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
    elif arguments[0] == "--version":
        print(__version__)
    else:
        try:
            command = typer.main.get_command(load(arguments[0]))
            with command.make_context(f"svrn {arguments[0]}", arguments[1:]) as context:
                command.invoke(context)
        except ModuleNotFoundError as error:
            absent = lacking(error, f"svrn {arguments[0]}", COMMANDS[arguments[0]].extra)
            if absent is None:
                raise
            raise absent from None
