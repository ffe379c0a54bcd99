"""The memory of features and the grouping of a vehicle's, against loops and scikit-learn's k-means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from svrn.parts.memory import FeatureMemory, grouped, nearest_group


def test_the_last_feature_of_each_image_is_remembered() -> None:
    memory = FeatureMemory(6, 2)
    memory.store(torch.tensor([4, 1, 4]), torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), torch.tensor([7, 5, 7]))
    memory.store(torch.tensor([1]), torch.tensor([[4.0, 4.0]], requires_grad=True), torch.tensor([5]))
    assert memory.features.tolist() == [[0, 0], [4, 4], [0, 0], [0, 0], [3, 3], [0, 0]]
    assert memory.labels.tolist() == [-1, 5, -1, -1, 7, -1]
    assert not memory.features.requires_grad


def test_means_are_over_what_is_remembered() -> None:
    memory = FeatureMemory(5, 2)
    memory.store(torch.tensor([0, 3, 4]), torch.tensor([[1.0, 0.0], [0.0, 4.0], [3.0, 0.0]]), torch.tensor([2, 1, 2]))
    means, known = memory.means(torch.tensor([0, 1, 2]))
    assert known.tolist() == [False, True, True]
    assert means.tolist() == [[0, 0], [0, 4], [2, 0]]


def test_a_checkpoint_holds_the_memory() -> None:
    memory, other = FeatureMemory(3, 2), FeatureMemory(3, 2)
    memory.store(torch.tensor([2]), torch.ones(1, 2), torch.tensor([1]))
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.features, memory.features) and torch.equal(other.labels, memory.labels)


def written_out(features: np.ndarray, groups: int) -> tuple[np.ndarray, list[int]]:
    """The centres and the sizes of one vehicle's groups: farthest points, then scikit-learn's Lloyd iterations."""
    away = ((features - features.mean(0)) ** 2).sum(1)
    chosen = [int(away.argmax())]
    while len(chosen) < groups:
        away = np.min([((features - features[one]) ** 2).sum(1) for one in chosen], axis=0)
        if away.max() == 0:
            break
        chosen.append(int(away.argmax()))
    fitted = KMeans(len(chosen), init=features[chosen], n_init=1, max_iter=20, tol=0, algorithm="lloyd").fit(features)
    return fitted.cluster_centers_, np.bincount(fitted.labels_, minlength=len(chosen)).tolist()


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_groups_are_those_of_k_means_vehicle_by_vehicle(seed: int, groups: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat([0, 1, 2, -1], [9, 3, 6, 2]))
    features = random.normal(size=(len(labels), 5)) + 4 * random.integers(0, 2, size=(len(labels), 1))
    given_features = torch.from_numpy(features.astype(np.float32))
    centres, there = grouped(given_features, torch.from_numpy(labels), 4, groups, least=4)
    assert there.tolist()[3] == [False] * groups  # a vehicle without an image
    assert there.tolist()[1] == [True] + [False] * (groups - 1)  # one of fewer than 4
    np.testing.assert_allclose(centres[1, 0], features[labels == 1].mean(0), rtol=1e-4, atol=1e-5)
    for vehicle in (0, 2):
        own = features[labels == vehicle].astype(np.float32)
        expected, sizes = written_out(own, groups)
        assert there[vehicle].all() and min(sizes) > 0
        np.testing.assert_allclose(centres[vehicle], expected, rtol=1e-4, atol=1e-4)
        nearest = nearest_group(torch.from_numpy(own), centres, there, torch.full((len(own),), vehicle))
        assert np.bincount(nearest, minlength=groups).tolist() == sizes


def test_equal_features_are_one_group() -> None:
    features = torch.ones(5, 2)
    centres, there = grouped(features, torch.zeros(5, dtype=torch.int64), 1, 3, least=2)
    assert there.tolist() == [[True, False, False]] and centres[0, 0].tolist() == [1, 1]


def test_nothing_remembered_is_no_group() -> None:
    centres, there = grouped(torch.zeros(4, 2), torch.full((4,), -1), 3, 2, least=2)
    assert not there.any() and not centres.any()


@pytest.mark.parametrize("order", [[3, 0, 2, 1], [1, 2, 3, 0]])
def test_the_order_of_images_moves_no_centre_where_none_are_equal(order: list[int]) -> None:
    features, labels = torch.tensor([[0.0], [1.0], [7.0], [9.0]]), torch.zeros(4, dtype=torch.int64)
    centres, _ = grouped(features, labels, 1, 2, least=2)
    other, _ = grouped(features[order], labels, 1, 2, least=2)
    assert centres.tolist() == other.tolist() == [[[8.0], [0.5]]]


def test_a_vehicle_is_split_from_as_many_images_as_are_said_on() -> None:
    for count in (3, 4, 5):
        features = torch.arange(float(count)).unsqueeze(1) ** 2
        _, there = grouped(features, torch.zeros(count, dtype=torch.int64), 1, 2, least=4)
        assert there.tolist() == [[True, count >= 4]]
