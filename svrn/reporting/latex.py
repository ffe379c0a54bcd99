"""A table as LaTeX (booktabs): compiles as it is, and can be \\input into a document as it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from svrn.reporting.sheet import Entry, Line, Sheet

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "·": r"$\cdot$",
    "–": "--",
}
_GREEK = re.compile(r"^(alpha|beta)_(\w)$")

#: Before \begin{document}, LaTeX has \@nodocument as a macro; afterwards it is \relax. So the file sees where it is.
_OPEN = r"""% Needs: \usepackage{booktabs}. Compiles as it is; within a document, \input it.
\expandafter\ifx\csname @nodocument\endcsname\relax\else
  \documentclass[10pt]{article}
  \usepackage[a4paper,landscape,margin=15mm]{geometry}
  \usepackage{booktabs}
  \def\svrnalone{}\def\svrnnumbered{}
  \begin{document}
\fi
"""
_CLOSE = r"""\ifdefined\svrnalone\def\svrnend{\end{document}}\else\let\svrnend\relax\fi
\svrnend
"""

_PAGE = r"""\documentclass[10pt]{{article}}
\usepackage[a4paper,landscape,margin=15mm]{{geometry}}
\usepackage{{booktabs}}
\pdfinfoomitdate=1
\pdftrailerid{{}}
\pdfsuppressptexinfo=-1
\def\svrnnumbered{{}}
\begin{{document}}
{inputs}
\end{{document}}
"""


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(c, c) for c in text)


def as_latex(sheet: Sheet) -> str:
    """The sheet as one LaTeX table; ours stands beside the paper's, or below it where there are many columns.

    A table that the paper does not have is a row a method.
    """
    body = _stacked(sheet) if sheet.stacked or not sheet.papers else _beside(sheet)
    notes = "\\\\\n".join(escape(note) for note in sheet.notes)
    return (
        _OPEN
        + "\\begin{table}[!htbp]\n\\centering\\small\n"
        + _numbering(sheet)
        + f"\\caption{{{escape(sheet.title)}}}\n\\label{{tab:svrn-{sheet.name}}}\n\\vspace{{4pt}}\n"
        + body
        + "\\par\\medskip\n\\begin{minipage}{0.9\\linewidth}\\footnotesize\\raggedright\n"
        + f"{notes}\n\\end{{minipage}}\n\\end{{table}}\n"
        + _CLOSE
    )


def _numbering(sheet: Sheet) -> str:
    """Keeps the paper's number of a table wherever the document is ours; a table of another name is just counted."""
    number = sheet.name.removeprefix("table")
    if not number.isdigit():
        return ""
    return f"\\ifdefined\\svrnnumbered\\setcounter{{table}}{{{int(number) - 1}}}\\fi\n"


def as_page(names: Sequence[str]) -> str:
    """A document that holds the tables of `names`, from the files beside it."""
    inputs = "\n".join(f"\\input{{{name}.tex}}" for name in names)
    return _PAGE.format(inputs=inputs)


def _beside(sheet: Sheet) -> str:
    lead = 1 + len(sheet.attributes)
    lines = [f"\\begin{{tabular}}{{@{{}}l{'c' * len(sheet.attributes)}{'rrr' * len(sheet.heads)}@{{}}}}", "\\toprule"]
    lines += _beside_heads(sheet, lead)
    lines.append("\\midrule")
    for line in sheet.lines:
        cells = [text for e in line.entries for text in (_reported(e), _own(e), _difference(e))]
        lines.append(_row([escape(line.method), *map(_attribute, line.attributes), *cells]))
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _beside_heads(sheet: Sheet, lead: int) -> list[str]:
    above = [""] * lead + [f"\\multicolumn{{3}}{{c}}{{{escape(_title(h.above, h.short))}}}" for h in sheet.heads]
    rules = [f"\\cmidrule(lr){{{s}-{s + 2}}}" for s in range(lead + 1, lead + 1 + 3 * len(sheet.heads), 3)]
    below = [
        "Method",
        *map(_name, sheet.attributes),
        *["paper", "ours", "gain" if sheet.embedded else "diff."] * len(sheet.heads),
    ]
    return [_row(above), "".join(rules), _row(below)]


def _stacked(sheet: Sheet) -> str:
    grouped = any(line.group for line in sheet.lines)
    lead = (1 if grouped else 0) + 1 + len(sheet.attributes)
    columns = "l" * (2 if grouped else 1) + "c" * len(sheet.attributes) + "r" * len(sheet.heads)
    lines = [f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}", "\\toprule", *_stacked_heads(sheet, lead, grouped)]
    group: str | None = None
    for line in sheet.lines:
        if line.group != group or (sheet.papers and not grouped) or line is sheet.lines[0]:
            lines.append("\\midrule")
        first = [escape(line.group or "") if line.group != group else ""] if grouped else []
        group = line.group
        lines += _stacked_lines(line, first, grouped, sheet.embedded) if sheet.papers else [_alone(line, first)]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _stacked_heads(sheet: Sheet, lead: int, grouped: bool) -> list[str]:
    above, rules, start = [""] * lead, [], lead + 1
    for name, heads in itertools.groupby(sheet.heads, key=lambda head: head.above):
        count = len(list(heads))
        above.append(f"\\multicolumn{{{count}}}{{c}}{{{escape(name)}}}")
        rules.append(f"\\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    below = [*([""] if grouped else []), "Method", *map(_name, sheet.attributes)]
    return [_row(above), "".join(rules), _row([*below, *(escape(head.short) for head in sheet.heads)])]


def _stacked_lines(line: Line, first: list[str], grouped: bool, embedded: bool) -> list[str]:
    attributes = [_attribute(a) for a in line.attributes]
    rows = [_row([*first, escape(line.method), *attributes, *map(_reported, line.entries)])]
    if line.ours:
        blank, none = [""] if grouped else [], [""] * len(attributes)
        rows.append(_row([*blank, "\\quad ours", *none, *map(_own, line.entries)]))
        third = "gain over baseline" if embedded else "difference"
        rows.append(_row([*blank, f"\\quad {third}", *none, *map(_difference, line.entries)]))
    return rows


def _alone(line: Line, first: list[str]) -> str:
    return _row([*first, escape(line.method), *map(_attribute, line.attributes), *map(_own, line.entries)])


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _title(above: str, short: str) -> str:
    return f"{above} {short}" if above != "Time" else short.capitalize()


def _name(text: str) -> str:
    greek = _GREEK.match(text)
    return f"$\\{greek[1]}_{{{greek[2]}}}$" if greek else escape(text)


def _attribute(text: str) -> str:
    return {"yes": "$\\surd$", "no": "$\\times$"}.get(text, escape(text))


def _marked(text: str, place: int | None) -> str:
    return f"\\textbf{{{text}}}" if place == 1 else f"\\underline{{{text}}}" if place == 2 else text


def _reported(entry: Entry) -> str:
    return _marked(escape(entry.reported), entry.reported_place)


def _own(entry: Entry) -> str:
    if entry.mean is None:
        return escape(entry.absence or "")
    spread = f" {{\\scriptsize $\\pm$ {entry.std}}}" if entry.std is not None else ""
    share = f" {{\\scriptsize {entry.share}}}" if entry.share else ""
    return _marked(entry.mean, entry.own_place) + spread + share


def _difference(entry: Entry) -> str:
    return escape(entry.difference or "")
