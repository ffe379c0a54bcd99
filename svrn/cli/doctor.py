"""`svrn doctor`: what of this machine works, what does not, and how to mend it."""

from __future__ import annotations

import json
from typing import Annotated

import typer

_SIGNS = {"fine": "ok  ", "note": "--  ", "wrong": "!!  "}


def doctor(
    suite: Annotated[str | None, typer.Option(help="suite to check for; params/config.yaml's where not given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print it as JSON")] = False,
) -> None:
    """Check environment, devices, disk and data roots; exit 1 where something keeps the suite from running."""
    from svrn.cli.examination import examine

    findings = examine(suite)
    if as_json:
        print(json.dumps([finding.as_tree() for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{_SIGNS[finding.state]}{finding.subject}: {finding.seen}")
            if finding.mend:
                print(f"      mend: {finding.mend}")
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)
