"""Attributes of vehicles: what most images say, the shuffle, heads and loss against loops."""

from __future__ import annotations

from collections import Counter

import loss_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vehicles_with_attributes import TABLE, WITH_ATTRIBUTES

from svrn.data.side import Vocabulary
from svrn.errors import UserError
from svrn.parts.attributes import AttributeHeads, VehicleAttributes, attribute_loss, vehicle_attributes
from svrn.parts.output import Sizes


@given(st.integers(0, 10_000))
def test_a_vehicle_is_what_most_of_its_images_say(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (14,), generator=generator)
    values = torch.randint(-1, 3, (14, 2), generator=generator)
    found = vehicle_attributes(labels, values, 5)
    assert found.shape == (5, 2)
    for vehicle in range(5):
        for column in range(2):
            said = Counter(
                int(value)
                for label, value in zip(labels, values[:, column], strict=True)
                if label == vehicle and value >= 0
            )
            expected = min(said, key=lambda one: (-said[one], one)) if said else -1
            assert int(found[vehicle, column]) == expected


def test_an_attribute_that_no_image_knows_is_unknown_of_all() -> None:
    assert vehicle_attributes(torch.tensor([0, 1]), torch.tensor([[-1], [-1]]), 2).tolist() == [[-1], [-1]]


def test_the_table_is_read_by_vehicle() -> None:
    own = VehicleAttributes(WITH_ATTRIBUTES, shuffled=False)
    assert own(torch.tensor([3, 0, 3])).tolist() == [[1, -1], [0, 1], [1, -1]]
    assert own.state_dict() == {}


def test_the_shuffle_moves_whole_rows_and_is_the_same_in_every_run() -> None:
    table = torch.stack([torch.arange(50), 100 + torch.arange(50)], 1)
    sizes = Sizes(50, 200, None, table)
    torch.manual_seed(1)
    one = VehicleAttributes(sizes, shuffled=True).table
    torch.manual_seed(2)
    other = VehicleAttributes(sizes, shuffled=True).table
    assert torch.equal(one, other)
    assert sorted(one[:, 0].tolist()) == list(range(50)) and torch.equal(one[:, 0] + 100, one[:, 1])
    assert int((one[:, 0] == torch.arange(50)).sum()) < 5
    assert torch.equal(sizes.attributes, table)


def test_the_loss_written_out_leaves_unknowns_out() -> None:
    torch.manual_seed(0)
    heads = AttributeHeads(WITH_ATTRIBUTES, ("colour", "type"), 6)
    vectors = torch.randn(4, 6, requires_grad=True)
    logits = heads(vectors)
    assert {name: one.shape[1] for name, one in logits.items()} == {"attribute:colour": 3, "attribute:type": 2}
    values = torch.tensor([[0, -1], [2, 1], [-1, -1], [1, 0]])
    expected = twins.identity([logits["attribute:colour"][[0, 1, 3]]], [0, 2, 1], 0.0)
    expected = expected + twins.identity([logits["attribute:type"][[1, 3]]], [1, 0], 0.0)
    loss = attribute_loss(logits, ("colour", "type"), values)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert vectors.grad is not None and not vectors.grad[2].any()  # of which nothing is known


def test_nothing_known_of_a_batch_is_no_loss_and_no_gradient() -> None:
    logits = {"attribute:colour": torch.randn(3, 4, requires_grad=True)}
    loss = attribute_loss(logits, ("colour",), torch.full((3, 1), -1))
    loss.backward()
    assert loss.item() == 0 and not logits["attribute:colour"].grad.any()


def test_refusals() -> None:
    with pytest.raises(UserError, match="attribute colour has only one, 'red'"):
        AttributeHeads(Sizes(5, 9, Vocabulary((), {"colour": ("red",)}), TABLE), ("colour",), 6)
    with pytest.raises(UserError, match="attribute model has none among the training images"):
        AttributeHeads(WITH_ATTRIBUTES, ("model",), 6)
    with pytest.raises(UserError, match="attributes of the training vehicles are not known"):
        VehicleAttributes(Sizes(5), shuffled=False)
