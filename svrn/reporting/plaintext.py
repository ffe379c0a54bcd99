"""A table for a terminal."""

from __future__ import annotations

from svrn.reporting.sheet import Entry, Sheet

_STARS = {1: "*", 2: "'", None: ""}


def as_text(sheet: Sheet) -> str:
    """The sheet in columns: the paper's number, ours, the difference. `*` and `'` mark a column's first and second."""
    heads = [f"{head.above} {head.short}" for head in sheet.heads]
    rows = [["", *sheet.attributes, *heads]]
    for line in sheet.lines:
        rows.append([line.method, *line.attributes, *map(_cell, line.entries)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"  {note}" for note in (*sheet.notes, "Here * stands for bold, ' for underlined.")]
    return "\n".join([f"{sheet.name}: {sheet.title}", *lines, "", *notes, ""])


def _cell(entry: Entry) -> str:
    reported = entry.reported + _STARS[entry.reported_place]
    if entry.mean is None:
        return f"{reported} | {entry.absence}"
    spread = f"±{entry.std}" if entry.std is not None else ""
    share = f" ({entry.share})" if entry.share else ""
    difference = f" ({entry.difference})" if entry.difference else ""
    return f"{reported} | {entry.mean}{_STARS[entry.own_place]}{spread}{share}{difference}"
