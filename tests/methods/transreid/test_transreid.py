"""TransReID against a literal reading: jigsaw, side information, drop path, losses, and what its ablations equal."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from building import run_of
from hypothesis import given
from hypothesis import strategies as st
from small_batches import IDENTITIES, configured, small_batch, small_model, small_network, without_gradient
from torch import Tensor

from svrn.backbones.tokens import run_layer
from svrn.config.identity import run_key
from svrn.config.parameters import Backbone, Inference, Losses, Triplet
from svrn.config.side import SideColumns
from svrn.data.side import Side, Vocabulary
from svrn.errors import UserError
from svrn.methods import rooms
from svrn.parts.jigsaw import jigsaw
from svrn.parts.output import Branch, Output, Seen, Sizes, Targets
from svrn.parts.side_tokens import SideVectors

SMALL: dict[str, Any] = {"width": 24, "heads": 3, "layers": 3}
SIZES = Sizes(IDENTITIES, 40, Vocabulary((3, 5, 9)))
CAMERAS = torch.tensor([0, 1, 2, 0, 1, 1])


def network(**own: Any) -> Any:
    return small_network("transreid", None, SIZES, **{**SMALL, **own})


def side_of(cameras: Tensor = CAMERAS, views: Tensor | None = None) -> Side:
    return Side(SideColumns(camera=True, viewpoint=views is not None), camera=cameras, viewpoint=views)


def seen_of(side: Side | None = None, **more: Any) -> Seen:
    images, labels = small_batch()
    return Seen(images, labels, side, **more)


def literal_jigsaw(row: list[int], shift: int, groups: int, runs: int) -> list[list[int]]:
    """Of the numbers of one image's patches, step by step."""
    length = len(row) // runs
    moved = row[shift:] + row[:shift]
    while len(moved) % groups:
        moved.append(row_before_last(row, shift))
    part = len(moved) // groups
    mixed = [moved[group * part + place] for place in range(part) for group in range(groups)]
    return [mixed[run * length : (run + 1) * length] for run in range(runs)]


def row_before_last(row: list[int], shift: int) -> int:
    return (row[shift:] + row[:shift])[-2]


@given(number=st.integers(4, 60), shift=st.integers(0, 4), groups=st.integers(1, 3), runs=st.integers(1, 4))
def test_jigsaw_is_the_originals(number: int, shift: int, groups: int, runs: int) -> None:
    patches = torch.arange(number).float().reshape(1, number, 1)
    found = jigsaw(patches, shift, groups, runs)[0, :, :, 0].int().tolist()
    assert found == literal_jigsaw(list(range(number)), shift, groups, runs)


def test_jigsaw_of_the_authors_own_example() -> None:
    patches = torch.arange(1.0, 9.0).reshape(1, 8, 1)
    assert jigsaw(patches, 2, 2, 1).flatten().tolist() == [3, 7, 4, 8, 5, 1, 6, 2]


def test_no_side_information_equals_scale_0_to_the_digit() -> None:
    one, other = network(side="none").eval(), network(side_scale=0.0).eval()
    with torch.no_grad():
        other.told.vectors.normal_()
    images, _ = small_batch()
    assert torch.equal(one.embed(images, Inference()), other.embed(images, Inference(), side_of()))


def test_without_jigsaw_the_global_token_is_what_it_was() -> None:
    whole, alone = network(side="none").eval(), network(side="none", runs=0).eval()
    images, _ = small_batch()
    joined = whole.embed(images, Inference())
    assert joined.shape == (6, 5 * 24)
    assert torch.equal(joined[:, :24], alone.embed(images, Inference()))


def trained_vectors(viewpoints: bool = False) -> SideVectors:
    """Cameras 0 and 1 trained (with viewpoints 0 and 2, and 2), camera 2 never."""
    vectors = SideVectors(3, viewpoints, 4, 3.0).eval()
    with torch.no_grad():
        for place in ((0, 0), (0, 2), (1, 2)) if viewpoints else ((0, 0), (1, 0)):
            vectors.vectors[place] = torch.tensor([1.0, 2.0, 0.0, -1.0]) * (1 + place[0] + 10 * place[1])
    return vectors


def test_a_camera_never_trained_on_takes_the_mean_of_those_that_were() -> None:
    vectors = trained_vectors()
    found = vectors(side_of(torch.tensor([0, 1, 2, -1])), 4)
    first, second = 3 * vectors.vectors[0, 0], 3 * vectors.vectors[1, 0]
    mean = (first + second) / 2
    torch.testing.assert_close(found, torch.stack([first, second, mean, mean]))
    torch.testing.assert_close(vectors(None, 2), mean.expand(2, -1))


def test_a_pair_never_trained_on_takes_its_cameras_mean_then_its_viewpoints() -> None:
    vectors = trained_vectors(viewpoints=True)
    cameras, views = torch.tensor([0, 0, 0, 2, 2, -1, -1]), torch.tensor([2, 5, -1, 2, 5, 0, -1])
    table = 3 * vectors.vectors
    of_camera, of_view = (table[0, 0] + table[0, 2]) / 2, (table[0, 2] + table[1, 2]) / 2
    everything = (table[0, 0] + table[0, 2] + table[1, 2]) / 3
    wanted = [table[0, 2], of_camera, of_camera, of_view, everything, table[0, 0], everything]
    torch.testing.assert_close(vectors(side_of(cameras, views), 7), torch.stack(wanted))


def test_training_moves_the_vectors_that_it_meets_and_no_other() -> None:
    vectors = SideVectors(3, False, 4, 3.0).train()
    optimiser = torch.optim.Adam(vectors.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        vectors(side_of(torch.tensor([0, 2, -1])), 3).sum().backward()
        optimiser.step()
    assert vectors.trained().flatten().tolist() == [True, False, True]


@pytest.mark.parametrize("side", ["camera", "camera_view"])
def test_side_information_changes_the_embedding(side: str) -> None:
    net = network(side=side).eval()
    with torch.no_grad():
        net.told.vectors.normal_()
    images, _ = small_batch()
    views = torch.tensor([0, 1, 2, 3, 4, 5])
    one = net.embed(images, Inference(), side_of(CAMERAS, views))
    other = net.embed(images, Inference(), side_of(CAMERAS.roll(1), views))
    assert not torch.allclose(one, other)
    turned = net.embed(images, Inference(), side_of(CAMERAS, views.roll(1)))
    assert torch.equal(one, turned) == (side == "camera")


def test_drop_path_is_timms_with_these_paths() -> None:
    layer = network().trunk[3].layers[0]
    tokens = torch.randn(4, 5, 24)
    torch.testing.assert_close(run_layer(layer, tokens, torch.ones(4, 2)), layer(tokens))
    assert torch.equal(run_layer(layer, tokens, torch.zeros(4, 2)), tokens)
    kept = torch.tensor([[1.0, 0.0], [0.0, 1.5], [2.0, 2.0], [0.0, 0.0]])
    found = run_layer(layer, tokens, kept)
    for image in range(4):
        attended = tokens[image : image + 1] + kept[image, 0] * layer.attn(layer.norm1(tokens[image : image + 1]))
        wanted = attended + kept[image, 1] * layer.mlp(layer.norm2(attended))
        torch.testing.assert_close(found[image : image + 1], wanted)


def test_paths_are_drawn_in_training_alone_and_more_of_them_dropped_with_depth() -> None:
    net = network(drop_path=0.4).train()
    kept = net.chance(4000, torch.Generator().manual_seed(1))["kept"]
    assert kept.shape == (4000, 3 + 4, 2)
    assert (kept == 0).float().mean((0, 2)).tolist() == pytest.approx([0.0, 0.2, *[0.4] * 5], abs=0.02)
    assert kept.mean().item() == pytest.approx(1.0, abs=0.02)
    assert dict(net.eval().chance(4)) == {} and dict(network(drop_path=0.0).train().chance(4)) == {}


def literal_triplet(features: Tensor, labels: Tensor) -> float:
    values = []
    for anchor in range(len(labels)):
        distances = [math.dist(features[anchor].tolist(), other.tolist()) for other in features]
        same = [distances[i] for i in range(len(labels)) if labels[i] == labels[anchor] and i != anchor]
        rest = [distances[i] for i in range(len(labels)) if labels[i] != labels[anchor]]
        values.append(math.log1p(math.exp(max(same) - min(rest))))
    return sum(values) / len(values)


def losses_of(output: Output, labels: Tensor, **own: Any) -> Any:
    losses = Losses(triplet=Triplet(weight=0.7))
    made = rooms.build_losses(run_of(small_model(), losses, name="transreid", **SMALL, **own), SIZES)
    return made(output, Targets(labels))


@pytest.mark.parametrize("runs", [0, 4])
def test_losses_are_half_the_global_tokens_and_half_the_mean_of_the_runs(runs: int) -> None:
    torch.manual_seed(1)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    branches = tuple(Branch(torch.randn(6, 8), torch.randn(6, 8), torch.randn(6, 5)) for _ in range(1 + runs))
    made = losses_of(Output(branches), labels, runs=runs)
    triplets = [literal_triplet(one.feature, labels) for one in branches]
    entropies = [
        -sum(float(one.logits.log_softmax(1)[i, labels[i]]) for i in range(6)) / 6  # type: ignore[union-attr]
        for one in branches
    ]
    for name, values in (("triplet", triplets), ("identity", entropies)):
        wanted = values[0] if runs == 0 else 0.5 * values[0] + 0.5 * sum(values[1:]) / runs
        assert made[name].item() == pytest.approx(wanted, rel=1e-5)
    assert made["total"].item() == pytest.approx(made["identity"].item() + 0.7 * made["triplet"].item(), rel=1e-5)


def test_with_a_margin_it_is_everyones_triplet_loss() -> None:
    branch = Branch(torch.randn(6, 8), torch.randn(6, 8), torch.randn(6, 5))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    found = losses_of(Output((branch,)), labels, runs=0, soft_margin=False)
    from svrn.parts.losses.identification import triplet_loss

    assert found["triplet"].item() == pytest.approx(triplet_loss([branch.feature], labels, 0.3).item(), rel=1e-6)


def test_every_part_learns_and_pictures_lie_on_the_patches() -> None:
    net = network(layers=4).train()
    seen = seen_of(side_of(), chance=net.chance(6), maps=True)
    output = net(seen)
    losses_of(output, seen.labels).total.backward()  # type: ignore[arg-type]
    assert without_gradient(net) == []
    (picture,) = output.pictures.values()
    assert picture.shape == (6, 4, 4) and picture.amax((1, 2)).tolist() == pytest.approx([1.0] * 6)


def test_a_transformer_of_timm_carries_it_with_overlapping_patches() -> None:
    model = small_model(backbone=Backbone(name="timm:vit_tiny_patch16_224", weights="random", frozen_blocks=1))
    net = small_network("transreid", model, SIZES, stride=12).train()
    assert net.grid(64, 64) == (5, 5) and [len(block.layers) for block in net.trunk] == [3, 3, 3, 3]
    seen = seen_of(side_of(), chance=net.chance(6))
    losses_of(net(seen), seen.labels).total.backward()  # type: ignore[arg-type]
    assert without_gradient(net) == []
    assert net.told.vectors.grad.abs().sum() > 0, "side information learns through frozen layers"
    assert {id(one) for one in net.backbone_parameters()} >= {id(one) for one in net.local_layer.parameters()}


def test_what_does_not_act_is_no_part_of_a_run() -> None:
    def key(**own: Any) -> str:
        return run_key(run_of(small_model(), name="transreid", **own), "d" * 64)

    assert key(stride=12) == key() and key(layers=5) != key()
    assert key(runs=0, shift=1) == key(runs=0) and key(shift=1) != key()
    assert key(side="none", side_scale=1.0) == key(side="none") and key(side_scale=1.0) != key()


def test_refuses_what_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match="cannot be cut into 9 runs"):
        configured("transreid", {"method": {"runs": 9}, "training": {"input": {"size": 32}}})
    with pytest.raises(ValueError, match="do not divide"):
        configured("transreid", {"method": {"heads": 5}})
    with pytest.raises(UserError, match="do not divide"):
        network(heads=5)
    with pytest.raises(ValueError, match="cannot be cut"):
        jigsaw(torch.zeros(1, 3, 2), 0, 1, 4)


def test_what_stands_in_is_no_vector_that_learns_and_the_camera_comes_before_the_viewpoint() -> None:
    vectors = trained_vectors(viewpoints=True)
    found = vectors(side_of(torch.tensor([1]), torch.tensor([0])), 1)  # a pair that was never met, of two that were
    torch.testing.assert_close(found[0], 3 * vectors.vectors[1, 2])
    vectors.train()
    told = side_of(torch.tensor([-1, 0, 0]), torch.tensor([0, -1, 2]))
    vectors(told, 3).sum().backward()
    learns = vectors.vectors.grad.abs().sum(2).nonzero().tolist()  # type: ignore[union-attr]
    assert learns == [[0, 2]], "the known pair alone"


def literal_tokens(net: Any, tokens: Tensor, paths: Tensor | None) -> list[Tensor]:
    """The global token, then each run's, from the tokens before the last layers."""
    depth, last = len(net.rates), net.trunk[3].layers[-1]
    found = [net.norm(run_layer(last, tokens, None if paths is None else paths[:, depth - 1])[:, 0])]
    order = literal_jigsaw(list(range(tokens.shape[1] - 1)), net.own.shift, net.own.groups, net.own.runs)
    for number, run in enumerate(order):
        seen = torch.cat([tokens[:, :1], tokens[:, [1 + patch for patch in run]]], 1)
        path = None if paths is None else paths[:, depth + number]
        found.append(net.local_norm(run_layer(net.local_layer, seen, path)[:, 0]))
    return found


def test_every_run_sees_the_class_token_and_its_own_patches() -> None:
    net = network(side="none").eval()
    images, labels = small_batch()
    tokens = net.tokens(Seen(images), None)
    wanted = literal_tokens(net, tokens, None)
    branches = net(Seen(images, labels)).branches
    for branch, head, token in zip(branches, net.heads, wanted, strict=True):
        torch.testing.assert_close(branch.feature, token)
        torch.testing.assert_close(branch.logits, head.neck(token) @ head.classifier.weight.T)
    for normalise in (False, True):
        unit = [one / one.norm(dim=1, keepdim=True) if normalise else one for one in wanted]
        joined = torch.cat([unit[0], *[one / 4 for one in unit[1:]]], 1)
        torch.testing.assert_close(net.embed(images, Inference(normalise=normalise)), joined)


def test_each_run_has_paths_of_its_own_in_the_last_layer() -> None:
    net = network(side="none", drop_path=0.5).train()
    images, labels = small_batch()
    chance = net.chance(6, torch.Generator().manual_seed(4))
    kept = chance["kept"]
    assert len({tuple(kept[:, place].flatten().tolist()) for place in range(2, 7)}) == 5
    tokens = net.tokens(Seen(images, labels, chance=chance), kept)
    found = net(Seen(images, labels, chance=chance)).branches
    for branch, token in zip(found, literal_tokens(net, tokens, kept), strict=True):
        torch.testing.assert_close(branch.feature, token)


@pytest.mark.parametrize(("side", "camera", "viewpoint"), [("none", 0, 0), ("camera", 1, 0), ("camera_view", 1, 1)])
def test_needs_what_it_reads(side: str, camera: int, viewpoint: int) -> None:
    run = run_of(small_model(), name="transreid", side=side)
    needs = run.method.needs(run)
    assert needs.training == needs.test == SideColumns(camera=bool(camera), viewpoint=bool(viewpoint))
