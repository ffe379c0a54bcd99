"""Any torchvision or timm network that is a chain of parts, cut where its feature map halves.

A network's children, sequences unfolded, are run one after the other on a probe image; a block ends with the last part
before the map falls below its stride. What the chain gives is compared with what the network itself computes at that
place, so that a network which is more than its chain (skips, branches, functional steps) is refused, not mangled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from svrn.backbones.blocks import Blocks, weights_of_file
from svrn.backbones.depthwise import quick_depthwise
from svrn.backbones.norms import plain_norms
from svrn.backbones.weights import load_checked
from svrn.config.parameters import Backbone
from svrn.errors import UserError

_SIDE = 224  # of the probe image: what transformers with a fixed input size expect
_STRIDES = (4, 8, 16, 32)
_WHERE = "model.backbone.name"


def build(backbone: Backbone) -> Blocks:
    """The four blocks of `timm:NAME` or `torchvision:NAME`.

    Raises:
        UserError: an unknown name, weights that cannot be had, a network that is no chain or lacks one of the strides,
            or whose last stride cannot be taken out.
    """
    library, _, name = backbone.name.partition(":")
    pretrained = backbone.weights == "imagenet"
    network = create_timm(name, pretrained) if library == "timm" else _torchvision(name, pretrained)
    if backbone.weights == "file":
        load_checked(network, weights_of_file(backbone), str(backbone.file))
    return cut(network, backbone.name, backbone.last_stride)


def cut(network: nn.Module, name: str, last_stride: int) -> Blocks:
    """Cut a chain of parts at strides 4, 8, 16 and 32; see `build`."""
    training = network.training
    network.eval()
    with torch.no_grad():
        probe = torch.linspace(-1, 1, 3 * _SIDE * _SIDE).reshape(1, 3, _SIDE, _SIDE)
        parts, maps = _chain(network, probe)
        length = _faithful(network, parts, maps, probe)
        if length < len(parts) and not _reaches_all_strides(maps[:length]):
            raise UserError(
                f"{name} is more than a chain of its parts, so it cannot be cut into blocks",
                where=_WHERE,
                mend="choose a plain convolutional network (ResNet, RegNet, MobileNet, EfficientNet, ConvNeXt)",
            )
        parts, maps = parts[:length], maps[:length]
        blocks = _grouped(parts, maps, name)
        if last_stride == 1:
            _remove_last_stride(blocks, probe, name)
    for block in blocks:
        plain_norms(block)
        quick_depthwise(block)
        block.train(training)
    widths = [maps[_last_of(stride, maps)].shape[1] for stride in _STRIDES]
    return Blocks(
        (blocks[0], blocks[1], blocks[2], blocks[3]),
        (widths[0], widths[1], widths[2], widths[3]),
        (*_STRIDES[:3], 16 * last_stride),
    )


def _last_of(stride: int, maps: list[Tensor]) -> int:
    """The last part of the block that ends at a stride."""
    return max(number for number, one in enumerate(_strides(maps)) if one <= stride)


def create_timm(name: str, pretrained: bool, *, dynamic_img_size: bool = False) -> nn.Module:
    """timm's network `name`. dynamic_img_size: made for images of any size, where it is a transformer that can be.

    Raises:
        UserError: there is none, or its ImageNet weights cannot be had.
    """
    import timm

    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name.split('.')[0]}*")[:5])
        raise UserError(f"timm has no network {name!r}", where=_WHERE, mend=f"names like it: {near or 'none'}")
    try:
        more: dict[str, Any] = {"dynamic_img_size": True} if dynamic_img_size else {}
        network: nn.Module = timm.create_model(name, pretrained=pretrained, **more)
    except Exception as error:  # downloads fail in as many ways as there are transports
        if not pretrained:
            raise
        raise _no_weights(f"timm:{name}", error) from error
    return network


def _torchvision(name: str, pretrained: bool) -> nn.Module:
    from torchvision import models

    if name not in models.list_models(module=models):
        raise UserError(
            f"torchvision has no network {name!r}", where=_WHERE, mend="see torchvision.models.list_models()"
        )
    try:
        return models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise _no_weights(f"torchvision:{name}", error) from error


def _no_weights(name: str, error: Exception) -> UserError:
    return UserError(
        f"cannot get the ImageNet weights of {name}: {error}",
        where="model.backbone.weights",
        mend="name a copy with weights: file, file: PATH and file_digest: its sha256, or use weights: random",
    )


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.Sequential) and type(child).forward is nn.Sequential.forward:
            yield from _parts(child)
        else:
            yield child


def _chain(network: nn.Module, probe: Tensor) -> tuple[list[nn.Module], list[Tensor]]:
    """The parts up to the pooling, and the map after each."""
    parts: list[nn.Module] = []
    maps: list[Tensor] = []
    features = probe
    for part in _parts(network):
        before = features.clone()
        try:
            features = part(features)
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            break
        changed_its_input = bool(parts) and not torch.equal(maps[-1], before)
        if not isinstance(features, Tensor) or features.dim() != 4 or features.shape[-1] < _SIDE // _STRIDES[-1]:
            break
        if changed_its_input:
            maps[-1] = before
        parts.append(part)
        maps.append(features)
    return parts, maps


def _faithful(network: nn.Module, parts: list[nn.Module], maps: list[Tensor], probe: Tensor) -> int:
    """How many of the parts, from the first on, give in the network itself what they give in the chain."""
    seen: dict[int, Tensor] = {}

    def watch(number: int) -> Callable[..., None]:
        return lambda module, inputs, output: seen.__setitem__(number, output.clone())

    handles = [part.register_forward_hook(watch(number)) for number, part in enumerate(parts)]
    try:
        network(probe)
    finally:
        for handle in handles:
            handle.remove()
    for number, expected in enumerate(maps):
        found = seen.get(number)
        if found is None or found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
            return number
    return len(parts)


def _strides(maps: list[Tensor]) -> list[int]:
    return [round(_SIDE / one.shape[-1]) for one in maps]


def _reaches_all_strides(maps: list[Tensor]) -> bool:
    return set(_STRIDES) <= set(_strides(maps))


def _grouped(parts: list[nn.Module], maps: list[Tensor], name: str) -> list[nn.Sequential]:
    strides = _strides(maps)
    lacking = [stride for stride in _STRIDES if stride not in strides]
    if lacking or any(_SIDE % one.shape[-1] or one.shape[-1] != one.shape[-2] for one in maps):
        raise UserError(
            f"{name} lacks maps at strides {lacking or 'that divide the input'}; it has {sorted(set(strides))}",
            where=_WHERE,
            mend="choose a network whose maps shrink by 4, 8, 16 and 32",
        )
    blocks: list[nn.Sequential] = []
    for lower, upper in zip((0, *_STRIDES), _STRIDES, strict=False):
        inside = [part for part, stride in zip(parts, strides, strict=True) if lower < stride <= upper]
        blocks.append(nn.Sequential(*inside))
    return blocks


def _remove_last_stride(blocks: list[nn.Sequential], probe: Tensor, name: str) -> None:
    for module in blocks[3].modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.stride = (1, 1)
    features = nn.Sequential(*blocks[:3])(probe)
    try:
        sides = [tuple(blocks[3](features).shape[-2:])]
    except RuntimeError:  # a skip and its branch no longer agree in size
        sides = []
    if sides != [tuple(features.shape[-2:])]:
        raise UserError(
            f"the last stride of {name} cannot be taken out",
            where="model.backbone.last_stride",
            mend="set model.backbone.last_stride to 2",
        )
