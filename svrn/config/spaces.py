"""Search spaces: which parameters of each model are searched, over which distributions. params/search-spaces.yaml.

One file for every method, so that nobody's method is searched more closely than another's. A draw is a pure function
of the search's seed, the model, the draw's number and the parameter's name: draws can be made in any order, and a new
parameter or model moves none of the others. What is shared by all models is drawn alike for all: no method has the
luckier learning rates.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from svrn.config.documents import Tree, merge, read_tree, suggestion, validate
from svrn.config.places import names
from svrn.config.strict import Strict
from svrn.errors import UserError

FILE = "search-spaces.yaml"

Value = bool | int | float | str

#: A drawn number keeps this many digits: no result hangs on more, and a table can print them.
DIGITS = 3


class Distribution(Strict):
    """What one parameter is drawn from."""

    default: Value = Field(description="its value in draw 0, which is no chance's: the method as it comes")
    distribution: Literal["uniform", "log-uniform", "choice"]
    low: float | None = Field(None, description="of uniform and log-uniform")
    high: float | None = None
    values: tuple[Value, ...] = Field((), description="of choice, each as likely as another")

    @model_validator(mode="after")
    def _whole(self) -> Distribution:
        if self.distribution == "choice":
            if len(set(self.values)) < 2 or (self.low, self.high) != (None, None):
                raise ValueError("choice wants two different values or more, and neither low nor high")
            if self.default not in self.values:
                raise ValueError(f"the default {self.default!r} is none of the values {list(self.values)}")
            return self
        if self.values or self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"{self.distribution} wants low below high, and no values")
        if self.distribution == "log-uniform" and self.low <= 0:
            raise ValueError(f"log-uniform wants low above 0, got {self.low}")
        if isinstance(self.default, (bool, str)) or not self.low <= self.default <= self.high:
            raise ValueError(f"the default {self.default!r} is out of the range {self.low:g} to {self.high:g}")
        return self

    @property
    def ends(self) -> tuple[Value, ...]:
        """The outermost values, or all of them."""
        if self.low is None or self.high is None:
            return self.values
        return (self.low, self.high)

    def at(self, share: float) -> Value:
        """The value below which `share` of the distribution lies, 0 <= share < 1."""
        if self.low is None or self.high is None:
            return self.values[int(share * len(self.values))]
        if self.distribution == "uniform":
            value = self.low + share * (self.high - self.low)
        else:
            value = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


class ModelSpace(Strict):
    """What is searched for one model beside what is searched for all."""

    serves: tuple[str, ...] = Field(
        (), description="models that take over what is chosen for this one: its controls, its other side information"
    )
    parameters: dict[str, Distribution] = Field(default_factory=dict)


class Spaces(Strict):
    """params/search-spaces.yaml: distributions by the parameter's place, as `training.optimisation.lr`."""

    shared: dict[str, Distribution] = Field(min_length=1, description="searched for every model, and drawn alike")
    models: dict[str, ModelSpace] = Field(description="models in params/models/, each with parameters of its own")

    @model_validator(mode="after")
    def _disjoint(self) -> Spaces:
        served: dict[str, str] = {}
        for name, space in self.models.items():
            twice = sorted(set(space.parameters) & set(self.shared))
            if twice:
                raise ValueError(f"{name}: {twice[0]} is searched for every model already")
            for one in space.serves:
                if one in self.models or one in served:
                    raise ValueError(f"{name} serves {one}, which {served.get(one, 'has a space of its own')} already")
                served[one] = name
        return self

    def of(self, model: str) -> dict[str, Distribution]:
        """Everything that is searched for a model, the shared parameters first."""
        return {**self.shared, **self.models[model].parameters}

    def draw(self, model: str, number: int, seed: int) -> dict[str, Value]:
        """Values by place: the defaults of draw 0, chance's of any other."""
        drawn = {}
        for place, distribution in self.of(model).items():
            whose = "" if place in self.shared else model
            share = _share(seed, whose, number, place)
            drawn[place] = distribution.default if number == 0 else distribution.at(share)
        return drawn


def load_spaces(params: Path) -> Spaces:
    """The registry, its models' names looked up.

    Raises:
        UserError: no such file, a wrong entry, a default out of its range, an unknown model.
    """
    file = params / FILE
    spaces = validate(Spaces, read_tree(file), where=str(file))
    known = names(params / "models")
    for name, space in spaces.models.items():
        for one in (name, *space.serves):
            if one not in known:
                raise UserError(
                    f"no model is called {one!r}", where=f"{file}: models.{name}", mend=suggestion(one, known)
                )
    return spaces


def tree_of(values: dict[str, Value]) -> Tree:
    """Values by place as the overlay that sets them."""
    tree: Tree = {}
    for place, value in values.items():
        *above, last = place.split(".")
        one: Any = {last: value}
        for name in reversed(above):
            one = {name: one}
        tree = merge(tree, one)
    return tree


def value_at(tree: Tree, place: str) -> Any:
    """What stands at a place of a tree; None where nothing does."""
    current: Any = tree
    for name in place.split("."):
        current = current.get(name) if isinstance(current, dict) else None
    return current


def _share(seed: int, model: str, number: int, place: str) -> float:
    """A uniform number in [0, 1) that follows from its name alone."""
    digest = hashlib.sha256(f"{seed}|{model}|{number}|{place}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
