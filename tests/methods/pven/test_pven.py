"""PVEN: its vectors and distance, what its parts are made of, what learns by which loss."""

from __future__ import annotations

import pytest
import torch
from part_twins import batch, made, side_of, small_run, targets, visible_part_triplet
from torch.nn import functional as F

from svrn.config.identity import inference_key, run_key
from svrn.config.parameters import Inference
from svrn.data.side import Side
from svrn.parts.output import Seen
from svrn.parts.regions import pool, to_map

RUN = small_run(name="pven")


def seen(run=RUN, **changes) -> Seen:
    images, labels = batch()
    return Seen(images, labels, side_of(run, len(images)), **changes)


def test_a_view_is_its_cells_sum_over_one_more_than_their_number() -> None:
    network, _ = made(RUN)
    network.train()
    given = seen()
    caught = {}
    network.view_neck.register_forward_pre_hook(lambda module, inputs: caught.update(pooled=inputs[0]))
    network.head.reduction_bn.register_forward_hook(lambda module, inputs, out: caught.update(reduced=F.relu(out)))
    output = network(given)
    cells = F.avg_pool2d(given.side.masks, 8)  # 32 to the map's 4
    scale = 256 / 16  # the original's map has 16 x 16 cells
    for image in range(6):
        for view in range(4):
            number = 1 + scale * float(cells[image, view].sum())
            assert float(output.extras["counts"][image, view]) == pytest.approx(number, rel=1e-5)
            weighed = (caught["reduced"][image] * cells[image, view]).sum((1, 2)) * scale / number
            torch.testing.assert_close(caught["pooled"].reshape(6, 4, 24)[image, view], weighed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("one_vector", [False, True])
def test_the_embedding_holds_what_its_distance_says(one_vector: bool) -> None:
    run = small_run(name="pven", one_vector=one_vector)
    network, _ = made(run)
    network.eval()
    images, _ = batch()
    side = side_of(run, 6)
    inference = Inference(after_bn=True)
    vectors = network.embed(images, inference, side)
    output = network(Seen(images, side=side))
    views = F.normalize(output.extras["views"], dim=2)
    torch.testing.assert_close(vectors[:, :24], F.normalize(output.branches[0].normed, dim=1))
    named = run.method.distance(run, inference)
    if not one_vector:
        assert named == {"kind": "visible-parts", "global": 24, "parts": [24] * 4, "lambda": 0.5, "root": "sqrt"}
        torch.testing.assert_close(vectors[:, 24:120], views.flatten(1))
        torch.testing.assert_close(vectors[:, 120:], output.extras["counts"])
        return
    assert named is None
    squared = torch.cdist(vectors, vectors).square()
    whole = torch.cdist(vectors[:, :24], vectors[:, :24]).square()
    local = torch.stack([torch.cdist(one, one).square() for one in views.unbind(1)]).mean(0)
    torch.testing.assert_close(squared, whole + 0.5 * local, rtol=1e-3, atol=1e-4)


def test_without_weight_parts_are_no_part_of_the_vector() -> None:
    run = small_run(name="pven", part_weight=0)
    network, _ = made(run)
    network.eval()
    images, _ = batch()
    assert network.embed(images, Inference(), side_of(run, 6)).shape == (6, 24)
    assert run.method.distance(run, Inference()) is None


def test_what_matters_at_test_alone_is_no_part_of_a_run() -> None:
    other = small_run(name="pven", part_weight=0, root="plain")
    assert run_key(RUN, "d", "s") == run_key(other, "d", "s")
    assert inference_key(RUN) != inference_key(other)
    assert run_key(RUN, "d", "s") != run_key(small_run(name="pven", regions="random"), "d", "s")


@pytest.mark.parametrize("losses_off", ["views", "others"])
def test_the_local_triplet_reaches_the_trunk_and_not_the_global_head(losses_off: str) -> None:
    network, losses = made(RUN)
    network.train()
    output = network(seen())
    parts = losses.parts(output, targets(batch()[1]))
    chosen = [name for name in parts if (name == "views") != (losses_off == "views")]
    sum(parts[name][1]() for name in chosen).backward()
    reached = {name.split(".")[0] for name, one in network.named_parameters() if one.grad is not None}
    assert "trunk" in reached and "mining" in reached
    assert ("view_neck" in reached) == (losses_off != "views")
    assert (network.head.classifier.weight.grad is not None) == (losses_off == "views")


def test_what_no_mask_covers_changes_no_view() -> None:
    network, _ = made(RUN)
    network.eval()
    given = seen()
    maps = torch.randn(6, 24, 4, 4, generator=torch.Generator().manual_seed(2))
    cells = F.avg_pool2d(given.side.masks, 8).amax(1, keepdim=True)
    before = pool(maps, to_map(given.side.masks, 4, 4))[0]
    after = pool(torch.where(cells > 0, maps, 9.0), to_map(given.side.masks, 4, 4))[0]
    assert torch.equal(before, after)


def test_random_masks_differ_from_given_ones_in_the_masks_alone() -> None:
    run = small_run(name="pven", regions="random")
    network, _ = made(RUN)
    control, _ = made(run)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), control.state_dict().values(), strict=True)
    )
    given = seen()
    still = Seen(given.images, given.labels, given.side, {"places": torch.zeros(6, 4, 2)})
    a, b = network.train()(given), control.train()(still)
    assert torch.equal(a.extras["views"], b.extras["views"])
    chance = control.chance(6, torch.Generator().manual_seed(1))
    c = control(Seen(given.images, given.labels, given.side, chance))
    torch.testing.assert_close(c.extras["counts"], b.extras["counts"])
    assert not torch.equal(c.extras["views"], b.extras["views"])
    assert not run.method.repeatable(run) and RUN.method.repeatable(RUN)


def test_a_mirrored_image_with_mirrored_masks_is_averaged() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    side = side_of(RUN, 6)
    turned = Side(side.columns, masks=side.masks.flip(-1))
    both = [network.embed(one, Inference(), given) for one, given in ((images, side), (images.flip(3), turned))]
    torch.testing.assert_close(network.embed(images, Inference(flip=True), side), sum(both) / 2)


def test_the_parts_can_be_looked_at() -> None:
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    pictures = network.look(images, side_of(RUN, 6)).pictures
    assert list(pictures) == ["part: front", "part: back", "part: side", "part: roof"]
    assert all(one.shape == (6, 32, 32) for one in pictures.values())


@pytest.mark.parametrize("root", ["sqrt", "plain"])
def test_the_local_loss_has_a_margin_and_a_root_of_its_own(root: str) -> None:
    run = small_run(name="pven", margin=0.8, root_in_training=root)
    network, losses = made(run)
    output, labels = network.train()(seen(run)), batch()[1]
    found = losses(output, targets(labels))
    views, counts = output.extras["views"], output.extras["counts"]
    wanted = visible_part_triplet(views.detach(), counts.detach(), labels.tolist(), 0.8, root == "sqrt")
    assert float(found["views"]) == pytest.approx(wanted, rel=1e-4)
    other = visible_part_triplet(views.detach(), counts.detach(), labels.tolist(), 0.8, root != "sqrt")
    assert abs(other - wanted) > 1e-3
