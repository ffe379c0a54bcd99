"""P x K sampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.parameters import Batches
from svrn.data.sampling import PKSampler, occurrences
from svrn.errors import UserError


def labels_of(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    p=st.integers(1, 12),
    k=st.integers(1, 5),
    seed=st.integers(0, 3),
)
def test_every_batch_has_p_identities_with_k_images(counts, p, k, seed):
    p = min(p, len(counts))
    labels = labels_of(counts)
    sampler = PKSampler(labels, Batches(identities=p, images=k), seed)
    for batch in sampler.epoch(1):
        groups = batch.reshape(p, k)
        assert len(set(labels[groups[:, 0]])) == p
        for group in groups:
            assert len(set(labels[group])) == 1
            available = counts[labels[group[0]]]
            assert len(set(group)) == min(k, available)
            assert np.bincount(group).max() == -(-k // available)  # repeated as evenly as can be


def test_identities_and_images_come_round_evenly():
    labels = labels_of([8] * 10)
    epoch = PKSampler(labels, Batches(identities=4, images=2), 0, batches_per_epoch=10).epoch(0)
    assert (np.bincount(labels[epoch[:5].reshape(-1)]) == 4).all()  # 20 places of 10 identities: twice each
    assert (np.bincount(epoch.reshape(-1)) == 1).all()  # 80 places, 80 images


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    k=st.integers(1, 5),
    views=st.integers(1, 5),
    seed=st.integers(0, 3),
)
def test_a_vehicles_images_show_as_many_kinds_as_there_are(counts, k, views, seed):
    labels = labels_of(counts)
    kinds = np.random.default_rng(seed).integers(-1, views, len(labels))
    batches = Batches(identities=len(counts), images=k)
    sampler = PKSampler(labels, batches, seed, 3, kinds)
    first, *rest = sampler.epoch(1)
    for group in first.reshape(len(counts), k):
        own = kinds[labels == labels[group[0]]]
        assert len(set(kinds[group])) == min(k, len(set(own)))
    drawn = np.bincount(np.concatenate([first, *rest]), minlength=len(labels))
    plain = np.bincount(PKSampler(labels, batches, seed, 3).epoch(1).reshape(-1), minlength=len(labels))
    assert (np.bincount(labels, drawn) == np.bincount(labels, plain)).all(), "identities come as before"
    for identity, count in enumerate(counts):
        if count % k == 0:
            assert np.ptp(drawn[labels == identity]) <= 1, "and images come round evenly"


def test_an_epoch_depends_on_seed_and_number_alone():
    labels = labels_of([5] * 8)
    batches = Batches(identities=4, images=4)
    one, other = PKSampler(labels, batches, 3), PKSampler(labels, batches, 3)
    other.epoch(0)
    assert (one.epoch(4) == other.epoch(4)).all()
    assert (one.epoch(4) != one.epoch(5)).any()
    assert (one.epoch(4) != PKSampler(labels, batches, 4).epoch(4)).any()


def test_length_of_an_epoch():
    labels = labels_of([5] * 8)
    assert PKSampler(labels, Batches(identities=4, images=4), 0).batches_per_epoch == 2  # 40 images / 16
    assert PKSampler(labels, Batches(identities=8, images=8), 0).batches_per_epoch == 1


def test_more_identities_than_there_are():
    with pytest.raises(UserError, match="a batch of 9 identities was asked for, there are 8") as error:
        PKSampler(labels_of([5] * 8), Batches(identities=9), 0)
    assert error.value.where == "training.batches.identities"


def test_occurrences_against_a_loop():
    epoch = np.random.default_rng(0).integers(0, 6, (5, 4))
    seen: dict[int, int] = {}
    for place, image in zip(np.ndindex(5, 4), epoch.reshape(-1), strict=True):
        assert occurrences(epoch)[place] == seen.get(image, 0)
        seen[image] = seen.get(image, 0) + 1
