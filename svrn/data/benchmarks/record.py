"""What fills a role of a suite, written down in a few lines: what DVC follows in place of the images."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from svrn.config.benchmark import Benchmark
from svrn.config.documents import suggestion
from svrn.config.suite import ROLES, load_suite
from svrn.data.benchmarks.obtain import Named, find_benchmark, where_to_ask
from svrn.data.manifest import Manifest, Membership, read_manifest
from svrn.errors import UserError


@dataclass(frozen=True)
class Members:
    """Images and vehicles of one set."""

    images: int
    vehicles: int


@dataclass(frozen=True)
class Contents:
    """What a manifest holds. sets: by their `split` names (`train`, `query`, `S.pool`)."""

    digest: str
    train_digest: str
    images: int
    vehicles: int
    sets: dict[str, Members]


@dataclass(frozen=True)
class Record:
    """What fills a role. None: nothing does (benchmark), or its place is not known yet (source, contents).

    source: where it comes from, as the user wrote it. protocols: by test set.
    missing: what the user is to do about a benchmark whose place is not known.
    """

    role: str
    benchmark: str | None = None
    layout: str | None = None
    counts: str | None = None
    source: dict[str, Any] | None = None
    protocols: dict[str, tuple[str, ...]] | None = None
    contents: Contents | None = None
    missing: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The record as plain values."""
        return asdict(self)

    def as_text(self) -> str:
        """The record in one line, for a person."""
        if self.benchmark is None:
            return f"{self.role}: nothing in this suite"
        if self.contents is None:
            return f"{self.role}: nothing says where {self.benchmark} is\n  mend: {self.missing}"
        held = self.contents
        return f"{self.role}: {self.benchmark}, {held.images:,} images of {held.vehicles:,} vehicles"


def make_record(role: str, suite: str, params: Path, data: Path) -> Record:
    """Look up what fills `role` in `suite` and what its manifest in `data` holds.

    Raises:
        UserError: no such suite or role (with a did-you-mean), no manifest, one that is damaged, that is another
            benchmark's, or whose rows do not give the digests that the runs are named by.
    """
    filled = load_suite(suite, params).benchmarks
    known = list(dict.fromkeys([*ROLES, *filled]))
    if role not in known:
        where = str(params / "suites" / f"{suite}.yaml")
        raise UserError(f"no role is called {role!r}", where=where, mend=suggestion(role, known))
    if role not in filled:
        return Record(role)
    named = find_benchmark(filled[role], params)
    benchmark = named.benchmark
    missing = None if benchmark.available else where_to_ask(named)
    return Record(
        role,
        named.name,
        benchmark.layout,
        benchmark.counts,
        _source(benchmark),
        {test: chosen.protocols for test, chosen in benchmark.tests.items()},
        None if missing else _contents(named, data / named.name / "manifest.parquet", f"benchmark_{role}"),
        missing,
    )


def _source(benchmark: Benchmark) -> dict[str, Any] | None:
    if benchmark.embedded is not None:
        return {"rendered": benchmark.embedded.model_dump(mode="json")}
    if benchmark.root is not None:
        return {"folder": benchmark.root}
    places = {"archives": list(benchmark.archive), "url": benchmark.url, "sha256": benchmark.sha256}
    return {kind: place for kind, place in places.items() if place} or None


def _contents(named: Named, file: Path, target: str) -> Contents:
    if not file.is_file():
        mend = f"snakemake {target} --cores all"
        raise UserError(f"{named.name} is not brought in yet: no such file", where=str(file), mend=mend)
    again = f"remove it, then snakemake {target} --cores all"
    try:
        manifest = read_manifest(file)
    except UserError as error:
        raise UserError(error.what, where=error.where, mend=again) from None
    if manifest.benchmark != named.name:
        raise UserError(f"is a manifest of {manifest.benchmark}, not of {named.name}", where=str(file), mend=again)
    found = {"digest": manifest.digest, "train_digest": manifest.train_digest}
    _check_digests(found, _sidecar(file.with_suffix(".json"), again), again)
    declared = named.benchmark.train_digest
    if declared is not None:
        _check_digests(found, (f"benchmark {named.name}", {"train_digest": declared}), again)
    vehicles = int(manifest.table["vehicle"].nunique())
    return Contents(**found, images=len(manifest.table), vehicles=vehicles, sets=_sets(manifest))


def _sidecar(file: Path, again: str) -> tuple[str, dict[str, Any]]:
    """What the workflow takes the digests from, with its place."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return str(file), {name: content[name] for name in ("digest", "train_digest")}
    except FileNotFoundError:
        raise UserError("no such file", where=str(file), mend=again) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"not what stands beside a manifest: {type(error).__name__}: {error}"
        raise UserError(what, where=str(file), mend=again) from None


def _check_digests(found: dict[str, str], told: tuple[str, dict[str, Any]], again: str) -> None:
    where, wanted = told
    for name, value in wanted.items():
        if found[name] != value:
            raise UserError(f"{name} is {value}, the manifest's rows give {found[name]}", where=where, mend=again)


def _sets(manifest: Manifest) -> dict[str, Members]:
    places = [(None, "train"), *((test, role) for test in manifest.tests() for role in ("query", "gallery", "pool"))]
    sets = {}
    for test, role in places:
        rows = manifest.members(role, test) if test else manifest.members(role)
        if len(rows):
            sets[str(Membership(test, role))] = Members(len(rows), int(rows["vehicle"].nunique()))
    return sets
