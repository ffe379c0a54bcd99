"""A suite: which benchmarks fill the tables' columns, with which parameters, over which seeds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from svrn.config.benchmark import Benchmark, load_benchmark
from svrn.config.documents import merge, read_named, read_tree, suggestion, validate
from svrn.config.places import PARAMS, SETTINGS_VARIABLE, names, settings_file
from svrn.config.plateau import Plateau
from svrn.config.search import Search
from svrn.config.strict import Strict
from svrn.config.tables import Row
from svrn.errors import UserError

SUITES = ("smoke", "demo", "synthetic", "paper")
#: What tables ask for and suites fill, each by a benchmark of its own: the paper's three, and vehicles of models never
#: trained on. dvc.yaml has a stage for each.
ROLES = ("veri776", "vehicleid", "veriwild", "unseen", "held-out")


class Suite(Strict):
    """params/suites/NAME.yaml."""

    description: str
    benchmarks: dict[str, str] = Field(description="the benchmark file that fills each role")
    seeds: tuple[int, ...] = Field(min_length=1)
    tables: tuple[str, ...] = ()
    search: Search | None = Field(
        None, description="draws of models' parameters in the place of tables (docs/search.md)"
    )
    plateau: Plateau | None = Field(
        None,
        description="the rule by which rows are trained longer and longer until they stop (docs/plateau.md)",
    )
    settings: str | None = Field(None, description="search suite whose chosen settings every row is trained with")
    method: str = Field("svrn", description="model in params/models/ whose gain the report is about")
    baseline: str = Field("baseline", description="model in params/models/ that it is held against")
    extends: str | None = Field(
        None, description="suite whose overrides, per_benchmark and per_model these lie over, and whose notes stand too"
    )
    overrides: dict[str, Any] = Field(default_factory=dict, description="on params/base.yaml, for every run")
    per_benchmark: dict[str, dict[str, Any]] = Field(default_factory=dict, description="for the runs of one role")
    per_model: dict[str, dict[str, Any]] = Field(default_factory=dict, description="on params/models/NAME.yaml")
    models: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="by table: the model that re-runs a row which the paper only reports"
    )
    rows: dict[str, tuple[Row, ...]] = Field(default_factory=dict, description="by table: rows that the paper lacks")
    notes: tuple[str, ...] = Field((), description="footnotes of every table of scores, before the table's own")

    @model_validator(mode="after")
    def _tables_or_search(self) -> Suite:
        if bool(self.tables) == (self.search is not None):
            raise ValueError("a suite has tables, or a search whose draws are its tables: one of the two")
        if self.search is not None and (self.settings is not None or len(self.benchmarks) != 1):
            raise ValueError(
                "a search has one benchmark, of held-out training vehicles, and no settings of another search"
            )
        if self.plateau is not None and (len(self.tables) != 1 or self.plateau.held_out not in self.benchmarks):
            raise ValueError(
                "a plateau has one table, whose rows it trains, and one of the suite's benchmarks as `held_out`"
            )
        return self


class Settings(Strict):
    """params/config.yaml: what a user sets first."""

    suite: str = "demo"
    roots: dict[str, str | None] = Field(
        default_factory=dict, description="folders of the user's benchmarks, by the benchmark file's name"
    )
    store: str | None = Field(
        None, description="folder or address where a group shares its runs: taken before, given after each training"
    )
    container: str = Field(
        "svrn.sif", description="image of the rules with `--software-deployment-method apptainer`: a file or an address"
    )


def load_settings(params: Path) -> Settings:
    """The settings that the workflow was given, or the user's file.

    Raises:
        UserError: the file is wrong, or names the root of a benchmark that has no file.
    """
    given = os.environ.get(SETTINGS_VARIABLE)
    if given is not None and params == PARAMS:
        where, settings = "the workflow's config", _given(given)
    else:
        file = settings_file(params)
        where, settings = str(file), validate(Settings, read_tree(file), where=str(file))
    known = names(params / "benchmarks")
    for name, root in settings.roots.items():
        if root is not None and name not in known:
            mend = suggestion(name, known)
            raise UserError(f"there is no benchmark {name!r}", where=f"{where}: roots.{name}", mend=mend)
    return settings


def _given(text: str) -> Settings:
    """The settings in the environment, where the workflow puts them for its commands."""
    try:
        tree = json.loads(text)
    except ValueError:
        tree = None
    if not isinstance(tree, dict):
        raise UserError(
            f"{SETTINGS_VARIABLE} holds no settings: {text[:60]!r}",
            where="environment",
            mend=f"unset {SETTINGS_VARIABLE}: the workflow sets it for its commands",
        )
    return validate(Settings, tree, where="the workflow's config")


def placed_benchmark(name: str, params: Path, settings: Settings) -> Benchmark:
    """A benchmark by its name, at the root that the settings give it."""
    benchmark = load_benchmark(name, params)
    root = settings.roots.get(name)
    return benchmark if root is None else benchmark.model_copy(update={"root": root})


def load_suite(name: str, params: Path) -> Suite:
    """A suite by name, laid over the one that it extends.

    Raises:
        UserError: no suite of that name (with a did-you-mean), or one that extends one that extends another.
    """
    suite = _read_suite(name, params)
    if suite.extends is None:
        return suite
    below = _read_suite(suite.extends, params)
    if below.extends is not None:
        raise UserError(
            f"suite {suite.extends!r} extends a suite itself",
            where=str(params / "suites" / f"{name}.yaml"),
            mend=f"extend {below.extends!r}",
        )
    laid = {key: merge(getattr(below, key), getattr(suite, key)) for key in ("overrides", "per_benchmark", "per_model")}
    return suite.model_copy(update=laid | {"notes": (*below.notes, *suite.notes)})


def _read_suite(name: str, params: Path) -> Suite:
    folder = params / "suites"
    try:
        file, tree = read_named(folder, name, "suite")
    except UserError as error:
        if error.what != "no such file":
            raise
        raise UserError(f"no suite is called {name!r}", where=str(folder), mend=error.mend) from None
    return validate(Suite, tree, where=str(file))
