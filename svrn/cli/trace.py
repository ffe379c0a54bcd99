"""`svrn trace`: the evidence of one cell."""

from __future__ import annotations

from typing import Annotated

import typer


def trace(
    table: Annotated[str, typer.Argument(help="table1 to table9, or the number alone")],
    row: Annotated[str, typer.Argument(help="the row's name, as in cells.parquet")],
    column: Annotated[str, typer.Argument(help="the column's name, as veri776.mAP or vehicleid.S.CMC@1")],
    suite: Annotated[str | None, typer.Option(help="suite; the one in params/config.yaml where not given")] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show the evidence of one cell: runs, parameters, seeds, data, model, code, device time. From the files alone."""
    import json as encoder

    from svrn.reporting.provenance import as_text, evidence, find_cell
    from svrn.reporting.suite import load_report

    report = load_report(suite)
    result = find_cell(report.results, table, row, column)
    found = evidence(result, report.study, report.records)
    typer.echo(encoder.dumps(found.as_json(), indent=2, ensure_ascii=False) if json else as_text(found))
    for finding in report.records.said:
        typer.echo(f"svrn: {finding}", err=True)
