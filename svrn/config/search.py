"""A search suite: the same number of draws for every model, scored on training vehicles held out of its training.

A drawn run is an ordinary run whose overrides chance has chosen; each model's draws are the rows of a table, so that
all that is known of suites (plan, workflow, resumption, cells, pages, evidence) holds for a search too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import Field, field_validator

from svrn.config.benchmark import Benchmark
from svrn.config.documents import suggestion
from svrn.config.identity import effective_inference, run_identity
from svrn.config.parameters import RunParameters
from svrn.config.spaces import FILE, Spaces, Value, tree_of
from svrn.config.strict import Strict
from svrn.config.tables import Column, Metric, Row, Table
from svrn.errors import UserError

TABLE = "search-"
DRAW = "draw "


class Search(Strict):
    """What makes a suite a search; part of params/suites/NAME.yaml."""

    models: tuple[str, ...] = Field(min_length=1, description="models with a space in params/search-spaces.yaml")
    draws: int = Field(ge=2, description="of each model, the same for all; draw 0 has every default")
    seed: int = Field(0, ge=0, description="of the draws")
    choose_by: Metric = Field(
        "mAP", description="the rule: the draw whose mean over the suite's seeds is highest, of equals the earlier one"
    )

    @field_validator("models")
    @classmethod
    def _once(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("a model stands twice: it would have another budget than the others")
        return models

    @property
    def rule(self) -> str:
        """The rule of choice as a sentence's end."""
        return (
            f"highest mean {self.choose_by} over the suite's seeds on held-out training vehicles, of equals the earlier"
        )


def table_name(model: str) -> str:
    """The table of a model's draws."""
    return f"{TABLE}{model}"


def draw_name(number: int) -> str:
    """The row of a draw."""
    return f"{DRAW}{number}"


def search_tables(search: Search, spaces: Spaces, role: str, where: str, params: Path) -> dict[str, Table]:
    """A table a model, a row a draw, with its values as attributes.

    Raises:
        UserError: a model that has no search space.
    """
    tables = {}
    metrics = dict.fromkeys((search.choose_by, "mAP", "CMC@1"))
    columns = tuple(Column(metric=metric, benchmark=role) for metric in metrics)
    for model in search.models:
        if model not in spaces.models:
            raise UserError(
                f"{model!r} has no search space",
                where=f"{where}: search.models",
                mend=f"{suggestion(model, sorted(spaces.models))}; a space is added in {params / FILE}",
            )
        drawn = [spaces.draw(model, number, search.seed) for number in range(search.draws)]
        heads = {place: _head(place) for place in spaces.of(model)}
        rows = tuple(
            Row(
                method=draw_name(number),
                model=model,
                overrides=tree_of(values),
                attributes={heads[place]: _printed(value) for place, value in values.items()},
            )
            for number, values in enumerate(drawn)
        )
        title = f"Draws of {model} on held-out training vehicles"
        tables[table_name(model)] = Table(title=title, attributes=tuple(heads.values()), columns=columns, rows=rows)
    return tables


def _head(place: str) -> str:
    return ".".join(place.split(".")[-2:])


def _printed(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_held_out(benchmarks: Mapping[str, Benchmark], where: str) -> None:
    """Refuse a search that would choose by test vehicles.

    Raises:
        UserError: a benchmark whose test set is not made of training vehicles.
    """
    for name, benchmark in benchmarks.items():
        made_of_training = benchmark.embedded is not None and benchmark.embedded.split == "held-out"
        if not made_of_training and benchmark.layout != "list":
            raise UserError(
                f"a search on {name} would choose settings by test vehicles",
                where=f"{where}: benchmarks",
                mend="name a benchmark of held-out training vehicles: `embedded: {split: held-out}`, or a list of one's"
                " own (docs/search.md)",
            )


def check_spaces(
    search: Search, spaces: Spaces, parameters_of: Callable[[str, dict[str, Value]], RunParameters], file: Path
) -> None:
    """Refuse a space that its model does not have, values that it refuses, and a search for nothing.

    parameters_of: a model's parameters with values at their places; UserError where it has no such parameter or the
    value is out of the parameter's own range.

    Raises:
        UserError: with the model and the parameter's place.
    """
    for model in search.models:
        for place, distribution in spaces.of(model).items():
            whose = "shared" if place in spaces.shared else f"models.{model}.parameters"
            where = f"{file}: {whose}.{place}"
            made = []
            for value in distribution.ends:
                try:
                    made.append(parameters_of(model, {place: value}))
                except UserError as error:
                    what = error.what if "unknown key" not in error.what else f"{model} has no parameter {place}"
                    raise UserError(f"{model}: {what}", where=where, mend=error.mend) from None
            if len({str((run_identity(one, ""), effective_inference(one))) for one in made}) < len(made):
                raise UserError(
                    f"{place} has no effect on {model}: its draws would be a smaller budget than they seem",
                    where=where,
                    mend="leave it out, or search it for the models alone that use it",
                )


def check_budgets(parameters: Iterable[tuple[str, RunParameters]], where: str) -> None:
    """Refuse models that are trained longer, on more or on larger images than others.

    Raises:
        UserError: the first two that differ.
    """
    first: tuple[str, tuple[tuple[str, int | None], ...]] | None = None
    for model, one in parameters:
        training = one.training
        schedule, batches = training.optimisation, training.batches
        budget = (
            ("epochs", schedule.epochs),
            ("batches_per_epoch", schedule.batches_per_epoch),
            ("images a step", batches.identities * batches.images * batches.accumulate),
            ("input size", training.input.size),
        )
        if first is None:
            first = (model, budget)
        elif budget != first[1]:
            mine, theirs = next((a, b) for a, b in zip(budget, first[1], strict=True) if a != b)
            raise UserError(
                f"the budgets differ: {model} has {mine[0]} {mine[1]}, {first[0]} has {theirs[1]}",
                where=where,
                mend="search a model with the others' training; rows with another one are for tables, not for a search",
            )
