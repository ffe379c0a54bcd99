"""The command line: parse, call, print. Every area has a file of its own; this one mounts them."""

from __future__ import annotations

import importlib
import os
import sys

import click
import typer
from typer.core import TyperGroup

from svrn.errors import Interrupted, UserError

#: Where each command lives. A command's module is imported when it is called, so that `svrn plan` needs no torch.
COMMANDS = {
    "train": "svrn.cli.train:train",
    "embed": "svrn.cli.embed:embed",
    "evaluate": "svrn.cli.evaluate:evaluate",
    "search": "svrn.cli.search:search",
    "timing": "svrn.cli.timing:timing",
    "plan": "svrn.cli.plan:plan",
    "trace": "svrn.cli.trace:trace",
    "export": "svrn.cli.export:export",
    "doctor": "svrn.cli.doctor:doctor",
    "data": "svrn.cli.data:app",
    "track": "svrn.cli.track:app",
    "report": "svrn.cli.report:app",
}
HELP = {
    "train": "Train one run of a suite.",
    "embed": "Embed a benchmark's test images with a trained run.",
    "evaluate": "Score an embeddings file, ours or anyone's, under a named protocol.",
    "search": "Find a vehicle's images in a gallery with a trained run.",
    "timing": "Measure table 7 on the device at hand.",
    "plan": "Show the runs a suite needs: done, shared, to do, and how long.",
    "trace": "Show the evidence of one cell.",
    "export": "Write a trained run as ONNX or torch.export.",
    "doctor": "Check environment, devices, disk and data roots.",
    "data": "Verify, unpack, render and read benchmarks.",
    "track": "Mirror the runs into MLflow.",
    "report": "Make tables, figures and the report pages.",
}


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        target = getattr(importlib.import_module(module), attribute)
        if isinstance(target, typer.Typer):
            return typer.main.get_group(target)
        single = typer.Typer(add_completion=False)
        single.command(name=name, help=target.__doc__)(target)
        return typer.main.get_command(single)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, HELP[name]) for name in COMMANDS])


app = typer.Typer(cls=_LazyGroup, add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _svrn() -> None:
    """SVRN: from vehicle re-identification benchmarks to the paper's seven tables."""


def main() -> None:
    """Run the command line. A user's mistake is one message on stderr and exit code 2, never a traceback."""
    try:
        app(prog_name="svrn")
    except UserError as error:
        print(f"svrn: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except Interrupted as stop:
        print(f"svrn: {stop}", file=sys.stderr)
        raise SystemExit(stop.exit_code) from None
    except BrokenPipeError:  # `svrn plan | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
