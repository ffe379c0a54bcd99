"""From a benchmark's folder to its manifest: made only where nothing found could make it wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from svrn.config.benchmark import Layout
from svrn.data.benchmarks.inspection import Inspection, Progress, inspect
from svrn.data.manifest import Manifest
from svrn.errors import UserError


def build_manifest(
    benchmark: str,
    layout: Layout,
    root: Path,
    *,
    official: bool,
    progress: Progress,
    tests: Mapping[str, Sequence[str]] = MappingProxyType({}),
    train_digest: str | None = None,
) -> Manifest:
    """Read a benchmark's folder (or list) into a manifest; the same input gives the same rows in the same order.

    train_digest: what the training images' digest must be, where it is known beforehand.

    Raises:
        UserError: anything in the folder that could make the manifest wrong, with its first place.
    """
    seen = inspect(root, layout, official=official, progress=progress, tests=tests)
    _refuse_blocked(benchmark, seen)
    manifest = Manifest(seen.table, seen.root, benchmark, layout)
    if train_digest is not None and manifest.train_digest != train_digest:
        raise UserError(
            f"the training images' digest is {manifest.train_digest}, {train_digest} is declared",
            where=f"benchmark {benchmark}: train_digest",
            mend="render the benchmark again; if its renderer was changed on purpose, declare the new digest",
        )
    return manifest


def _refuse_blocked(benchmark: str, seen: Inspection) -> None:
    blocking = seen.findings.blocking()
    if not blocking:
        return
    first = blocking[0]
    lines = [f"{finding.kind.headline}: {finding.count:,}" for finding in blocking]
    raise UserError(
        f"no manifest of {benchmark}: {'; '.join(lines)}. First: {first.examples[0].what}",
        where=first.examples[0].where,
        mend=f"{first.kind.mend}; the whole report: svrn data verify {benchmark} --root {seen.root}",
    )
