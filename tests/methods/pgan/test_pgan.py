"""PGAN: the gate over parts against loops, three features, one embedding."""

from __future__ import annotations

import pytest
import torch
from part_twins import batch, made, side_of, small_run, targets
from torch.nn import functional as F

from svrn.config.parameters import Inference
from svrn.data.side import Side
from svrn.parts.output import Seen
from svrn.parts.part_gate import PartGate

RUN = small_run(name="pgan", length=12)


def seen() -> Seen:
    images, labels = batch()
    return Seen(images, labels, side_of(RUN, 6))


def test_the_gate_is_a_softmax_over_the_parts_that_are_seen() -> None:
    torch.manual_seed(0)
    gate = PartGate(8)
    maps, masks = torch.randn(2, 8, 4, 4), torch.zeros(2, 3, 32, 32)
    masks[:, 0, :16], masks[0, 1, 16:, :8], masks[:, 2, 3:5, 3:5] = 1, 0.5, 1
    found = gate(maps, masks)
    for image in range(2):
        cells = F.avg_pool2d(masks[image], 8)
        scores = {}
        for part in range(3):
            if masks[image, part].sum() == 0:
                continue
            mean = (maps[image] * cells[part]).sum((1, 2)) / cells[part].sum()
            hidden = gate.first.weight @ mean
            normal = (hidden - hidden.mean()) / (hidden.var(correction=0) + 1e-5).sqrt()
            normal = normal * gate.norm.weight + gate.norm.bias
            scores[part] = 10 * (gate.second.weight @ normal.clamp(min=0)).mean()
        total = sum(float(score.exp()) for score in scores.values())
        wanted = sum(float(score.exp()) / total * cells[part] / cells[part].max() for part, score in scores.items())
        torch.testing.assert_close(found[image, 0], wanted, rtol=1e-4, atol=1e-5)


def test_without_parts_the_map_stays_as_it_is() -> None:
    gate = PartGate(8)
    assert (gate(torch.randn(2, 8, 4, 4), torch.zeros(2, 3, 32, 32)) == 0).all()


def test_three_features_of_which_one_classifies() -> None:
    network, losses = made(RUN)
    output = network.train()(seen())
    assert [tuple(one.feature.shape) for one in output.branches] == [(6, 24), (6, 12), (6, 12)]
    assert [one.logits is None for one in output.branches] == [False, True, True]
    result = losses(output, targets(batch()[1]))
    assert float(result.total) == pytest.approx(2 * float(result["identity"]) + float(result["triplet"]), rel=1e-6)


def test_every_parameter_learns_and_the_gate_by_the_vehicles_alone() -> None:
    network, losses = made(RUN)
    given = seen()
    given.side.masks.requires_grad_(True)
    losses(network.train()(given), targets(batch()[1])).total.backward()
    still = [name for name, one in network.named_parameters() if one.grad is None or not one.grad.isfinite().all()]
    assert still == []
    assert network.gate.second.parametrizations.weight.original1.grad.abs().sum() > 0


def test_the_embedding_is_the_joined_feature() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    side = side_of(RUN, 6)
    output = network(Seen(images, side=side))
    assert len(output.branches) == 1
    assert torch.equal(network.embed(images, Inference(after_bn=True), side), output.branches[0].normed)
    assert torch.equal(network.embed(images, Inference(), side), output.branches[0].feature)


def test_the_attention_follows_the_masks() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    side = side_of(RUN, 6)
    pictures = network.look(images, side).pictures
    assert list(pictures)[:2] == ["part attention", "part: windscreen"] and len(pictures) == 9
    empty = Side(side.columns, masks=torch.zeros_like(side.masks))
    assert (network.look(images, empty).pictures["part attention"] == 0).all()


def test_imported_parts_by_their_own_names() -> None:
    run = small_run(name="pgan", part_names=("part_1", "part_2"))
    assert run.method.needs(run).test.masks == ("part_1", "part_2")


def test_the_three_features_written_out() -> None:
    """F, the map with attention on it added to itself, and both side by side."""
    network, _ = made(RUN)
    network.eval()
    given = seen()
    features = network.mining(network.run_blocks(given.images))
    attention = network.gate(features, given.side.masks)
    guided = features + features * attention
    joined = network.joined(torch.cat([features, guided], 1))
    wanted = (joined, network.guided(guided), network.plain(features))
    output = network(given)
    for branch, feature in zip(output.branches, wanted, strict=True):
        torch.testing.assert_close(branch.feature, feature)
    torch.testing.assert_close(output.branches[0].logits, network.classifier(network.neck(joined)))
    assert not torch.allclose(features, guided)
