"""XG-6-sub-multi: regions in the embedding, zeros where they are not shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from part_twins import batch, made, side_of, small_run, targets
from torch.nn import functional as F

from svrn.config.parameters import Inference
from svrn.errors import UserError
from svrn.parts.output import Seen

RUN = small_run(name="xg6", length=12)


def test_the_embedding_joins_global_feature_and_regions_at_unit_length() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    side = side_of(RUN, 6)
    boxes = side.boxes.clone()
    boxes[1, side.columns.boxes.index("grille")] = torch.nan
    vectors = network.embed(images, Inference(), replace(side, boxes=boxes))
    assert vectors.shape == (6, 24 + 6 * 12)
    torch.testing.assert_close(vectors[:, :24], F.normalize(network.head(network.mined(Seen(images))).feature, dim=1))
    lengths = vectors[:, 24:].reshape(6, 6, 12).norm(dim=2)
    wanted = torch.ones(6, 6)
    wanted[1, 5] = 0
    torch.testing.assert_close(lengths, wanted)


def test_boxes_are_needed_at_test() -> None:
    assert RUN.method.needs(RUN).test == RUN.method.needs(RUN).training
    network, _ = made(RUN)
    network.eval()
    with pytest.raises(UserError, match="needs parts"):
        network.embed(batch()[0], Inference())


def test_training_is_that_of_the_part_heads() -> None:
    network, losses = made(RUN)
    images, labels = batch()
    result = losses(network.train()(Seen(images, labels, side_of(RUN, 6))), targets(labels))
    result.total.backward()
    still = [name for name, one in network.named_parameters() if one.grad is None]
    assert still == []
    assert float(result["parts"]) > 0


def test_a_region_of_which_next_to_nothing_is_shown_counts_as_hidden() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    side = side_of(RUN, 6)
    grille = side.columns.boxes.index("grille")
    boxes = side.boxes.clone()
    boxes[1, grille] = torch.tensor([0.5, 0.5, 0.515, 0.515])  # a quarter of one of 32 x 32 cells
    boxes[2, grille] = torch.tensor([0.5, 0.5, 0.53, 0.53])  # nearly all of one
    vectors = network.embed(images, Inference(), replace(side, boxes=boxes))
    place = list(network.regions.names).index("grille")
    lengths = vectors[:, 24:].reshape(6, 6, 12).norm(dim=2)[:, place]
    assert lengths.tolist() == pytest.approx([1, 0, 1, 1, 1, 1], abs=1e-5)
    output = network.train()(Seen(images, batch()[1], replace(side, boxes=boxes)))
    assert output.extras["part_seen"][:, place].tolist() == [1, 0, 1, 1, 1, 1]
    logits = output.extras["part_logits"]
    torch.testing.assert_close(logits[1, place], network.part_heads.classifiers[place].bias)


def test_each_region_has_a_classifier_of_its_own() -> None:
    network, _ = made(RUN)
    parts = torch.randn(3, 6, 12)
    found = network.part_heads.classify(parts)
    for number, classifier in enumerate(network.part_heads.classifiers):
        torch.testing.assert_close(found[:, number], parts[:, number] @ classifier.weight.T + classifier.bias)
