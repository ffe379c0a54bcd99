"""Plain vision transformers as trunks: tokens as maps, positions, weights, refusals, and methods that run on one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import model_twins as twins
import pytest
import timm
import torch
import yaml
from building import build_network, total_loss
from method_worlds import run_of_method, sizes_of, some_side
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import nn
from torch.nn import functional as F

from svrn.backbones import Blocks, build_blocks
from svrn.backbones.transformers import resampled
from svrn.config.parameters import Backbone, Head, Losses, Model, RunParameters, Salience, Stages
from svrn.errors import UserError
from svrn.methods.rooms import build_losses
from svrn.methods.rooms import build_network as build_method
from svrn.methods.svrn import critic
from svrn.parts.output import Seen, Targets
from svrn.runs.export import TOLERANCE, export

NAME = "vit_tiny_patch16_224"
TINY = Backbone(name=f"timm:{NAME}", weights="random", frozen_blocks=1)


def run_through(blocks: Blocks, images: torch.Tensor) -> torch.Tensor:
    features = images
    for block in blocks.blocks:
        features = block.eval()(features)
    return features


def saved(folder: Path, name: str = NAME, **kind: Any) -> tuple[nn.Module, Path]:
    torch.manual_seed(5)
    network = timm.create_model(name, num_classes=3, **kind).eval()
    with torch.no_grad():
        network.pos_embed.normal_()
    save_file(network.state_dict(), folder / "vit.safetensors")
    return network, folder / "vit.safetensors"


def test_four_blocks_of_tokens_at_one_stride() -> None:
    blocks = build_blocks(TINY)
    assert (blocks.channels, blocks.strides) == ((192,) * 4, (16,) * 4)
    features = torch.randn(2, 3, 64, 96)
    for block in blocks.blocks:
        features = block(features)
        assert features.shape == (2, 192, 4, 6)
    assert [len(block.layers) for block in blocks.blocks] == [3, 3, 3, 3]  # type: ignore[arg-type]


@torch.no_grad()
def test_without_a_class_token_it_is_timms_network(tmp_path: Path) -> None:
    kind = {"class_token": False, "global_pool": "avg", "fc_norm": False}
    network, file = saved(tmp_path, **kind)
    state = {**network.state_dict(), "cls_token": torch.zeros(1, 1, 192)}
    state["pos_embed"] = torch.cat([torch.zeros(1, 1, 192), state["pos_embed"]], 1)
    save_file(state, file)
    blocks = build_blocks(Backbone(name=TINY.name, weights="file", file=str(file)))
    images = torch.randn(2, 3, 224, 224)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = (images * deviation.view(3, 1, 1) + mean.view(3, 1, 1) - 0.5) / 0.5  # what this network's weights read
    wanted = network.forward_features(pixels).transpose(1, 2).reshape(2, 192, 14, 14)
    torch.testing.assert_close(run_through(blocks, images), wanted, rtol=1e-4, atol=1e-4)


def test_positions_follow_the_map_as_a_bilinear_picture_would() -> None:
    positions = torch.randn(1, 16, 5)
    picture = positions.transpose(1, 2).reshape(1, 5, 4, 4)
    wanted = F.interpolate(picture, size=(6, 3), mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)
    torch.testing.assert_close(resampled(positions, 4, (6, 3)), wanted)
    assert resampled(positions, 4, (4, 4)) is positions


def test_weights_trained_at_another_size_bring_their_positions(tmp_path: Path) -> None:
    network, file = saved(tmp_path, img_size=64)
    blocks = build_blocks(Backbone(name=TINY.name, weights="file", file=str(file)))
    embed = blocks.blocks[0].embed
    old = network.pos_embed.detach()
    torch.testing.assert_close(embed.positions.detach(), resampled(old[:, 1:], 4, (14, 14)))  # type: ignore[union-attr]
    timms = resample_abs_pos_embed(old, [14, 14], [4, 4], interpolation="bilinear", antialias=False)
    torch.testing.assert_close(embed.positions.detach(), timms[:, 1:])  # type: ignore[union-attr]


def test_weights_of_another_patch_size_are_one_message(tmp_path: Path) -> None:
    _, file = saved(tmp_path, "vit_small_patch32_224")
    with pytest.raises(UserError) as caught:
        build_blocks(Backbone(name="timm:vit_small_patch16_224", weights="file", file=str(file)))
    assert caught.value.what == (
        "these weights read patches of 32 x 32 pixels, timm:vit_small_patch16_224 those of 16 x 16"
    )
    assert "timm:vit_small_patch32_224" in str(caught.value.mend) and caught.value.where == str(file)


def test_other_transformers_are_refused() -> None:
    with pytest.raises(UserError, match="no plain vision transformer"):
        build_blocks(Backbone(name="timm:vit_relpos_small_patch16_224", weights="random"))


def test_the_map_has_the_patches_and_the_input_must_fit_them() -> None:
    def run(size: int, **backbone: Any) -> RunParameters:
        made = {"name": "timm:vit_small_patch14_reg4_dinov2.lvd142m", "weights": "random", **backbone}
        return RunParameters.model_validate(
            {"model": {"backbone": made, "salience": {"grid": 4}}, "training": {"input": {"size": size}}}
        )

    assert run(126).map_side() == 9
    assert run(128, name="timm:deit3_small_patch16_224").map_side() == 8
    with pytest.raises(ValueError, match="not a multiple of the backbone's patches, 14: 126 is near"):
        run(128)
    with pytest.raises(ValueError, match="last_stride must be 1"):
        run(126, last_stride=2)
    assert (
        Backbone(name="timm:resnet18").patch() is None and Backbone(name="timm:vit_tiny_r_s16_p8_224").patch() is None
    )


def model_of(**changes: Any) -> Model:
    return Model(backbone=TINY, head=Head(reduction=16), salience=Salience(grid=4, alphas=(0.25, 0.25)), **changes)


def test_masks_fall_on_tokens() -> None:
    torch.manual_seed(0)
    net = build_network(model_of(stages=Stages(count=3)), 5).eval()
    seen: list[torch.Tensor] = []
    block = net.copies["stage2_block3"] if "stage2_block3" in net.copies else next(iter(net.copies.values()))
    block.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        output = net(Seen(torch.randn(2, 3, 64, 64)))
    mask = output.branches[0].mask
    assert mask is not None and int((mask == 0).sum()) == 2 * 4
    (features,) = seen
    hidden = (features == 0).all(1)
    assert torch.equal(hidden, mask == 0)


@pytest.mark.parametrize("training", [False, True])
def test_the_grid_critic_is_exact_on_tokens(training: bool) -> None:
    torch.manual_seed(0)
    net = build_network(model_of(stages=Stages(count=2)), 5).train(training)
    head = net.heads[0]
    nn.init.normal_(head.classifier.weight, std=0.3)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    with torch.no_grad():
        features = net.run_blocks(torch.randn(6, 3, 64, 64))
        expected = twins.masked_losses(head, features, labels, 4)
        found = critic.masked_losses(head, head(features), labels, 4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_svrn_learns_on_a_transformer_and_leaves_its_frozen_block() -> None:
    torch.manual_seed(0)
    net = build_network(model_of(stages=Stages(count=3)), 2).train()
    labels = torch.tensor([0, 0, 1, 1])
    total_loss(net(Seen(torch.randn(4, 3, 64, 64), labels)), labels, Losses()).total.backward()
    lacking = [n for n, one in net.named_parameters() if one.requires_grad and one.grad is None]
    assert lacking == []
    assert all(not one.requires_grad for one in net.trunk[0].parameters())


@pytest.mark.parametrize(
    ("name", "own", "backbone"),
    [
        ("svrn", {}, TINY),
        ("transreid", {"side": "none"}, TINY),
        ("transreid", {"side": "none"}, Backbone(name="small_cnn", weights="random")),
    ],
)
def test_transformers_are_exported_for_any_number_of_images(
    name: str, own: dict[str, Any], backbone: Backbone, tmp_path: Path
) -> None:
    run = run_of_method(name, {"method": own} if own else {})
    run = run.model_copy(update={"model": run.model.model_copy(update={"backbone": backbone})})
    folder, sizes = tmp_path / "abc123", sizes_of(run)
    folder.mkdir()
    save_file(dict(build_method(run, sizes).state_dict()), folder / "model.safetensors")
    content = {"parameters": run.model_dump(mode="json"), "identities": sizes.identities}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    assert export(folder, "torch-export", tmp_path / "out.pt2").disagreement <= TOLERANCE


@pytest.mark.parametrize("name", ["bot", "cal", "gfb", "pcb", "pven", "san", "scsn", "transreid"])
def test_methods_run_on_a_transformer(name: str) -> None:
    run = run_of_method(name)
    run = run.model_copy(update={"model": run.model.model_copy(update={"backbone": TINY})})
    torch.manual_seed(0)
    sizes, needs = sizes_of(run), run.method.needs(run)
    net, losses = build_method(run, sizes).train(), build_losses(run, sizes).train()
    labels = torch.tensor([0, 0, 1, 1])
    side = some_side(needs.training, 4) if needs.training else None
    seen = Seen(torch.randn(4, 3, 64, 64), labels, side, net.chance(4, torch.Generator().manual_seed(0)))
    made = losses(net(seen), Targets(labels, torch.arange(4), side))
    made.total.backward()
    assert bool(made.total.isfinite())
    assert any(one.grad is not None for one in net.trunk[3].parameters())
    at_test = some_side(needs.test, 2) if needs.test else None
    net.eval()
    whole = net.embed(seen.images[:2], run.inference, at_test)
    net.fold(seen.images)
    torch.testing.assert_close(net.embed(seen.images[:2], run.inference, at_test), whole, rtol=1e-3, atol=1e-4)
