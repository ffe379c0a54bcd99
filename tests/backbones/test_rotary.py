"""Transformers with rotary positions (DINOv3, EVA-02) as trunks, against timm's own networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from method_worlds import run_of_method, sizes_of
from safetensors.torch import save_file

from svrn.backbones import Blocks, build_blocks
from svrn.backbones.tokens import build_tokens
from svrn.backbones.transformers import blocks_of
from svrn.config.parameters import Backbone, RunParameters
from svrn.errors import UserError
from svrn.methods.rooms import build_losses
from svrn.methods.rooms import build_network as build_method
from svrn.parts.output import Seen, Targets
from svrn.runs.export import TOLERANCE, export

DINOV3, EVA02 = "vit_small_patch16_dinov3", "eva02_tiny_patch14_224"
#: The same networks, four narrow layers of them.
SMALL: dict[str, Any] = {"embed_dim": 48, "depth": 4, "num_heads": 2, "dynamic_img_size": True}
ALONE: dict[str, Any] = {"class_token": False, "num_reg_tokens": 0, "global_pool": "", "use_fc_norm": False}


def small(name: str, **kind: Any) -> Any:
    torch.manual_seed(3)
    network: Any = timm.create_model(name, **{**SMALL, **kind}).eval()
    with torch.no_grad():
        for layer in network.blocks:
            for name, value in layer.named_parameters():
                if "gamma" in name:
                    value.fill_(1.0)  # as they start, layers would add next to nothing
                if name in ("attn.qkv.weight", "attn.q_proj.weight", "attn.k_proj.weight"):
                    value.mul_(8)  # and attend to all alike
    return network


@pytest.fixture
def shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **more: straight(name, **{**SMALL, **more}))


def run_through(blocks: Blocks, images: torch.Tensor) -> torch.Tensor:
    features = images
    for block in blocks.blocks:
        features = block.eval()(features)
    return features


@torch.no_grad()
@pytest.mark.parametrize(("name", "height", "width"), [(DINOV3, 64, 96), (DINOV3, 96, 96), (EVA02, 224, 224)])
def test_without_tokens_before_the_patches_it_is_timms_network(name: str, height: int, width: int) -> None:
    """At any size; EVA-02's absolute positions timm brings to another grid in its own way, so at theirs."""
    network = small(name, **ALONE)
    images = torch.randn(2, 3, height, width)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    own_mean, own_deviation = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = (images * deviation.view(3, 1, 1) + mean.view(3, 1, 1) - own_mean) / own_deviation
    wanted = network.forward_features(pixels).transpose(1, 2)
    patch = network.patch_embed.proj.stride[0]
    found = run_through(blocks_of(network, name), images)
    torch.testing.assert_close(found, wanted.reshape(2, 48, height // patch, width // patch), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_places_matter_in_every_layer_and_training_draws_none() -> None:
    network = small(DINOV3, **ALONE, rope_shift_coords=0.5)
    blocks = blocks_of(network, DINOV3)
    assert blocks.strides == (16,) * 4 and blocks.channels == (48,) * 4
    features = torch.randn(1, 48, 3, 4)
    turned = features.flip(3)
    for block in blocks.blocks[1:]:
        block.train()
        torch.manual_seed(0)
        one = block(features)
        torch.manual_seed(1)
        assert torch.equal(block(features), one), "no chance of its own"
        assert not torch.allclose(block(turned), one.flip(3), atol=1e-4), "a token's place is seen"
        assert not any("rotary" in name for name, _ in block.named_parameters())
        assert not any("rotary" in name for name in block.state_dict())


@pytest.mark.usefixtures("shrunk")
@pytest.mark.parametrize("name", ["svrn", "cal", "pcb"])
def test_methods_run_on_them_frozen_block_and_all(name: str) -> None:
    run = run_on(name, DINOV3)
    torch.manual_seed(0)
    sizes = sizes_of(run)
    net, losses = build_method(run, sizes).train(), build_losses(run, sizes).train()
    labels = torch.tensor([0, 0, 1, 1])
    chance = net.chance(4, torch.Generator().manual_seed(0))
    output = net(Seen(torch.randn(4, 3, 64, 64), labels, None, chance))
    losses(output, Targets(labels, torch.arange(4))).total.backward()
    assert all(one.grad is None for one in net.trunk[0].parameters())
    assert all(one.grad is not None for one in net.trunk[3].layers[0].parameters() if one.requires_grad)


def run_on(method: str, name: str, **own: Any) -> RunParameters:
    run = run_of_method(method, {"method": own} if own else {})
    backbone = Backbone(name=f"timm:{name}", weights="random", frozen_blocks=1)
    return run.model_copy(update={"model": run.model.model_copy(update={"backbone": backbone})})


@pytest.mark.usefixtures("shrunk")
def test_they_are_exported_for_any_number_of_images(tmp_path: Path) -> None:
    run = run_on("bot", DINOV3)
    folder, sizes = tmp_path / "abc123", sizes_of(run)
    folder.mkdir()
    save_file(dict(build_method(run, sizes).state_dict()), folder / "model.safetensors")
    content = {"parameters": run.model_dump(mode="json"), "identities": sizes.identities}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    assert export(folder, "torch-export", tmp_path / "out.pt2").disagreement <= TOLERANCE


@pytest.mark.usefixtures("shrunk")
def test_weights_of_a_file_are_taken(tmp_path: Path) -> None:
    network = small(DINOV3)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    made = build_blocks(Backbone(name=f"timm:{DINOV3}", weights="file", file=str(tmp_path / "w.safetensors")))
    taken = made.blocks[2].layers[0].attn.proj.weight  # type: ignore[union-attr, index]
    assert torch.equal(taken, network.blocks[2].attn.proj.weight)


@pytest.mark.usefixtures("shrunk")
def test_what_cannot_be_is_one_message() -> None:
    with pytest.raises(UserError, match="rotary positions of its own in each layer"):
        build_blocks(Backbone(name="timm:vit_small_patch16_rope_mixed_224", weights="random"))
    with pytest.raises(UserError, match="turns each token by its place in every layer"):
        build_tokens(Backbone(name=f"timm:{DINOV3}", weights="random"), 64, 48, 2, 2, 16)
    assert Backbone(name=f"timm:{EVA02}").patch() == 14 and Backbone(name=f"timm:{DINOV3}.lvd1689m").patch() == 16
