"""What a search or a plateau suite may spend, said before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svrn.config.plateau import LENGTHS, Climb
from svrn.config.schedule import steps, training_images
from svrn.config.search import table_name
from svrn.config.study import Study


@dataclass(frozen=True)
class ModelBudget:
    """One model's part of a search.

    parameters: how many are searched. steps: of one training, its method's own pretraining among them. left: trainings
    to do. seconds: device-seconds that they would take; None where nothing is known to estimate from.
    """

    model: str
    parameters: int
    trainings: int
    steps: int
    left: int
    seconds: float | None


@dataclass(frozen=True)
class SearchBudget:
    """A search's budget: the same number of draws for every model."""

    draws: int
    seeds: int
    rule: str
    models: tuple[ModelBudget, ...]


def search_budget(study: Study, to_do: Mapping[str, float | None]) -> SearchBudget | None:
    """The budget of a search suite; None of any other suite.

    to_do: estimated device-seconds of every run that is not done, by its key.
    """
    search = study.suite.search
    if search is None:
        return None
    models = []
    for model in search.models:
        cells = [cell for cell in study.cells if cell.table == table_name(model)]
        runs = {key: study.runs[key] for cell in cells for key in cell.runs}
        left = [to_do[key] for key in runs if key in to_do]
        known = [seconds for seconds in left if seconds is not None]
        one = cells[0].parameters[0]
        images = training_images(cells[0].benchmark or "")
        models.append(
            ModelBudget(
                model,
                len(study.tables[table_name(model)].attributes),
                len({(cell.row, seed) for cell in cells for seed in study.suite.seeds}),
                steps(one, images) + one.method.pretraining_steps(one),
                len(left),
                sum(known) if len(known) == len(left) else None,
            )
        )
    return SearchBudget(search.draws, len(study.suite.seeds), search.rule, tuple(models))


@dataclass(frozen=True)
class PlateauBudget:
    """What a plateau suite may come to.

    climbs: how far each row is. left: trainings to do if no row stops before the ladder's end, on held-out and then on
    test vehicles; seconds: of one device that they would take, None where nothing is known to estimate from.
    """

    rule: str
    climbs: tuple[Climb, ...]
    seeds: int
    left: tuple[int, int]
    seconds: float | None


def plateau_budget(study: Study, worst: Study, to_do: Mapping[str, float | None]) -> PlateauBudget | None:
    """The budget of a plateau suite; None of any other suite.

    worst: the suite as if no row stopped. to_do: estimated device-seconds of every run of it that is not done.
    """
    if study.suite.plateau is None or study.ladder is None:
        return None
    rungs = {key for cell in worst.cells if cell.table == LENGTHS for key in cell.runs if key in to_do}
    known = [seconds for seconds in to_do.values() if seconds is not None]
    return PlateauBudget(
        study.suite.plateau.rule,
        tuple(study.ladder.climbs.values()),
        len(study.suite.seeds),
        (len(rungs), len(to_do) - len(rungs)),
        sum(known) if len(known) == len(to_do) else None,
    )
