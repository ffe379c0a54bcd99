"""What goes into a method's network and losses, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from svrn.data.side import Side, Vocabulary
    from svrn.data.styles import CameraStyles


@dataclass(frozen=True)
class Sizes:
    """What a network is built for.

    identities: N, the number of training vehicles. images: how many training images, 0 where it is not known (a
    trained run that is opened). vocabulary: of the side information that the method reads, None where it reads none.
    attributes: [N, A] int64, those of each training vehicle by their places in the vocabulary, -1 where unknown; None
    where the method reads none and where a trained run is opened. styles: how each camera's training images look; None
    likewise.
    """

    identities: int
    images: int = 0
    vocabulary: Vocabulary | None = None
    attributes: Tensor | None = None
    styles: CameraStyles | None = None


@dataclass(frozen=True)
class Seen:
    """What a network sees of a batch.

    images: [B, 3, H, W] float32, normalised as for ImageNet. labels: [B] int64, the vehicles' numbers, None at test.
    side: the side information that the method asked for. chance: what the network's `chance` drew for these images.
    pretraining: whether this is one of the method's own steps before the schedule. progress: the share of the schedule
    that is done, 1 at test; a scalar float64 tensor where the step is captured. maps: whether to keep what can be
    looked at (`Branch.map`, `Output.pictures`).
    """

    images: Tensor
    labels: Tensor | None = None
    side: Side | None = None
    chance: Mapping[str, Tensor] = field(default_factory=dict)
    pretraining: bool = False
    progress: float | Tensor = 1.0
    maps: bool = False


@dataclass(frozen=True)
class Targets:
    """What a loss knows of a batch beside the network's output, of all processes together.

    labels: [B] int64. rows: [B] int64, each image's number among the training images. side: as in `Seen`.
    pretraining: as in `Seen`.
    """

    labels: Tensor
    rows: Tensor | None = None
    side: Side | None = None
    pretraining: bool = False


@dataclass(frozen=True)
class Branch:
    """One feature of the images of a batch; R is its length, N the identities.

    feature: [B, R] float32, pooled and before BN. normed: [B, R], after the head's BN. logits: [B, N], None where no
    classification was asked for or the branch has no classifier. unified: [B, R], in a space common to all branches,
    None without one. scores: [B, g, g], how salient each cell of a grid is, None where that is not predicted. mask:
    [B, g, g], the cells that the next branch sees (1 is kept); None in the last one and where nothing is hidden. map:
    [B, C, h, w], what was pooled, only when asked for.

    Every tensor is per image, so that the branches of several processes can be joined; those marked as not gathered
    are for eyes alone and are left out then.
    """

    feature: Tensor
    normed: Tensor
    logits: Tensor | None = None
    unified: Tensor | None = None
    scores: Tensor | None = None
    mask: Tensor | None = field(default=None, metadata={"gathered": False})
    map: Tensor | None = field(default=None, metadata={"gathered": False})


@dataclass(frozen=True)
class Output:
    """The branches, first one first, and what else the method's losses read, by name: each [B, ...], per image.

    pictures: maps [B, h, w] in 0..1 to be drawn over the images, by title; only when asked for.
    """

    branches: tuple[Branch, ...]
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    pictures: Mapping[str, Tensor] = field(default_factory=dict, metadata={"gathered": False})
