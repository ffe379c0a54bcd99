"""Methods as the configuration knows them: rooms in `svrn/methods/`, each with a light file of parameters.

A room is a folder whose `parameters.py` holds a class `Parameters`. It is read here by its folder's name, so that a
new method touches nothing outside its room; nothing here knows a method by name, but for the one that a run is where
none is said.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Self

from svrn.config.documents import suggestion
from svrn.config.side import SideColumns
from svrn.config.strict import Strict
from svrn.errors import UserError

if TYPE_CHECKING:
    from svrn.config.parameters import Inference, RunParameters

ROOMS = "svrn.methods"
DEFAULT = "svrn"

Tree = dict[str, Any]
_NONE = SideColumns()


@dataclass(frozen=True)
class About:
    """What a reader is told of a method before anything is trained.

    title: as a table prints it. idea: one sentence. source: authors, title, venue, year, and the code where there is
    any. certain: what was read at the source. readings: what is ours, one decision each. ablation: what takes the idea
    away. page: its page under docs/methods/.
    """

    title: str
    idea: str
    source: str
    certain: tuple[str, ...]
    readings: tuple[str, ...]
    ablation: str
    page: str


@dataclass(frozen=True)
class Needs:
    """Side information that a method reads in training and at test."""

    training: SideColumns = _NONE
    test: SideColumns = _NONE


class MethodParameters(Strict):
    """A method's own parameters, and what the project asks of a method without loading its network.

    A room's `Parameters` derives from this, sets `about` and adds its fields. What is said of a run takes the run's
    whole parameters, `run`, because a method reads shared ones too.
    """

    about: ClassVar[About]
    #: Shared losses (`training.losses`) that the method uses; the others are no part of its runs' identity.
    shared_losses: ClassVar[tuple[str, ...]] = ("identity", "triplet")
    #: Fields that matter only when embeddings are made: not part of a run, but of an embedding's name.
    at_test: ClassVar[tuple[str, ...]] = ()

    def check(self, run: RunParameters) -> None:
        """Raise ValueError where parameters do not fit together."""
        if run.inference.space == "G":
            raise ValueError(f"inference.space G needs a unified layer, which {self.about.title} does not have")

    def needs(self, run: RunParameters) -> Needs:
        """The side information that the run reads; none by default."""
        return Needs()

    def fitted(self, attributes: tuple[str, ...]) -> Self:
        """The same on a benchmark whose labels tell these attributes of a vehicle; what it becomes is what a run is."""
        return self

    def spreads(self, run: RunParameters) -> str | None:
        """The attribute over which a vehicle's images in a batch are spread, one of `needs`; None: by chance."""
        return None

    def camera_styles(self, run: RunParameters) -> bool:
        """Whether the training reads how each camera's images look; then `needs` names the camera."""
        return False

    def branches(self, run: RunParameters) -> int:
        """How many features of an image the network makes, that fusion joins."""
        return 1

    def passes(self, run: RunParameters) -> float:
        """A training step's work in passes through the backbone, a block counted as a quarter."""
        return 1.0

    def pretraining_steps(self, run: RunParameters) -> int:
        """Steps of the method's own before the schedule begins."""
        return 0

    def hides_cells(self, run: RunParameters) -> bool:
        """Whether branches hide cells of the map from the next one: then there are masks to be looked at."""
        return False

    def distance(self, run: RunParameters, inference: Inference) -> Mapping[str, Any] | None:
        """How two embeddings are compared where not as plain vectors, in the form that an embeddings file names."""
        return None

    def repeatable(self, run: RunParameters) -> bool:
        """Whether embeddings follow from the images alone; False where chance is drawn when they are made."""
        return True

    def draws_in_steps(self, run: RunParameters) -> bool:
        """Whether a training step asks the network for something by chance (`Network.chance`)."""
        return False

    def facts(self, run: RunParameters) -> Mapping[str, str]:
        """What a model card says of the network beside its backbone, by heading."""
        own = self.model_dump(mode="json", exclude={"name"})
        return {"Parameters of its own": ", ".join(f"{name} {value}" for name, value in own.items()) or "none"}

    def kind(self, run: RunParameters) -> str:
        """The network in a few words, as a card's title."""
        return self.about.title

    def model_identity(self, run: RunParameters) -> Tree:
        """What of `model` and of its own parameters makes a run what it is."""
        own = self.model_dump(mode="json", exclude=set(self.at_test))
        model = run.model.model_dump(mode="json", include={"backbone", "head"})
        model["backbone"].pop("file")  # its digest counts, not where it lies
        return {"method": own, **model}

    def losses_identity(self, run: RunParameters) -> Tree:
        """What of `training.losses` does."""
        losses = run.training.losses.model_dump(mode="json", include=set(self.shared_losses))
        for name, one in losses.items():
            if one["weight"] == 0:
                losses[name] = {"weight": 0.0}
        if losses.get("triplet", {}).get("kind") == "batch_hard":
            del losses["triplet"]["scale"]
        return losses

    def inference_identity(self, run: RunParameters) -> Tree:
        """The inference options that matter, with the method's own at test."""
        options = run.inference.model_dump(mode="json", include={"after_bn", "flip", "fusion", "normalise"})
        if self.branches(run) == 1:
            options["fusion"] = "sum"
        own = self.model_dump(mode="json", include=set(self.at_test))
        return options | ({"method": own} if own else {})


def method_names() -> tuple[str, ...]:
    """Every room, in alphabetical order."""
    spec = find_spec(ROOMS)
    assert spec is not None
    found = pkgutil.iter_modules(spec.submodule_search_locations)
    return tuple(sorted(one.name for one in found if one.ispkg))


@cache
def parameters_class(name: str) -> type[MethodParameters]:
    """A room's class of parameters, with its name as the field `name`.

    Raises:
        UserError: no room is called that.
    """
    known = method_names()
    if name not in known:
        raise UserError(f"no method is called {name!r}", where="method.name", mend=suggestion(name, list(known)))
    room = importlib.import_module(f"{ROOMS}.{name}.parameters")
    own: type[MethodParameters] = room.Parameters
    if own.model_fields.get("name") is None:
        raise TypeError(f"{ROOMS}.{name}.parameters.Parameters lacks `name: Literal[{name!r}] = {name!r}`")
    return own


def method_of(tree: Any) -> MethodParameters:
    """Typed parameters from a mapping with the method's name and its own keys.

    Raises:
        ValueError: no name, or no such method. (An unknown key is pydantic's own error.)
    """
    if isinstance(tree, MethodParameters):
        return tree
    if not isinstance(tree, Mapping):
        raise ValueError("wanted keys and values, `name` among them")
    try:
        own = parameters_class(str(tree.get("name", DEFAULT)))
    except UserError as error:
        raise ValueError(f"{error.what}; {error.mend}") from None
    return own.model_validate(tree)
