"""The paper's audit: it finds what is known to disagree, and the page in docs/ is up to date."""

from __future__ import annotations

from pathlib import Path

import yaml

from svrn.reporting import claims
from svrn.reporting.audit import Paper, as_markdown, write_audit

REPOSITORY = Path(__file__).parents[2]
PARAMS = REPOSITORY / "params"


def test_the_page_is_what_the_command_writes(tmp_path: Path) -> None:
    write_audit(PARAMS, tmp_path / "audit.md")
    page = (REPOSITORY / "docs" / "paper-audit.md").read_text()
    assert page == (tmp_path / "audit.md").read_text(), "write it again: svrn report audit"


def test_it_finds_the_known_conflicts_and_no_other() -> None:
    found = {(c.column, tuple(c.values)) for c in Paper(PARAMS).conflicts()}
    assert found == {
        ("veri776.mAP", (80.7, 80.8)),
        ("veri776.CMC@1", (95.6, 96.7)),
        ("veri776.CMC@1", (97.2, 97.4)),
        ("veriwild.S.mAP", (83.5, 84.0)),
    }


def test_a_changed_cell_becomes_a_conflict_and_unmakes_a_claim(tmp_path: Path) -> None:
    import shutil

    params = tmp_path / "params"
    shutil.copytree(PARAMS, params)
    file = params / "tables" / "table5.yaml"
    table = yaml.safe_load(file.read_text())
    changed = next(row for row in table["rows"] if row["method"] == "SVRN+CSC")
    changed["reported"] = [85.5, 97.4]
    file.write_text(yaml.safe_dump(table))
    paper = Paper(params)
    assert ("veri776.mAP", (84.5, 85.5)) in {(c.column, tuple(c.values)) for c in paper.conflicts()}
    line = next(x for x in as_markdown(paper).splitlines() if "85.5 − 83.0 (SVRN w/o CSC)" in x)
    assert "**does not follow**" in line


def test_every_claim_names_cells_that_are_there() -> None:
    paper = Paper(PARAMS)
    for gain in claims.GAINS:
        for column in gain.columns:
            assert paper.value(gain.table, gain.above, column) is not None
            if isinstance(gain.below, str):
                assert paper.value(gain.table, gain.below, column) is not None
