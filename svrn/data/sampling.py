"""P x K sampling: which images make each batch of an epoch (section IV-B; reading 17).

An epoch depends on the seed and its number alone, so a resumed training, or one on another number of devices,
sees the same batches.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from svrn.config.parameters import Batches
from svrn.errors import UserError

Rows = npt.NDArray[np.int64]

_SAMPLING = 1  # keeps this stream of chance apart from augmentation's


class PKSampler:
    """Batches of P identities with K images each, for every epoch.

    labels: identity of each training image, 0 .. I-1. batches_per_epoch None: images / (P x K), rounded down, at
    least 1. Identities come round evenly: none a second time before all others came once. So do the images of an
    identity; one with fewer than K images gives each of them as evenly often as K allows.

    kinds: of each training image, -1 where unknown: an identity's images in a batch show as many of them as those that
    it has left; None leaves the order to chance alone.

    Raises:
        UserError: a batch asks for more identities than there are.
    """

    def __init__(
        self,
        labels: Rows,
        batches: Batches,
        seed: int,
        batches_per_epoch: int | None = None,
        kinds: Rows | None = None,
    ) -> None:
        self._kinds = kinds
        self.identities, self.images, self.seed = batches.identities, batches.images, seed
        order = np.argsort(labels, kind="stable")
        counts = np.bincount(labels)
        self._images_of = np.split(order, np.cumsum(counts)[:-1])
        if self.identities > len(counts):
            raise UserError(
                f"a batch of {self.identities} identities was asked for, there are {len(counts)} to train on",
                where="training.batches.identities",
                mend=f"set it to {len(counts)} or less",
            )
        size = self.identities * self.images
        self.batches_per_epoch = batches_per_epoch or max(1, len(labels) // size)

    def epoch(self, number: int) -> Rows:
        """Rows of every batch of an epoch (from 0), shape (batches per epoch, P x K), identity by identity."""
        chance = np.random.default_rng([self.seed, _SAMPLING, number])
        batches = np.empty((self.batches_per_epoch, self.identities * self.images), dtype=np.int64)
        waiting: deque[int] = deque()
        unused: dict[int, Rows] = {}
        for batch in batches:
            chosen = self._next_identities(waiting, chance)
            drawn = []
            for identity in chosen:
                drawn.append(self._next_images(identity, unused, chance))
            batch[:] = np.concatenate(drawn)
        return batches

    def _next_identities(self, waiting: deque[int], chance: np.random.Generator) -> list[int]:
        chosen: list[int] = []
        deferred: list[int] = []
        while len(chosen) < self.identities:
            if not waiting:
                waiting.extend(chance.permutation(len(self._images_of)).tolist())
            identity = waiting.popleft()
            (deferred if identity in chosen else chosen).append(identity)
        waiting.extendleft(reversed(deferred))
        return chosen

    def _next_images(self, identity: int, unused: dict[int, Rows], chance: np.random.Generator) -> Rows:
        own = self._images_of[identity]
        if len(own) <= self.images:
            repeats = -(-self.images // len(own))
            return np.concatenate([chance.permutation(own) for _ in range(repeats)])[: self.images]
        left = unused.get(identity)
        if left is None or len(left) < self.images:
            left = self._spread(chance.permutation(own))
        unused[identity] = left[self.images :]
        return left[: self.images]

    def _spread(self, images: Rows) -> Rows:
        """The images reordered so that kinds come round: the first of each, then the second of each."""
        if self._kinds is None:
            return images
        return images[np.argsort(occurrences(self._kinds[images]), kind="stable")]


def occurrences(epoch: Rows) -> Rows:
    """For each place of an epoch, how often its image came before in that epoch; same shape as `epoch`."""
    flat = epoch.reshape(-1)
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    within = np.arange(len(flat)) - np.repeat(starts, np.diff(np.r_[starts, len(flat)]))
    result = np.empty_like(flat)
    result[order] = within
    return result.reshape(epoch.shape)
