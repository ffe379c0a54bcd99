"""All tables of a suite in one PDF, by pdflatex."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from svrn.errors import UserError
from svrn.files import atomic_write, write_text
from svrn.reporting.latex import as_latex, as_page
from svrn.reporting.suite import SuiteReport


def write_pdf(report: SuiteReport) -> Path:
    """Write results/<suite>/tables/tables.tex and, from it, tables.pdf; the same tables give the same bytes.

    Raises:
        UserError: there is no pdflatex, or it refused a table.
    """
    folder = report.folder / "tables"
    for table in report.study.tables:
        file = folder / f"{table}.tex"
        if not file.is_file() or file.read_text(encoding="utf-8") != as_latex(report.sheet(table)):
            report.write_table(table)  # one that is up to date keeps its time, on which the workflow goes
    page = folder / "tables.tex"
    write_text(page, as_page(list(report.study.tables)))
    if shutil.which("pdflatex") is None:
        raise UserError(
            "there is no pdflatex here, the tables' PDF is not made",
            where=str(page),
            mend="install texlive-latex-recommended, or compile tables.tex elsewhere",
        )
    with tempfile.TemporaryDirectory() as scratch:
        made = compile_latex(page, Path(scratch))
        with atomic_write(folder / "tables.pdf") as temporary:
            temporary.write_bytes(made.read_bytes())
    return folder / "tables.pdf"


def compile_latex(source: Path, out: Path) -> Path:
    """Compile a LaTeX file into the folder `out`; UserError with LaTeX's own message where it does not."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    done = subprocess.run(
        [*command, f"-output-directory={out.resolve()}", source.name],
        cwd=source.parent,
        capture_output=True,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"},
    )
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").splitlines()
        first = next((i for i, line in enumerate(said) if line.startswith("!")), max(0, len(said) - 5))
        raise UserError(f"pdflatex stopped: {' '.join(said[first : first + 3])}", where=str(source))
    return out / f"{source.stem}.pdf"
