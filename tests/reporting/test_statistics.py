"""What a table's numbers can bear, from a fake suite's real scorings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from svrn.evaluation.joint import holm
from svrn.reporting.statistics import MARGIN, as_text
from svrn.reporting.suite import load_report


def test_every_trained_row_is_held_against_the_baseline(small_project: Path) -> None:
    report = load_report("fake")
    found = report.statistics("table2")
    assert {(c.row, c.column) for c in found.comparisons} == {
        (row, f"veri776.{metric}") for row in ("Scheme a", "Scheme b") for metric in ("mAP", "CMC@1")
    }
    assert [c.p for c in found.comparisons] == holm([c.difference.joint.p for c in found.comparisons])
    for one in found.comparisons:
        joint = one.difference.joint
        assert joint.seeds == 2 and joint.low <= joint.value <= joint.high and joint.detectable > 0
        assert one.verdict in ("above", "below", "open", "equivalent")
        assert (one.verdict == "equivalent") <= joint.equivalent(MARGIN)
    places = found.ranks["veri776.mAP"]
    assert set(places) == {"Baseline", "Scheme a", "Scheme b"} and sum(r.first for r in places.values()) >= 1
    means = {r.cell.row: r.mean for r in report.results if (r.cell.table, r.cell.column) == ("table2", "veri776.mAP")}
    assert min(places, key=lambda row: places[row].rank) == max(means, key=lambda row: means[row] or 0)
    text = as_text(found)
    assert text.count("less the baseline") == 4 and text.count("rank ") == 6
    notes = " ".join(report.sheet("table2").notes)
    assert "corrected by Holm for 4 comparisons" in notes and "Smallest difference" in notes
    assert "First in veri776.mAP by bootstrap" in notes


def test_rows_of_different_devices_are_never_paired(small_project: Path) -> None:
    report = load_report("fake")
    cells = {c.row: c for c in report.study.cells if (c.table, c.column) == ("table2", "veri776.mAP")}
    for evaluation in cells["Scheme a"].evaluations:
        file = small_project / "results/runs" / evaluation.run / "env.json"
        content = json.loads(file.read_text())
        content["device"] = {"kind": "cpu", "name": "Another CPU", "capability": "AVX2"}
        file.write_text(json.dumps(content))
    report = load_report("fake")
    found = report.statistics("table2")
    assert {c.row for c in found.comparisons} == {"Scheme b"}
    assert found.ranks == {}, "no order over devices"
    said = "\n".join(map(str, report.records.said))
    assert "trained on Another CPU (AVX2), not compared with" in said


def test_one_device_of_two_seeds_leaves_the_other_seed(small_project: Path) -> None:
    report = load_report("fake")
    cells = {c.row: c for c in report.study.cells if (c.table, c.column) == ("table2", "veri776.mAP")}
    file = small_project / "results/runs" / cells["Scheme a"].evaluations[0].run / "env.json"
    file.write_text(json.dumps({"device": {"kind": "cpu", "name": "Another CPU"}}))
    report = load_report("fake")
    (one,) = [c for c in report.statistics("table2").comparisons if (c.row, c.column) == ("Scheme a", "veri776.mAP")]
    assert one.difference.count == one.difference.joint.seeds == 1


def test_a_table_that_is_not_there(small_project: Path) -> None:
    with pytest.raises(Exception, match="has no 'table3'"):
        load_report("fake").statistics("table3")
