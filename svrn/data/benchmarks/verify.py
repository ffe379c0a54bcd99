"""`svrn data verify`: one report on a benchmark folder, for a person and for a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from svrn.config.benchmark import AnnotationSources, Layout
from svrn.data.annotations.imports import check_sources
from svrn.data.benchmarks.checks import SetCount
from svrn.data.benchmarks.findings import UNUSABLE, Findings, Severity
from svrn.data.benchmarks.inspection import Progress, inspect
from svrn.data.manifest import Manifest
from svrn.errors import UserError, printable


class Verdict(IntEnum):
    """The exit code of `svrn data verify`."""

    FINE = 0
    DEVIATIONS = 1
    UNUSABLE = 2


@dataclass(frozen=True)
class Report:
    """Everything that was found in a benchmark's folder."""

    benchmark: str
    layout: Layout
    root: Path
    official: bool
    sets: list[SetCount]
    findings: Findings

    @property
    def verdict(self) -> Verdict:
        severity = self.findings.severity
        if severity is Severity.UNUSABLE:
            return Verdict.UNUSABLE
        return Verdict.DEVIATIONS if severity is Severity.DEVIATION else Verdict.FINE

    def as_json(self) -> dict[str, Any]:
        """The report for a program: what `--json` prints."""
        return {
            "benchmark": self.benchmark,
            "layout": self.layout,
            "root": str(self.root),
            "counts": "official" if self.official else "any",
            "verdict": self.verdict.name.lower(),
            "exit_code": int(self.verdict),
            "manifest_possible": not self.findings.blocking(),
            "sets": [asdict(count) | {"as_official": count.as_official} for count in self.sets],
            "findings": [
                {
                    "code": finding.kind.code,
                    "severity": finding.kind.severity.value,
                    "headline": finding.kind.headline,
                    "blocks_manifest": finding.kind.blocks,
                    "count": finding.count,
                    "mend": finding.kind.mend,
                    "examples": [asdict(example) for example in finding.examples],
                }
                for finding in self.findings.all()
            ],
        }

    def as_text(self) -> str:
        """The report for a person, plain text."""
        lines = [f"{self.benchmark} ({self.layout}) in {printable(str(self.root))}", ""]
        if self.sets:
            lines += [
                _COUNT_LINE.format("set", "images", "vehicles", "cameras", "official"),
                *map(_row, self.sets),
                "",
            ]
        for finding in self.findings.all():
            lines.append(f"{finding.kind.severity.value}: {finding.kind.headline}: {finding.count:,}")
            lines += [f"  {example}" for example in finding.examples[:5]]
            if finding.count > 5:
                lines.append(f"  ... and {finding.count - 5:,} more")
            lines.append(f"  mend: {printable(finding.kind.mend)}")
        lines.append(f"verdict: {_VERDICTS[self.verdict]}")
        return "\n".join(lines)


_COUNT_LINE = "{:<12} {:>9} {:>9} {:>8}  {}"
_VERDICTS = {
    Verdict.FINE: "fine",
    Verdict.DEVIATIONS: "usable in part: there are deviations",
    Verdict.UNUSABLE: "unusable",
}


def _row(count: SetCount) -> str:
    if count.official_images is None:
        official = "-"
    elif count.as_official:
        official = "as official"
    else:
        vehicles = " or ".join(f"{number:,}" for number in count.official_vehicles)
        official = f"officially {count.official_images:,} images of {vehicles}"
    cells = (f"{count.images:,}", f"{count.vehicles:,}", str(count.cameras or "-"))
    return _COUNT_LINE.format(count.set, *cells, official).rstrip()


def verify(
    benchmark: str,
    layout: Layout,
    root: Path,
    *,
    official: bool,
    progress: Progress,
    tests: Mapping[str, Sequence[str]] = MappingProxyType({}),
    decode: bool = False,
    annotations: AnnotationSources | None = None,
) -> Report:
    """Check a benchmark's folder (or a list's file); never raises for what is wrong in it, the report says it.

    annotations: imported side information, checked with it.
    """
    try:
        seen = inspect(root, layout, official=official, progress=progress, tests=tests, decode=decode)
        check_sources(
            annotations or AnnotationSources(), Manifest(seen.table, seen.root, benchmark, layout), seen.findings
        )
    except UserError as error:
        return unusable(benchmark, layout, root, error, official=official)
    return Report(benchmark, layout, root, official, seen.sets, seen.findings)


def unusable(benchmark: str, layout: Layout, root: Path, error: UserError, *, official: bool) -> Report:
    """The report on a folder of which nothing can be read."""
    findings = Findings()
    kind = replace(UNUSABLE, mend=error.mend) if error.mend else UNUSABLE
    findings.add(kind, error.where or root, error.what)
    return Report(benchmark, layout, root, official, [], findings)
