"""The whole network: shapes, what is trained, what is frozen, what a stage sees."""

from __future__ import annotations

import pytest
import torch
from building import build_network, total_loss

from svrn.config.parameters import Backbone, Head, Inference, Losses, Model, Optimisation, Salience, Stages, Unified
from svrn.errors import UserError
from svrn.methods.svrn.network import Network
from svrn.parts.output import Seen
from svrn.training.groups import parameter_groups

IDENTITIES = 5


def small(**changes: object) -> Model:
    defaults: dict[str, object] = {
        "backbone": Backbone(name="small_cnn", weights="random"),
        "head": Head(reduction=24),
        "salience": Salience(grid=4),
    }
    return Model(**{**defaults, **changes})


def batch(number: int = 6, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(number, 3, size, size, generator=generator), torch.arange(number) % IDENTITIES // 2


def network(**changes: object) -> Network:
    torch.manual_seed(3)
    return build_network(small(**changes), IDENTITIES)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shapes_of_every_stage(count: int) -> None:
    images, labels = batch()
    output = network(stages=Stages(count=count)).train()(Seen(images, labels, maps=True))
    assert len(output.branches) == count
    for number, stage in enumerate(output.branches, 1):
        assert stage.feature.shape == stage.normed.shape == (6, 24)
        assert stage.logits.shape == (6, IDENTITIES)
        assert stage.unified is not None and stage.unified.shape == (6, 24)
        assert stage.map is not None and stage.map.shape == (6, 64, 4, 4)
        last = number == count
        for part in (stage.scores, stage.reward_target, stage.mask):
            assert part is None if last else part is not None and part.shape == (6, 4, 4)


def test_every_parameter_learns() -> None:
    images, labels = batch()
    net = network().train()
    total_loss(net(Seen(images, labels)), labels, Losses()).total.backward()
    still = [name for name, one in net.named_parameters() if one.grad is None or not one.grad.isfinite().all()]
    assert still == []


def test_frozen_blocks_keep_weights_and_statistics() -> None:
    net = network(backbone=Backbone(name="small_cnn", weights="random", frozen_blocks=3))
    images, labels = batch()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    optimiser = torch.optim.SGD(parameter_groups(net, Optimisation(lr=0.1)))
    total_loss(net(Seen(images, labels)), labels, Losses()).total.backward()
    optimiser.step()
    frozen = ("trunk.0", "trunk.1", "trunk.2", "copies.stage2_block3")
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if name.startswith(frozen)}
    for part in ("trunk.3", "copies.stage2_block4", "copies.stage3_block4", "heads.0", "rankings.0", "unified"):
        assert any(name.startswith(part) for name in changed), part


def test_groups_hold_every_trained_parameter_once() -> None:
    net = network(backbone=Backbone(name="small_cnn", weights="random", frozen_blocks=2))
    groups = parameter_groups(net, Optimisation(lr=0.5, head_lr_factor=2.0))
    assert [(group["name"], group["lr"]) for group in groups] == [("backbone", 0.5), ("new", 1.0)]
    held = [id(one) for group in groups for one in group["params"]]
    assert sorted(held) == sorted(id(one) for one in net.parameters() if one.requires_grad)
    new = {id(one) for one in groups[1]["params"]}
    assert new == {id(one) for name, one in net.named_parameters() if not name.startswith(("trunk", "copies"))}


def test_copies_start_as_the_pretrained_block_and_are_their_own() -> None:
    net = network()
    trunk, copied = net.trunk[3].state_dict(), net.copies["stage2_block4"].state_dict()
    assert all(torch.equal(trunk[name], copied[name]) for name in trunk)
    assert not {one.data_ptr() for one in net.trunk[3].parameters()} & {
        one.data_ptr() for one in net.copies["stage2_block4"].parameters()
    }


def test_shared_weights_add_no_blocks() -> None:
    net = network(stages=Stages(share_weights=True))
    assert len(net.copies) == 0
    images, labels = batch()
    total_loss(net.train()(Seen(images, labels)), labels, Losses()).total.backward()


@pytest.mark.parametrize(
    ("inference", "length"),
    [
        (Inference(), 24),
        (Inference(fusion="concat"), 72),
        (Inference(space="F", after_bn=True, normalise=True, flip=True), 24),
    ],
)
def test_embedding(inference: Inference, length: int) -> None:
    net = network().eval()
    images, _ = batch()
    embedding = net.embed(images, inference)
    assert embedding.shape == (6, length)
    assert embedding.dtype == torch.float32 and not embedding.requires_grad
    torch.testing.assert_close(net.embed(images[2:3], inference), embedding[2:3], rtol=1e-4, atol=1e-5)


def test_flipped_images_embed_alike_when_flip_is_on() -> None:
    net = network().eval()
    images, _ = batch()
    both = Inference(flip=True)
    torch.testing.assert_close(net.embed(images, both), net.embed(images.flip(3), both))
    one, other = net.embed(images, Inference()), net.embed(images.flip(3), Inference())
    assert not torch.allclose(one, other)
    torch.testing.assert_close(net.embed(images, both), (one + other) / 2)


def test_refusals() -> None:
    with pytest.raises(UserError, match="at least one identity"):
        build_network(small(), 0)
    with pytest.raises(UserError, match="unknown backbone 'resnet51'"):
        build_network(small(backbone=Backbone(name="resnet51")), 3)
    with pytest.raises(UserError, match="has no ImageNet weights"):
        build_network(small(backbone=Backbone(name="small_cnn")), 3)
    with pytest.raises(UserError, match="suppress all 4 cells"):
        build_network(small(salience=Salience(grid=2, alphas=(0.5, 0.5))), 3)
    images, labels = batch()
    with pytest.raises(UserError, match="does not fit a 4x4 feature map"):
        network(salience=Salience(grid=8))(Seen(images, labels))
    with pytest.raises(UserError, match="two images"):
        network().train()(Seen(images[:1], labels[:1]))
    with pytest.raises(UserError, match="evaluation mode"):
        network().train().embed(images, Inference())
    with pytest.raises(UserError, match="no unified layer"):
        network(unified=Unified(enabled=False)).eval().embed(images, Inference(space="G"))


def test_masks_switched_off_at_inference_leave_the_bare_cascade() -> None:
    net, images = network(), batch()[0]
    bare = network(salience=Salience(grid=4, scores="none"))
    bare.load_state_dict({name: value for name, value in net.state_dict().items() if not name.startswith("rankings")})
    off = Inference(masks=False)
    assert torch.equal(net.eval().embed(images, off), bare.eval().embed(images, off))
    assert not torch.allclose(net.embed(images, Inference()), net.embed(images, off))


def test_random_masks_at_inference_repeat_themselves() -> None:
    net, images = network(salience=Salience(grid=4, scores="random")).eval(), batch()[0]
    assert torch.equal(net.embed(images, Inference()), net.embed(images, Inference()))
    assert not torch.allclose(net.embed(images, Inference()), net.embed(images, Inference(masks=False)))


def test_fusions_of_the_stages() -> None:
    net, images = network().eval(), batch()[0]
    with torch.no_grad():
        stages = net(Seen(images)).branches
    unified = [stage.unified for stage in stages if stage.unified is not None]
    plain = [stage.feature for stage in stages]
    unit = [one / one.norm(dim=1, keepdim=True) for one in plain]
    wanted = {
        Inference(): sum(unified),
        Inference(space="F"): sum(plain),
        Inference(space="F", after_bn=True): sum(stage.normed for stage in stages),
        Inference(space="F", normalise=True, fusion="concat"): torch.cat(unit, 1),
    }
    for inference, expected in wanted.items():
        torch.testing.assert_close(net.embed(images, inference), expected)


def test_random_masks_are_each_stages_own() -> None:
    net, (images, labels) = (
        network(salience=Salience(grid=4, scores="random", alphas=(0.25, 0.5), cumulative=False)),
        batch(),
    )
    chance = net.chance(6, torch.Generator().manual_seed(1))
    assert chance["masks"].shape == (6, 2, 4, 4)
    stages = net.train()(Seen(images, labels, chance=chance)).branches
    for stage, hidden in ((0, 4), (1, 8)):
        for image in range(6):
            drawn = chance["masks"][image, stage].flatten()
            wanted = torch.ones(16)
            wanted[drawn.argsort(descending=True)[:hidden]] = 0
            assert torch.equal(stages[stage].mask[image].flatten(), wanted)  # type: ignore[index]
    assert stages[2].mask is None
