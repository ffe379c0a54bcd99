"""Attributes of vehicles: a table of them, heads that tell them, and their losses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.errors import UserError
from svrn.parts.output import Sizes

UNKNOWN = -1
_SHUFFLE_SEED = 0


def vehicle_attributes(labels: Tensor, attributes: Tensor, vehicles: int) -> Tensor:
    """What most images say of each vehicle: [vehicles, A] int64; -1 where none says anything.

    labels: [n] int64, the images' vehicles; attributes: [n, A] int64, -1 where unknown. Of equally many the lowest
    value counts.
    """
    columns = []
    for values in attributes.unbind(1):
        known = values != UNKNOWN
        size = int(values.max()) + 1 if bool(known.any()) else 1
        votes = torch.zeros(vehicles, size, dtype=torch.int64)
        votes.index_put_((labels[known], values[known]), torch.ones(1, dtype=torch.int64), accumulate=True)
        columns.append(torch.where(votes.sum(1) > 0, votes.argmax(1), UNKNOWN))
    return torch.stack(columns, 1)


class VehicleAttributes(nn.Module):
    """The attributes of the training vehicles: labels [B] -> [B, A] int64, -1 where unknown.

    shuffled: each vehicle is given another's, all of them at once and the same in every run, so that whatever of them
    belongs together (a model and its type) still does, and no vehicle's look has to do with them.
    """

    table: Tensor

    def __init__(self, sizes: Sizes, shuffled: bool) -> None:
        super().__init__()
        if sizes.attributes is None:
            raise UserError("the attributes of the training vehicles are not known", where="method.attributes")
        table = sizes.attributes
        if shuffled:
            table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(_SHUFFLE_SEED))]
        self.register_buffer("table", table.clone(), persistent=False)  # follows from the data, not from the training

    def forward(self, labels: Tensor) -> Tensor:
        return self.table[labels]


class AttributeHeads(nn.Module):
    """A linear classifier for each attribute, on a vector [B, C]. In float32.

    Raises:
        UserError: an attribute with fewer than two values among the training images.
    """

    def __init__(self, sizes: Sizes, names: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.names = names
        self.heads = nn.ModuleList(nn.Linear(channels, _values(sizes, name)) for name in names)
        for head in self.heads:
            assert isinstance(head, nn.Linear)
            nn.init.normal_(head.weight, std=0.001)
            nn.init.zeros_(head.bias)

    def forward(self, vectors: Tensor) -> dict[str, Tensor]:
        """Logits [B, values] by `attribute:NAME`, as a network's extras hold them."""
        with torch.autocast(vectors.device.type, enabled=False):
            made = (head(vectors.float()) for head in self.heads)
            return {f"attribute:{name}": logits for name, logits in zip(self.names, made, strict=True)}


def _values(sizes: Sizes, name: str) -> int:
    known = () if sizes.vocabulary is None else sizes.vocabulary.attributes.get(name, ())
    if len(known) < 2:
        what = f"only one, {known[0]!r}" if known else "none"
        raise UserError(
            f"attribute {name} has {what} among the training images: there is nothing to tell apart",
            where="method.attributes",
            mend="leave it out, or complete the benchmark's side information",
        )
    return len(known)


def attribute_loss(logits: Mapping[str, Tensor], names: tuple[str, ...], values: Tensor) -> Tensor:
    """Cross entropy of each attribute, mean over the images where it is known, summed over attributes: scalar.

    logits: [B, values] by `attribute:NAME`; values: [B, A] int64 in the order of `names`, -1 where unknown. An
    attribute that is known of no image of the batch adds nothing.
    """
    losses = []
    for name, wanted in zip(names, values.unbind(1), strict=True):
        total = F.cross_entropy(logits[f"attribute:{name}"].float(), wanted, ignore_index=UNKNOWN, reduction="sum")
        losses.append(total / (wanted != UNKNOWN).sum().clamp(min=1))
    return torch.stack(losses).sum()
