"""A study: everything a suite asks for, resolved. Runs, embeddings, evaluations and the cells they fill.

This is what the workflow reads when it is parsed, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from svrn.config.annotations import Lacking, Part, benchmark_side_digest
from svrn.config.benchmark import Benchmark
from svrn.config.cells import DATA as DATA
from svrn.config.cells import RESULTS as RESULTS
from svrn.config.cells import Cell as Cell
from svrn.config.cells import CellKind
from svrn.config.cells import Embedding as Embedding
from svrn.config.cells import Evaluation as Evaluation
from svrn.config.cells import Run as Run
from svrn.config.chosen import load_chosen
from svrn.config.documents import merge, read_named, read_tree, validate
from svrn.config.identity import evaluation_key, inference_key, run_key
from svrn.config.parameters import RunParameters
from svrn.config.places import PARAMS as PARAMS
from svrn.config.plateau import LENGTHS, Ladder, Plateau, Scores, lengthened, make_ladder, measured
from svrn.config.search import check_budgets, check_held_out, check_spaces, search_tables
from svrn.config.sidecar import digests_of as digests_of
from svrn.config.sidecar import misfit
from svrn.config.sidecar import read_sidecar as read_sidecar
from svrn.config.spaces import FILE, Value, load_spaces, tree_of
from svrn.config.suite import Suite, load_settings, load_suite, placed_benchmark
from svrn.config.tables import Column, Row, Table
from svrn.errors import UserError


@dataclass
class Study:
    """A suite with everything resolved."""

    name: str
    suite: Suite
    tables: dict[str, Table]
    benchmarks: dict[str, Benchmark]
    cells: list[Cell] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    pending: tuple[str, ...] = ()
    ladder: Ladder | None = None

    @cached_property
    def evaluations(self) -> dict[str, Evaluation]:
        return {e.key: e for e in self._all_evaluations()}

    @cached_property
    def embeddings(self) -> dict[tuple[str, str], Embedding]:
        """By run and name."""
        return {(e.embedding.run, e.embedding.name): e.embedding for e in self._all_evaluations()}

    def _all_evaluations(self) -> Iterator[Evaluation]:
        for cell in self.cells:
            yield from cell.evaluations

    def cells_of(self, run: str) -> list[Cell]:
        """The cells that a run feeds."""
        return [cell for cell in self.cells if run in cell.runs]

    def row_name(self, model: str, table: str | None = None) -> str:
        """What a table (the first that has it) calls the row of a model as it is; the model's own name without one."""
        tables = [self.tables[table]] if table in self.tables else list(self.tables.values())
        rows = [row for one in tables for row in one.rows if row.model == model]
        plain = [row.method for row in rows if not row.overrides]
        return next(iter([*plain, *(row.method for row in rows)]), model)

    @property
    def folder(self) -> Path:
        return RESULTS / self.name


def load_study(
    name: str | None = None, params: Path = PARAMS, data: Path = DATA, scores: Scores | None = None
) -> Study:
    """Resolve a suite (the one in params/config.yaml where no name is given).

    scores: of a plateau suite's rungs; those in results/runs where not given.

    Raises:
        UserError: an unknown key, suite, model or benchmark, a wrong type or value: with file and key.
    """
    settings = load_settings(params)
    name = name or settings.suite
    suite = load_suite(name, params)
    for unused in {*suite.models, *suite.rows} - {*suite.tables}:
        read_named(params / "tables", unused, "table")  # a misspelt name would be passed over
    file = str(params / "suites" / f"{name}.yaml")
    benchmarks = {name: placed_benchmark(name, params, settings) for name in suite.benchmarks.values()}
    if suite.search is None:
        tables = {t: _load_table(t, suite, name, params) for t in suite.tables}
    else:
        spaces = load_spaces(params)
        tables = search_tables(suite.search, spaces, next(iter(suite.benchmarks)), file, params)
        check_held_out(benchmarks, file)
    study = Study(name, suite, tables, benchmarks)
    resolver = _Resolver(study, params, data)
    if suite.search is not None:
        check_spaces(suite.search, spaces, resolver.with_values, params / FILE)
        check_budgets([(model, resolver.with_values(model, {})) for model in suite.search.models], f"{file}: search")
    if suite.plateau is not None:
        held_out = suite.benchmarks[suite.plateau.held_out]
        check_held_out({held_out: benchmarks[held_out]}, file)
        resolver.climb(suite.plateau, scores or measured(suite.plateau.metric))
    resolver.resolve()
    return study


def _load_table(name: str, suite: Suite, suite_name: str, params: Path) -> Table:
    file, tree = read_named(params / "tables", name, "table")
    table = validate(Table, tree, where=str(file))
    try:
        return table.with_models(suite.models.get(name, {}), suite.rows.get(name, ()))
    except ValueError as error:
        where = str(params / "suites" / f"{suite_name}.yaml")
        message = str(error) if not isinstance(error, ValidationError) else error.errors()[0]["msg"]
        raise UserError(f"{name}: {message}", where=where) from None


@dataclass(frozen=True)
class Sides:
    """Digests of the side information that a run reads, None where it reads none."""

    train: str | None
    test: str | None


class _Resolver:
    """Fills a study's cells and runs."""

    def __init__(self, study: Study, params: Path, data: Path) -> None:
        self.study = study
        self.params, self.data = params, data
        self.fits: set[tuple[str, str, str]] = set()
        self.base = read_tree(params / "base.yaml")
        self.models: dict[str, dict[str, Any]] = {}
        self.parameters: dict[str, RunParameters] = {}
        self.digests = {name: digests_of(name, b, data) for name, b in study.benchmarks.items()}
        self.file = str(params / "suites" / f"{study.name}.yaml")
        settings = study.suite.settings
        self.chosen = None if settings is None else load_chosen(settings, params, self.file)
        self.factors: dict[str, int] = {}  # by row of a plateau suite's own table

    def climb(self, plateau: Plateau, scores: Scores) -> None:
        """Put the table of lengths in the place of the suite's own, which comes back when every row has its length."""
        ((name, own),) = self.study.tables.items()

        def cell_of(row: Row, row_name: str, column: Column) -> Cell:
            return self._cell(LENGTHS, row, row_name, column, None)

        ladder = make_ladder(plateau, self.study.suite.method, own, cell_of, scores, self.file)
        self.study.ladder, self.study.tables = ladder, {LENGTHS: ladder.lengths}
        self.study.runs.clear()  # of rungs that were looked at
        if ladder.settled:
            self.study.tables[name] = own
            chosen = {row: one.chosen for row, one in ladder.climbs.items()}
            self.factors = {row: plateau.ladder[rung] for row, rung in chosen.items() if rung is not None}

    def resolve(self) -> None:
        for table_name, table in self.study.tables.items():
            for row, row_name in zip(table.rows, table.row_names(), strict=True):
                for column, reported in zip(table.columns, row.reported, strict=True):
                    self.study.cells.append(self._cell(table_name, row, row_name, column, reported))
        waiting = {c.benchmark for c in self.study.cells if c.kind == "pending" and c.benchmark}
        self.study.pending = tuple(sorted(waiting))

    def _cell(
        self, table: str, row: Row, row_name: str, column: Column, reported: float | Literal["lost"] | None
    ) -> Cell:
        role = column.benchmark
        name = self._benchmark_name(role, table) if role else None

        def cell(kind: CellKind, protocol: str | None = None, **more: Any) -> Cell:
            return Cell(
                table,
                row_name,
                column.name,
                column.metric,
                name,
                column.test,
                protocol,
                reported,
                kind,
                **more,
            )

        if row.model is None:
            return cell("reported_only")
        if name is None:
            seed = self.study.suite.seeds[0]
            return cell("timing", parameters=(self._parameters(row, "veri776", seed, f"{table}: {row.method}"),))
        assert role is not None
        where = f"{table}: {row.method}"
        parameters = tuple(self._parameters(row, role, seed, where) for seed in self.study.suite.seeds)
        if table != LENGTHS and row_name in self.factors:
            parameters = tuple(lengthened(one, self.factors[row_name]) for one in parameters)
        benchmark = self.study.benchmarks[name]
        if not benchmark.available:
            return cell("no_data", parameters=parameters)
        if column.test not in benchmark.tests:
            raise UserError(
                f"{table} asks for test set {column.test!r}, which {name} does not have",
                where=str(self.params / "benchmarks" / f"{name}.yaml"),
                mend=f"its test sets: {', '.join(benchmark.tests)}",
            )
        protocol = self._protocol(table, column, name)
        if self.digests[name] is None:
            return cell("pending", protocol, parameters=parameters)
        self._check_fit(name, column.test, protocol)
        try:
            sides = [self._sides(name, one) for one in parameters]
        except Lacking as error:
            return cell("lacking", protocol, parameters=parameters, lacks=error.column)
        if None in sides:
            return cell("pending", protocol, parameters=parameters)
        evaluations = tuple(self._evaluation(row, p, name, column.test, protocol) for p in parameters)
        return cell("run", protocol, parameters=parameters, evaluations=evaluations)

    def _sides(self, name: str, parameters: RunParameters) -> Sides | None:
        """What the method reads of a benchmark's side information; None where that is not known yet.

        Raises:
            UserError: the benchmark lacks it.
        """
        needs, benchmark = parameters.method.needs(parameters), self.study.benchmarks[name]
        found = []
        parts: tuple[Part, ...] = ("train", "test")
        for columns, part in zip((needs.training, needs.test), parts, strict=True):
            digest = benchmark_side_digest(name, benchmark, columns, part, self.data) if columns else None
            if columns and digest is None:
                return None
            found.append(digest)
        return Sides(*found)

    def _check_fit(self, name: str, test: str, protocol: str) -> None:
        if (name, test, protocol) not in self.fits:
            reason = misfit(name, test, protocol, self.data)
            if reason is not None:
                raise UserError(
                    f"{name}: {reason}",
                    where=f"{self.params / 'benchmarks' / name}.yaml: tests.{test}.protocols",
                    mend="declare a protocol that fits, or mend the benchmark's list and remove "
                    f"{self.data / name / 'manifest.json'} and its .parquet",
                )
            self.fits.add((name, test, protocol))

    def _protocol(self, table: str, column: Column, name: str) -> str:
        offered = self.study.benchmarks[name].tests[column.test].protocols
        if column.protocol is None:
            return offered[0]
        if column.protocol not in offered:
            raise UserError(
                f"{table} asks for protocol {column.protocol!r} on test set {column.test!r} of {name}, which names "
                f"{', '.join(offered)}",
                where=str(self.params / "benchmarks" / f"{name}.yaml"),
                mend=f"add it to tests.{column.test}.protocols, or take {table} out of the suite",
            )
        return column.protocol

    def _benchmark_name(self, role: str, table: str) -> str:
        try:
            return self.study.suite.benchmarks[role]
        except KeyError:
            raise UserError(
                f"{table} has a column for {role!r}, which suite {self.study.name!r} does not fill",
                where=str(self.params / "suites" / f"{self.study.name}.yaml"),
                mend=f"add {role} under `benchmarks:`",
            ) from None

    def _parameters(self, row: Row, role: str, seed: int, where: str) -> RunParameters:
        assert row.model is not None
        tree = self._plain(row.model, role)
        if self.chosen is not None:
            assert self.study.suite.settings is not None
            owner = self.chosen.owner_of(row.model, self.study.suite.settings, self.file)
            tree = merge(tree, self.chosen.overlay(row.model, tree, self._plain(owner, role)))
        tree = merge(tree, row.overrides, {"training": {"seed": seed}})
        made = validate(RunParameters, tree, where=f"suite {self.study.name}, {where}")
        benchmark = self.study.benchmarks.get(self.study.suite.benchmarks.get(role, ""))
        attributes = None if benchmark is None else benchmark.released_attributes
        if attributes is None:
            return made
        return made.model_copy(update={"method": made.method.fitted(attributes)})

    def _plain(self, model: str, role: str) -> dict[str, Any]:
        """A model's parameters before what a row or a choice adds."""
        suite = self.study.suite
        if model not in self.models:
            self.models[model] = read_named(self.params / "models", model, "model")[1]
        return merge(
            self.base,
            suite.overrides,
            suite.per_benchmark.get(role, {}),
            self.models[model],
            suite.per_model.get(model, {}),
        )

    def with_values(self, model: str, values: dict[str, Value]) -> RunParameters:
        """A model's parameters with values at their places, on the suite's first benchmark."""
        row = Row(method=model, model=model, overrides=tree_of(values))
        return self._parameters(row, next(iter(self.study.suite.benchmarks)), self.study.suite.seeds[0], model)

    def _evaluation(self, row: Row, parameters: RunParameters, name: str, test: str, protocol: str) -> Evaluation:
        digests = self.digests[name]
        assert digests is not None
        sides = self._sides(name, parameters)
        assert sides is not None
        key = run_key(parameters, digests.train, sides.train)
        if key not in self.study.runs:
            label = f"{row.model} s{parameters.training.seed}" if not row.overrides else self._label(row, parameters)
            self.study.runs[key] = Run(key, label, parameters, name, digests.train, sides.train)
        inference = inference_key(parameters, sides.test)
        embedding = Embedding(key, name, inference, parameters)
        return Evaluation(
            evaluation_key(key, inference, name, digests.whole, test, protocol), embedding, test, protocol
        )

    def _label(self, row: Row, parameters: RunParameters) -> str:
        return f"{row.model} {_flat(row.overrides)} s{parameters.training.seed}"


def _flat(tree: dict[str, Any], above: str = "") -> str:
    parts = []
    for name, value in tree.items():
        short = f"{above}.{name}" if above else name
        parts.append(_flat(value, name) if isinstance(value, dict) else f"{short}={value}")
    return " ".join(parts)
