"""The command line: parse, call, print. Every area has a file of its own; this one finds it.

A command's module is imported when the command is called, so that `svrn plan` never waits for torch.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass

import typer

from svrn import __version__
from svrn.config.documents import suggestion
from svrn.errors import Interrupted, UserError


@dataclass(frozen=True)
class Command:
    """Where a command is defined (`module:attribute`, a function or a Typer group) and what it does."""

    target: str
    help: str


COMMANDS = {
    "plan": Command("svrn.cli.plan:plan", "Show the runs a suite needs: done, shared, to do, and how long."),
    "trace": Command("svrn.cli.trace:trace", "Show the evidence of one cell."),
    "doctor": Command("svrn.cli.doctor:doctor", "Check environment, devices, disk and data roots."),
    "search": Command("svrn.cli.search:search", "Find a vehicle in a gallery with a trained run."),
    "export": Command("svrn.cli.export:export", "Write a trained run as ONNX or torch.export."),
    "evaluate": Command("svrn.cli.evaluate:evaluate", "Score embeddings, ours or anyone's, under a named protocol."),
    "data": Command("svrn.cli.data:app", "Verify, unpack, render and read benchmarks."),
    "train": Command("svrn.cli.train:train", "Train one run of a suite."),
    "embed": Command("svrn.cli.embed:embed", "Embed a benchmark's test images with a trained run."),
    "salience": Command("svrn.cli.salience:salience", "See whether a run's masks fall on a vehicle's own details."),
    "timing": Command("svrn.cli.timing:timing", "Measure table 7 on the device at hand."),
    "runs": Command("svrn.cli.runs:app", "Give runs to and take them from a store that machines share."),
    "track": Command("svrn.cli.track:app", "Mirror the runs into MLflow, and show them."),
    "report": Command("svrn.cli.report:app", "Make tables, figures and the evidence pages."),
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
    arguments = sys.argv[1:]
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(overview())
        elif arguments[0] == "--version":
            print(__version__)
        else:
            load(arguments[0])(args=arguments[1:], prog_name=f"svrn {arguments[0]}")
    except UserError as error:
        print(f"svrn: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except Interrupted as stop:
        print(f"svrn: {stop}", file=sys.stderr)
        raise SystemExit(stop.exit_code) from None
    except BrokenPipeError:  # `svrn plan | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
