"""VAMI: where it looks, what the real branch is made of, what learns by which loss, and its controls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_worlds import run_of_method, sizes_of
from torch.nn import functional as F

from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.data.side import Side
from svrn.methods.rooms import build_losses, build_network
from svrn.methods.vami.losses import features_by_view
from svrn.methods.vami.network import ViewAttention
from svrn.parts.output import Seen, Targets

LABELS = torch.arange(6) // 2
IMAGES = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(3))
VIEWS = torch.tensor([0, 1, 2, -1, 1, 1])
REGRESSION, PLAIN = {"method": {"inference": "regression"}}, {"method": {"attention": "none"}}


def made(*overlays: dict[str, Any]) -> tuple[RunParameters, Any, Any]:
    run = run_of_method("vami", *overlays)
    torch.manual_seed(1)
    sizes = sizes_of(run)
    return run, build_network(run, sizes).train(), build_losses(run, sizes)


def side(run: RunParameters) -> Side:
    return Side(run.method.needs(run).training, attributes=VIEWS.unsqueeze(1))


def test_viewpoints_are_needed_in_training_and_not_at_test() -> None:
    run, _, _ = made()
    needs = run.method.needs(run)
    assert needs.training.names() == ("attribute:view",) and not needs.test


def test_attention_by_loops() -> None:
    torch.manual_seed(0)
    attention = ViewAttention(5)
    local, means, own = torch.randn(2, 5, 3, 4), torch.randn(3, 5), torch.tensor([2, 0])
    maps = attention(local, means, own)
    places, pairs = attention.places.weight[:, :, 0, 0], attention.pairs
    for image in range(2):
        for view in range(3):
            scores = torch.zeros(3, 4)
            for row in range(3):
                for column in range(4):
                    asked = torch.tanh(pairs.weight @ torch.cat([means[own[image]], means[view]]) + pairs.bias)
                    known = torch.tanh(places @ local[image, :, row, column])
                    scores[row, column] = (attention.score.weight[0] * asked * known).sum()
            if view == own[image]:
                scores = torch.zeros(3, 4)
            torch.testing.assert_close(maps[image, view], scores.flatten().softmax(0).view(3, 4))


def test_real_features_are_means_by_view_over_the_vehicles_images_of_the_batch() -> None:
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    found = features_by_view(features, LABELS, VIEWS, 3)
    for image in range(6):
        for view in range(3):
            rows = [row for row in range(6) if LABELS[row] == LABELS[image] and VIEWS[row] == view]
            wanted = features[rows].mean(0) if rows else torch.zeros(4)
            torch.testing.assert_close(found[image, view], wanted)


def test_the_own_view_is_the_true_one_in_training_where_known_and_the_likeliest_else() -> None:
    run, network, _ = made()
    maps: list[torch.Tensor] = []
    network.attention.register_forward_hook(lambda module, inputs, output: maps.append(inputs[2]))
    output = network(Seen(IMAGES, LABELS, side(run)))
    told = output.extras["attribute:view"].argmax(1)
    assert maps[0].tolist() == torch.where(VIEWS == -1, told, VIEWS).tolist()
    network.eval().embed(IMAGES, run.inference)
    single = network.local(network.mining(network.run_blocks(IMAGES))).mean((2, 3))
    assert maps[1].tolist() == network.view(single)["attribute:view"].argmax(1).tolist()


def test_a_trained_network_keeps_the_views_means() -> None:
    run, network, _ = made()
    output = network(Seen(IMAGES, LABELS, side(run)))
    single = output.extras["single"].detach()
    for view in range(3):
        torch.testing.assert_close(network.means.means()[view], single[view == VIEWS].mean(0))
    _, other, _ = made()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.means.means(), network.means.means())


def test_without_attention_every_view_has_the_plain_mean() -> None:
    run, network, _ = made(PLAIN)
    given: list[torch.Tensor] = []
    network.infer.register_forward_hook(lambda module, inputs, output: given.append(inputs[0]))
    output = network(Seen(IMAGES, LABELS, side(run)))
    torch.testing.assert_close(given[0].unflatten(1, (3, -1)), output.extras["single"].unsqueeze(1).expand(-1, 3, -1))


@pytest.mark.parametrize("overlay", [{}, REGRESSION])
def test_which_loss_reaches_what(overlay: dict[str, Any]) -> None:
    run, network, losses = made(overlay)
    output = network(Seen(IMAGES, LABELS, side(run)))
    output.branches[0].feature.retain_grad()
    parts = losses.parts(output, Targets(LABELS, side=side(run)))
    parts["inference"][1]().backward(retain_graph=True)
    assert output.branches[0].feature.grad.abs().sum() > 0
    assert all(one.grad is None for one in losses.real.parameters())
    assert (losses.discriminator.real.weight.grad is None) == bool(overlay)
    network.zero_grad()
    output.branches[0].feature.grad = None
    parts["multi_view"][1]().backward(retain_graph=True)
    assert all(one.grad is not None for one in losses.real.parameters())
    network.zero_grad()
    parts["view"][1]().backward(retain_graph=True)
    reached = {name.split(".")[0] for name, one in network.named_parameters() if one.grad is not None}
    assert reached == {"trunk", "mining", "local", "view"}


def test_the_inferred_feature_is_driven_to_where_the_adversary_takes_it_for_real() -> None:
    run, network, losses = made()
    output = network(Seen(IMAGES, LABELS, side(run)))
    feature = output.branches[0].feature
    feature.retain_grad()
    losses.parts(output, Targets(LABELS, side=side(run)))["inference"][1]().backward()
    moved = feature.detach() - 0.1 * feature.grad
    with torch.no_grad():
        assert losses.discriminator(moved)[0].mean() > losses.discriminator(feature)[0].mean()


def test_regression_by_hand() -> None:
    run, network, losses = made(REGRESSION)
    output = network(Seen(IMAGES, LABELS, side(run)))
    real = losses.real(features_by_view(output.extras["single"].detach(), LABELS, VIEWS, 3).flatten(1))
    found = losses(output, Targets(LABELS, side=side(run)))["inference"]
    wanted = (2 - 2 * F.cosine_similarity(output.branches[0].feature, real, dim=1)).mean()
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)


def test_maps_of_every_view_can_be_looked_at() -> None:
    _, network, _ = made()
    pictures = network.eval().look(IMAGES).pictures
    assert list(pictures) == ["view 1", "view 2", "view 3"] and all(one.shape == (6, 4, 4) for one in pictures.values())


def test_the_real_branch_does_not_reach_the_single_view_features() -> None:
    run, network, losses = made()
    output = network(Seen(IMAGES, LABELS, side(run)))
    output.extras["single"].retain_grad()
    losses.parts(output, Targets(LABELS, side=side(run)))["multi_view"][1]().backward()
    assert output.extras["single"].grad is None and losses.real[0].weight.grad is not None


def test_the_spread_is_over_the_views_and_off_it_is_no_part_of_a_run() -> None:
    plain, spread = run_of_method("vami"), run_of_method("vami", {"method": {"spread": True}})
    assert plain.method.spreads(plain) is None and spread.method.spreads(spread) == "view"
    assert "spread" not in plain.method.model_identity(plain)["method"]
    assert run_key(plain, "d") != run_key(spread, "d")
