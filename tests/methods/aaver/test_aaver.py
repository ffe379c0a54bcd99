"""AAVER: which points enter the second path, what learns by which loss, and its controls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from method_worlds import run_of_method, sizes_of, some_side
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.data.annotations.names import VIEWPOINTS, mirrored_name
from svrn.data.side import Side
from svrn.errors import UserError
from svrn.methods.aaver.losses import orientation_loss
from svrn.methods.aaver.network import likeliest
from svrn.methods.aaver.parameters import CHOSEN, POINTS
from svrn.methods.rooms import build_losses, build_network
from svrn.parts.keypoints import gaussians, peaks
from svrn.parts.output import Seen, Targets

LABELS = torch.arange(6) // 2
IMAGES = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(3))
GIVEN, FIXED = {"method": {"keypoints": "given"}}, {"method": {"keypoints": "fixed"}}
OURS = {"method": {"losses": "shared"}}


def made(*overlays: dict[str, Any]) -> tuple[RunParameters, Any, Any]:
    run = run_of_method("aaver", *overlays)
    torch.manual_seed(1)
    sizes = sizes_of(run)
    return run, build_network(run, sizes).train(), build_losses(run, sizes)


def seen_by(run: RunParameters) -> Seen:
    return Seen(IMAGES, LABELS, some_side(run.method.needs(run).training, 6))


def caught(network: Any, given: Seen) -> torch.Tensor:
    """What enters the adapter beside the first map, [B, 7 or 1, h, w]."""
    found: dict[str, torch.Tensor] = {}
    network.adapter.register_forward_pre_hook(lambda module, inputs: found.update(maps=inputs[0]))
    network(given)
    return found["maps"][:, network.channels[0] :]


def test_every_orientation_has_seven_points_and_its_mirror_image_has_theirs_in_the_same_places() -> None:
    assert set(CHOSEN) == set(VIEWPOINTS) and len(POINTS) == 18
    for view, names in CHOSEN.items():
        assert len(set(names)) == 7
        mirrored = [mirrored_name(name) for name in names]
        assert set(mirrored) == set(CHOSEN[mirrored_name(view)])
        assert view in ("front", "rear") or list(CHOSEN[mirrored_name(view)]) == mirrored


def test_given_points_are_drawn_where_they_are_seen_by_the_given_orientation() -> None:
    run, network, _ = made(GIVEN)
    given = seen_by(run)
    maps = caught(network, given)
    for image, view in enumerate(given.side.viewpoint.tolist()):
        for place, name in enumerate(CHOSEN[VIEWPOINTS[view]]):
            x, y, visible = given.side.keypoints[image, POINTS.index(name)].tolist()
            wanted = gaussians(torch.tensor([[[x, y]]]), torch.tensor([[visible]]), 16, 16)[0, 0]
            torch.testing.assert_close(maps[image, place], wanted if view >= 0 else torch.zeros(16, 16))


def test_predicted_points_are_the_peaks_of_the_likeliest_groups_maps() -> None:
    run, network, _ = made()
    given = seen_by(run)
    with torch.no_grad():  # so that images differ in what is likeliest
        network.points.orientation.weight.mul_(30)
        network.points.orientation.bias -= network(given).extras["orientation"].mean(0)
    maps = caught(network, given)
    output = network.eval()(given)
    assert output.extras == {}
    network.train()
    output = network(given)
    places = peaks(output.extras["keypoint_maps"])
    for image in range(6):
        shares = F.softmax(output.extras["orientation"][image], 0).tolist()
        sums = [shares[view - 1] + shares[view] + shares[(view + 1) % 8] for view in range(8)]
        group = sums.index(max(sums))
        assert int(likeliest(output.extras["orientation"])[image]) == group
        for place, name in enumerate(CHOSEN[VIEWPOINTS[group]]):
            one = places[image, POINTS.index(name)].view(1, 1, 2)
            torch.testing.assert_close(maps[image, place], gaussians(one, torch.ones(1, 1), 16, 16)[0, 0])
    assert len(set(likeliest(output.extras["orientation"]).tolist())) > 1


def test_the_embedding_is_that_of_both_paths() -> None:
    run, network, _ = made()
    output = network.eval()(Seen(IMAGES))
    for after_bn, name in ((False, "feature"), (True, "normed")):
        options = run.inference.model_copy(update={"after_bn": after_bn, "normalise": False})
        assert torch.equal(network.embed(IMAGES, options), getattr(output.branches[1], name))


def test_the_control_has_all_points_in_one_map_and_needs_no_viewpoint() -> None:
    run, network, _ = made(FIXED)
    needs = run.method.needs(run)
    assert not needs.training.viewpoint and not needs.test
    given = seen_by(run)
    maps = caught(network, given)
    places = peaks(network(given).extras["keypoint_maps"])
    drawn = gaussians(places, torch.ones(6, len(POINTS)), 16, 16)
    assert maps.shape == (6, 1, 16, 16)
    torch.testing.assert_close(maps[:, 0], drawn.amax(1))


def test_the_second_path_starts_as_the_trunk_itself() -> None:
    _, network, _ = made()
    network.eval()
    first = network.run_block(1, IMAGES)
    mixed = network.adapter(torch.cat([first, torch.rand(6, 7, 16, 16)], 1))
    torch.testing.assert_close(mixed, first)
    torch.testing.assert_close(network.run_blocks(mixed, 2, branch="keypoints"), network.run_blocks(first, 2))


@pytest.mark.parametrize("head", [True, False])
def test_the_heads_losses_reach_the_head_alone_and_the_others_do_not_reach_it(head: bool) -> None:
    run, network, losses = made()
    given = seen_by(run)
    parts = losses.parts(network(given), Targets(LABELS, side=given.side))
    names = ("keypoints", "orientation") if head else ("identity",)
    sum(parts[name][1]() for name in names).backward()
    reached = {name.split(".")[0] for name, one in network.named_parameters() if one.grad is not None}
    assert reached == (
        {"points"} if head else {"trunk", "copies", "adapter", "mining", "head", "local", "joined", "scales"}
    )
    assert parts["triplet"][0] == 0


def test_l2_softmax_sees_both_branches_at_a_trained_length() -> None:
    run, network, losses = made()
    given = seen_by(run)
    output = network(given)
    total = 0.0
    for branch, classifier in zip(output.branches, (network.head.classifier, network.joined.classifier), strict=True):
        for feature, label in zip(branch.feature, LABELS.tolist(), strict=True):
            logits = classifier.weight @ (16 * feature / feature.norm()) + classifier.bias
            total -= float(logits.detach().log_softmax(0)[label]) / 6
    found = losses(output, Targets(LABELS, side=given.side))
    assert float(found["identity"].detach()) == pytest.approx(total, rel=1e-4)


def test_with_our_losses_branches_are_classified_and_compared_as_everywhere() -> None:
    run, network, losses = made(OURS)
    given = seen_by(run)
    output = network(given)
    torch.testing.assert_close(output.branches[1].logits, network.joined.classifier(output.branches[1].normed))
    assert losses.parts(output, Targets(LABELS, side=given.side))["triplet"][0] == 1
    assert "triplet" in run.method.losses_identity(run)
    assert "triplet" not in run_of_method("aaver").method.losses_identity(run)


def test_orientation_is_learned_where_it_is_known() -> None:
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    found = float(orientation_loss(logits, torch.tensor([2, -1, 7])))
    wanted = -float(logits[0].log_softmax(0)[2] + logits[2].log_softmax(0)[7]) / 2
    assert found == pytest.approx(wanted, rel=1e-5)
    assert float(orientation_loss(logits, torch.full((3,), -1))) == 0


def test_given_points_that_do_not_come_are_asked_for() -> None:
    run, network, _ = made(GIVEN)
    with pytest.raises(UserError, match="needs them, and the viewpoint"):
        network.eval().embed(IMAGES, run.inference)
    side = some_side(run.method.needs(run).test, 6)
    assert isinstance(side, Side) and network.embed(IMAGES, run.inference, side).shape == (6, 16)


def test_the_points_can_be_looked_at() -> None:
    _, network, _ = made()
    pictures = network.eval().look(IMAGES).pictures
    assert list(pictures) == ["key-points"] and pictures["key-points"].shape == (6, 16, 16)
