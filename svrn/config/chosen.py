"""Chosen settings: what a search gave each model, params/chosen/SUITE.yaml, which other suites name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from svrn.config.documents import Tree, read_tree, validate
from svrn.config.spaces import Value, tree_of, value_at
from svrn.config.strict import Strict
from svrn.errors import UserError

FOLDER = "chosen"


class Choice(Strict):
    """One model's chosen draw."""

    draw: int = Field(ge=0)
    draws: int = Field(ge=1, description="from how many it was chosen")
    score: float = Field(description="its mean on held-out training vehicles, percent")
    default_score: float = Field(description="the mean of draw 0, the defaults")
    serves: tuple[str, ...] = ()
    values: dict[str, Value]


class Chosen(Strict):
    """A file of chosen settings, written by `svrn report settings`."""

    suite: str
    rule: str
    record: str = Field(pattern="^[0-9a-f]{64}$", description="digest of every draw's runs and scores")
    models: dict[str, Choice] = Field(min_length=1)

    @model_validator(mode="after")
    def _equal_budgets(self) -> Chosen:
        counts = {name: one.draws for name, one in self.models.items()}
        if len(set(counts.values())) > 1:
            least, most = min(counts, key=lambda n: counts[n]), max(counts, key=lambda n: counts[n])
            raise ValueError(
                f"the budgets differ: {least} was chosen from {counts[least]} draws, {most} from {counts[most]}"
            )
        return self

    def owner(self, model: str) -> str | None:
        """The model whose search a model's settings come from; None where it was searched under no name."""
        if model in self.models:
            return model
        return next((name for name, one in self.models.items() if model in one.serves), None)

    def owner_of(self, model: str, name: str, where: str) -> str:
        """The same, wanted.

        Raises:
            UserError: nothing was chosen for the model.
        """
        owner = self.owner(model)
        if owner is None:
            raise UserError(
                f"search {name!r} chose no settings for model {model!r}",
                where=f"{where}: settings",
                mend=f"add it to the search's models, or to what one of them `serves`: {', '.join(self.models)}",
            )
        return owner

    def overlay(self, model: str, plain: Tree, of_owner: Tree) -> Tree:
        """The chosen values for a model, those left out in which a control differs from its method on purpose.

        plain, of_owner: the parameters of the model and of the model that was searched, without any choice.
        """
        owner = self.owner(model)
        assert owner is not None
        values = self.models[owner].values
        if owner != model:
            values = {
                place: value for place, value in values.items() if value_at(plain, place) == value_at(of_owner, place)
            }
        return tree_of(values)


def chosen_file(params: Path, name: str) -> Path:
    """Where the choice of a search suite stands."""
    return params / FOLDER / f"{name}.yaml"


def load_chosen(name: str, params: Path, where: str) -> Chosen:
    """The settings that a search chose.

    Raises:
        UserError: nothing was chosen yet, or the file is wrong.
    """
    file = chosen_file(params, name)
    try:
        tree: dict[str, Any] = read_tree(file)
    except UserError as error:
        if error.what != "no such file":
            raise
        raise UserError(
            f"the settings of search {name!r} are not chosen yet: {file} is not there",
            where=f"{where}: settings",
            mend=f"`snakemake all_tables --cores all --config suite={name}`, and `svrn report settings --suite {name}`",
        ) from None
    return validate(Chosen, tree, where=str(file))
