"""timm's fused normalisation and activation taken apart, so that code looking for batch norms finds plain ones."""

from __future__ import annotations

from torch import nn


def plain_norms(module: nn.Module) -> None:
    """Replace every timm BatchNormAct2d inside `module` by nn.BatchNorm2d and its activation, sharing the tensors.

    Code that swaps batch normalisations (synchronised statistics, for one) would otherwise drop the activation.
    """
    from timm.layers import BatchNormAct2d

    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BatchNormAct2d):
                setattr(parent, name, nn.Sequential(_plain(child), child.drop, _kept(child.act)))


def _kept(activation: nn.Module) -> nn.Module:
    """ReLU6 needs its input for its gradient: in place, that input is copied first, which costs more than it saves."""
    if isinstance(activation, nn.ReLU6):
        activation.inplace = False
    return activation


def _plain(fused: nn.BatchNorm2d) -> nn.BatchNorm2d:
    plain = nn.BatchNorm2d(fused.num_features, fused.eps, fused.momentum, fused.affine, fused.track_running_stats)
    plain.weight, plain.bias = fused.weight, fused.bias
    plain.running_mean, plain.running_var = fused.running_mean, fused.running_var
    plain.num_batches_tracked = fused.num_batches_tracked
    return plain.train(fused.training)
