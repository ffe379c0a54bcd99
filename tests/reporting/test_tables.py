"""Tables: the paper's shape, honest marks, LaTeX that compiles alone and within a document."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from svrn.reporting.latex import as_latex, as_page, escape
from svrn.reporting.pdf import compile_latex, write_pdf
from svrn.reporting.plaintext import as_text
from svrn.reporting.sheet import as_reported
from svrn.reporting.suite import SuiteReport, load_report
from tests.reporting import fake

TABLES = [f"table{i}" for i in range(1, 9)]


@pytest.fixture(scope="session")
def report(finished: Path) -> SuiteReport:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(finished)
        return load_report("fake")


def _need_latex() -> None:
    if shutil.which("pdflatex") is None:
        if os.environ.get("CI"):
            pytest.fail("pdflatex is not installed, and in CI it must be")
        pytest.skip("pdflatex is not installed: whether the tables compile was NOT tested")


def test_marks_are_of_the_columns_first_and_second(report: SuiteReport) -> None:
    sheet = report.sheet("table1")
    column = [(line.method, line.entries[0]) for line in sheet.lines]
    assert [m for m, e in column if e.reported_place == 1] == ["SVRN"]
    assert [m for m, e in column if e.reported_place == 2] == ["GB+GFB+SLB"]
    assert all(e.own_place is None for _, e in column), "two numbers of ours are no order"
    table6 = report.sheet("table6")
    tied = [line.name for line in table6.lines if line.entries[0].reported_place == 2]
    assert len(tied) == 2, "83.8 stands twice in the paper's table"


def test_numbers_print_with_the_papers_digits() -> None:
    assert as_reported(84.5, "mAP") == "84.5"
    assert as_reported(75.0, "mAP") == "75.0"
    assert as_reported(71.59, "mAP") == "71.59"
    assert as_reported(40.0, "train.ms") == "40"


def test_every_table_has_the_papers_rows_and_columns_in_csv(report: SuiteReport) -> None:
    from svrn.reporting.csvtable import PARTS, as_csv

    for name in TABLES:
        sheet = report.sheet(name)
        rows = list(csv.reader(io.StringIO(as_csv(sheet))))
        table = report.study.tables[name]
        assert len(rows) == 1 + len(table.rows)
        assert {len(row) for row in rows} == {len(rows[0])}
        lead = len(rows[0]) - len(PARTS) * len(table.columns)
        assert rows[0][lead - len(table.attributes) : lead] == list(table.attributes)
        for row, source in zip(rows[1:], table.rows, strict=True):
            numbers = row[lead :: len(PARTS)]
            assert numbers == ["" if v is None else v if v == "lost" else f"{v:g}" for v in source.reported]


def test_an_embedded_suite_says_that_its_numbers_do_not_stand_for_the_real_benchmarks(report: SuiteReport) -> None:
    for name in TABLES:
        notes = " ".join(report.sheet(name).notes)
        assert ("do not stand for the real" in notes) == (name != "table7")
        assert "Suite fake" in notes
        assert name == "table7" or "Protocol: veri776 on fake-veri776" in notes


def test_a_suites_own_notes_stand_under_its_tables_of_scores(project: Path) -> None:
    file = project / "params" / "suites" / "fake.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"notes": ["trained from elsewhere."]}))
    made = load_report("fake")
    for name in ("table5", "table7"):
        for text in (as_latex(made.sheet(name)), as_text(made.sheet(name))):
            assert ("trained from elsewhere." in text) == (name == "table5")
            assert "elsewhere.." not in text


def test_incomplete_and_missing_cells_cannot_be_mistaken(project: Path) -> None:
    cells = {r.cell.row: r.cell for r in load_report("fake").results if r.cell.table == "table5"}
    shutil.rmtree(cells["SVRN+VCC"].evaluations[1].folder)
    for evaluation in cells["SVRN+ICC"].evaluations:
        shutil.rmtree(evaluation.folder)
    sheet = load_report("fake").sheet("table5")
    entries = {line.method: line.entries[0] for line in sheet.lines}
    assert entries["SVRN+VCC"].share == "1/2"
    assert entries["SVRN+VCC"].own_place is None
    assert entries["SVRN+ICC"].mean is None
    assert entries["SVRN+ICC"].absence == "not run"
    notes = " ".join(sheet.notes)
    assert "incomplete, the mean over k of n seeds" in notes
    assert "the runs that this cell needs are not there" in notes
    for text in (as_latex(sheet), as_text(sheet)):
        assert "1/2" in text
        assert "not run" in text


def test_a_table_that_the_paper_does_not_have_shows_ours_alone(project: Path) -> None:
    fake.keep_tables(project, "table9")
    sheet = load_report("fake").sheet("table9")
    assert not sheet.papers
    assert "The paper has no such table" in " ".join(sheet.notes)
    text, latex = as_text(sheet), as_latex(sheet)
    assert " | " not in text and "VeRi-776, veri776-track" in text
    body = latex[latex.index("\\midrule") : latex.index("\\bottomrule")]
    assert body.count("\\\\") == len(sheet.lines)
    assert " / " not in body and "difference" not in body


def test_writing_twice_gives_the_same_bytes_and_nothing_of_the_time(project: Path) -> None:
    report, later = load_report("fake"), load_report("fake")
    first = {p: p.read_bytes() for name in TABLES for p in report.write_table(name)}
    again = {p: p.read_bytes() for name in TABLES for p in later.write_table(name)}
    assert first == again
    assert len(first) == 24


def test_provenance_names_runs_parameters_data_model_and_code(project: Path) -> None:
    report = load_report("fake")
    paths = report.write_table("table4")
    cells = json.loads(paths[2].read_text())["cells"]
    scheme = next(c for c in cells if c["row"] == "Scheme a" and c["column"] == "veri776.mAP")
    assert any("alphas" in line and "0.3" in line for line in scheme["parameters"])
    assert [s["seed"] for s in scheme["seeds"]] == [0, 1]
    for seed in scheme["seeds"]:
        assert seed["present"]
        assert len(seed["model_digest"]) == len(seed["data_digest"]) == len(seed["manifest_digest"]) == 64
        assert seed["commit"].startswith("c0ffee")
        assert isinstance(seed["clean"], bool)
        assert seed["device_seconds"] > 0
        assert Path(seed["queries"]).is_file()
    baseline = next(c for c in cells if c["row"] == "Baseline")
    assert baseline["parameters"] == []


def test_metrics_are_nested_numbers(project: Path) -> None:
    tree = json.loads(load_report("fake").write_metrics().read_text())
    leaf = tree["table1"]["SVRN"]["veriwild_S_mAP"]
    base = tree["table1"]["Baseline"]["veriwild_S_mAP"]
    assert leaf["gain"] == pytest.approx(leaf["mean"] - base["mean"], abs=1e-5)
    assert "difference" not in leaf, "the paper's 85.5 is of other data"
    assert "PVEN" not in tree["table1"]
    assert all("." not in key and " " not in key for table in tree.values() for key in table)


def test_what_latex_reads_as_a_command_is_written_as_a_letter() -> None:
    """Without a LaTeX at hand: every letter that it would act on, as its manuals say to write it."""
    meant = {
        "&": "\\&", "%": "\\%", "$": "\\$", "#": "\\#", "_": "\\_", "{": "\\{", "}": "\\}",
        "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\\": "\\textbackslash{}",
        "±": "$\\pm$", "−": "$-$", "·": "$\\cdot$", "–": "--",
    }  # fmt: skip
    for letter, written in meant.items():
        assert escape(letter) == written
        assert escape(f"a{letter}b{letter}") == f"a{written}b{written}"
    assert escape("plain 12.5 (x)") == "plain 12.5 (x)"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_sound_latex_without_latex(report: SuiteReport, name: str) -> None:
    """Each row has the cells that its columns take, groups close, and the number is the paper's."""
    latex = as_latex(report.sheet(name))
    assert latex.count("{") - latex.count("\\{") == latex.count("}") - latex.count("\\}")
    opened = re.findall(r"\\(begin|end)\{(\w+)\}", latex)
    assert [one for one in opened if one[1] != "document"] == [
        ("begin", "table"),
        *(("begin", "tabular"), ("end", "tabular")),
        *(("begin", "minipage"), ("end", "minipage")),
        ("end", "table"),
    ]
    columns = re.search(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", latex)
    assert columns is not None
    body = latex[latex.index("\\toprule") : latex.index("\\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith("\\\\")]
    assert len(rows) > 2
    for row in rows:
        spans = [int(number) - 1 for number in re.findall(r"\\multicolumn\{(\d+)\}", row)]
        assert len(re.findall(r"(?<!\\)&", row)) + 1 + sum(spans) == len(columns[1]), row
    ends = [int(right) for right in re.findall(r"\\cmidrule\(lr\)\{\d+-(\d+)\}", body)]
    assert ends == sorted(ends) and all(end <= len(columns[1]) for end in ends)
    number = int(name.removeprefix("table"))
    assert f"\\ifdefined\\svrnnumbered\\setcounter{{table}}{{{number - 1}}}\\fi\n" in latex
    assert latex.index("\\setcounter") < latex.index("\\caption")
    assert f"\\label{{tab:svrn-{name}}}" in latex
    alone, rest = latex.split("\\begin{table}")
    assert "\\expandafter\\ifx\\csname @nodocument\\endcsname\\relax\\else\n" in alone
    assert (
        alone.index("\\documentclass")
        < alone.index("\\usepackage{booktabs}\n  \\def")
        < alone.index("\\begin{document}")
    )
    assert "\\def\\svrnalone{}\\def\\svrnnumbered{}" in alone and alone.rstrip().endswith("\\fi")
    assert rest.endswith("\\svrnend\n") and "\\ifdefined\\svrnalone\\def\\svrnend{\\end{document}}" in rest


def test_the_page_of_all_tables_tells_nothing_of_the_time() -> None:
    page = as_page(["table1", "mine"])
    for line in ("\\pdfinfoomitdate=1", "\\pdftrailerid{}", "\\pdfsuppressptexinfo=-1", "\\def\\svrnnumbered{}"):
        assert f"{line}\n" in page
    assert page.index("\\input{table1.tex}\n\\input{mine.tex}") > page.index("\\begin{document}")
    assert page.rstrip().endswith("\\end{document}")


@pytest.mark.parametrize("text", ["a_b%c&d#e$f{g}h~i^j\\k", "50% ± 3", "−1 · /", "<script>"])
def test_latex_escapes_print_what_stood_there(text: str, tmp_path: Path) -> None:
    _need_latex()
    source = tmp_path / "t.tex"
    source.write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\begin{document}"
        "\\pagestyle{empty}" + escape(text) + "\\end{document}"
    )
    made = compile_latex(source, tmp_path)
    printed = subprocess.run(["pdftotext", str(made), "-"], capture_output=True, text=True, check=True).stdout
    plain = str.maketrans({"˜": "~", "ˆ": "^", "∼": "~", "∧": "^", "-": "−"})
    assert printed.strip().translate(plain).replace(" ", "") == text.translate(plain).replace(" ", "")


def test_each_table_compiles_alone_all_compile_together_and_within_a_document(project: Path) -> None:
    _need_latex()
    report = load_report("fake")
    pdf = write_pdf(report)
    printed = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    for name in TABLES:
        assert report.study.tables[name].title in " ".join(printed.split())
    first = pdf.read_bytes()
    assert write_pdf(report).read_bytes() == first
    out = project / "alone"
    out.mkdir()
    for name in ("table1", "table6"):
        assert compile_latex(pdf.parent / f"{name}.tex", out).stat().st_size > 1000
    document = pdf.parent / "mine.tex"
    document.write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}Mine.\n"
        "\\input{table2.tex}\\input{table5.tex}\nThe end.\\end{document}"
    )
    made = compile_latex(document, out)
    text = subprocess.run(["pdftotext", str(made), "-"], capture_output=True, text=True, check=True).stdout
    assert "The end." in text
    assert "Table 1:" in text, "within another's document it is numbered with the others there"
    assert "Table 2:" in text
    alone = subprocess.run(["pdftotext", str(out / "table6.pdf"), "-"], capture_output=True, text=True, check=True)
    assert "Table 6:" in alone.stdout
