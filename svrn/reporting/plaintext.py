"""A table for a terminal."""

from __future__ import annotations

from svrn.reporting.sheet import Entry, Sheet

_STARS = {1: "*", 2: "'", None: ""}


def as_text(sheet: Sheet) -> str:
    """The sheet in columns: the paper's number, ours, the difference or the gain over our baseline.

    `*` and `'` mark a column's first and second. Of a table that the paper does not have: ours alone.
    """
    blank = [""] * (1 + len(sheet.attributes))
    rows = [
        [*blank, *(head.above for head in sheet.heads)],
        ["", *sheet.attributes, *(head.short for head in sheet.heads)],
    ]
    for line in sheet.lines:
        rows.append([line.method, *line.attributes, *map(_cell if sheet.papers else _own, line.entries)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = [f"  {note}" for note in (*sheet.notes, "Here * stands for bold, ' for underlined.")]
    return "\n".join([f"{sheet.name}: {sheet.title}", *lines, "", *notes, ""])


def _cell(entry: Entry) -> str:
    difference = f" ({entry.difference})" if entry.difference else ""
    return f"{entry.reported}{_STARS[entry.reported_place]} | {_own(entry)}{difference}"


def _own(entry: Entry) -> str:
    if entry.mean is None:
        return str(entry.absence)
    spread = f"±{entry.std}" if entry.std is not None else ""
    share = f" ({entry.share})" if entry.share else ""
    return f"{entry.mean}{_STARS[entry.own_place]}{spread}{share}"
