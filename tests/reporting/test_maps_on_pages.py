"""What a method's own maps are on the pages: parts and attention over the queries, of the first seed's run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from method_worlds import run_of_method
from safetensors.torch import save_file

from svrn.data.annotations.table import Annotations, Numbers, write_annotations
from svrn.data.manifest import Manifest, read_manifest
from svrn.methods.rooms import build_network
from svrn.parts.output import Sizes
from svrn.reporting import looking
from svrn.reporting.pages import catalogue
from svrn.reporting.pages.salience import overlays
from svrn.reporting.records import Records
from tests.reporting import fake

BENCHMARK = "fake-veri776"


def report_of(project: Path, name: str, seed: int = 0, **own: Any) -> Any:
    """One trained run of a method, and a report that shows it."""
    run = run_of_method(name, {"method": own})
    folder = project / "results" / "runs" / "abc123"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save_file(dict(build_network(run, Sizes(5)).state_dict()), folder / "model.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump({"parameters": run.model_dump(mode="json"), "identities": 5}))
    known = next(iter(fake.study_of(project).runs.values()))
    shown = replace(known, key="abc123", parameters=run)
    study = SimpleNamespace(runs={"abc123": shown}, suite=SimpleNamespace(seeds=(seed, 1)))
    return SimpleNamespace(study=study, records=Records())


def annotate(project: Path, columns: dict[str, Any]) -> Manifest:
    folder = project / "data" / BENCHMARK
    manifest = read_manifest(folder / "manifest.parquet")
    images = manifest.table["image"].to_numpy(object)
    write_annotations(Annotations(images, columns, dict.fromkeys(columns, "truth")), manifest, folder)
    return manifest


def drawn(report: Any, manifest: Manifest, count: int = 3) -> dict[str, Any]:
    entry = SimpleNamespace(evaluation=SimpleNamespace(run="abc123"))
    names = manifest.table["image"].tolist()[:count]
    return dict(overlays(report, manifest, [(entry, names)], catalogue.Images(BENCHMARK)))


def boxes(project: Path, names: tuple[str, ...]) -> dict[str, Numbers]:
    count = len(read_manifest(project / "data" / BENCHMARK / "manifest.parquet").table)
    columns = {f"box:{name}": Numbers(np.zeros((count, 4), np.float32), np.ones(count, bool)) for name in names}
    columns["box:brand"].values[:] = (0.5, 0, 1, 0.25)
    columns["box:windscreen"].values[1] = (0, 0, 1, 1)
    return columns


def test_prns_boxes_are_drawn_though_only_training_reads_them(project: Path) -> None:
    report = report_of(project, "prn")
    names = report.study.runs["abc123"].parameters.method.columns().boxes
    manifest = annotate(project, boxes(project, names))
    content = drawn(report, manifest)[f"p-abc123-{BENCHMARK}"]
    assert content["titles"] == ["part: windows", "part: lights", "part: brand"] and content["sides"] == [16, 16, 16]
    nothing, everything = "0" * 256, "9" * 256
    assert [content["images"][str(number)][0] for number in range(3)] == [nothing, everything, nothing]
    assert content["images"]["0"][2] == ("0" * 8 + "9" * 8) * 4 + "0" * 192
    assert report.records.said == []


def test_without_annotations_prn_has_nothing_to_draw(project: Path) -> None:
    manifest = read_manifest(project / "data" / BENCHMARK / "manifest.parquet")
    report = report_of(project, "prn")
    assert drawn(report, manifest) == {} and report.records.said == []


def test_without_annotations_pven_says_what_it_lacks(project: Path) -> None:
    manifest = read_manifest(project / "data" / BENCHMARK / "manifest.parquet")
    report = report_of(project, "pven")
    assert drawn(report, manifest) == {}
    (said,) = report.records.said
    assert "no salience overlay" in said.what and "no side information yet" in said.what


def test_maps_of_another_seed_and_of_a_method_without_any_are_not_there(project: Path) -> None:
    report = report_of(project, "prn", seed=7)
    manifest = annotate(project, boxes(project, report.study.runs["abc123"].parameters.method.columns().boxes))
    assert drawn(report, manifest) == {}


def test_attention_is_drawn_in_its_own_cells(project: Path) -> None:
    report = report_of(project, "transreid", side="none", width=24, layers=2, runs=2)
    manifest = read_manifest(project / "data" / BENCHMARK / "manifest.parquet")
    content = drawn(report, manifest)[f"p-abc123-{BENCHMARK}"]
    assert content["titles"] == ["attention of the global token"] and content["sides"] == [4]
    assert all(len(digits) == 16 and "9" in digits for (digits,) in content["images"].values())


def test_a_baseline_is_looked_at_no_longer_than_its_first_images(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = report_of(project, "bot")
    manifest = read_manifest(project / "data" / BENCHMARK / "manifest.parquet")
    monkeypatch.setattr(looking, "BATCH", 2)
    seen: list[int] = []
    straight = looking.normalise
    monkeypatch.setattr(looking, "normalise", lambda pixels: (seen.append(len(pixels)), straight(pixels))[1])
    assert drawn(report, manifest, 9) == {} and seen == [2]
