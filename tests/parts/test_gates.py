"""Gates and the mixing of channels."""

from __future__ import annotations

import torch

from svrn.parts.gates import ChannelMixing, DenseGate


def test_a_new_gate_changes_nothing_and_learns() -> None:
    torch.manual_seed(1)
    gate, features = DenseGate(5), torch.randn(2, 5, 4, 4)
    assert torch.equal(gate(features), features)
    gate(features).square().sum().backward()
    assert gate.second.weight.grad.abs().max() > 0
    with torch.no_grad():
        gate.second.weight.normal_()
        inner = torch.nn.functional.conv2d(features, gate.first.weight, padding=1)
        inner = torch.where(inner > 0, inner, 0.01 * inner)
        expected = features * 2 / (1 + torch.exp(-torch.nn.functional.conv2d(inner, gate.second.weight, padding=1)))
        torch.testing.assert_close(gate(features), expected)


def test_channels_are_mixed_by_the_attention_of_the_first() -> None:
    torch.manual_seed(2)
    mixing, one, other = ChannelMixing(32), torch.randn(2, 32, 3, 3), torch.randn(2, 32, 3, 3)
    assert mixing.down.out_features == 2 and ChannelMixing(8).down.out_features == 1
    with torch.no_grad():
        mixed = mixing(one, other)
        for b in range(2):
            means, most = one[b].mean((1, 2)), one[b].flatten(1).max(1).values
            small = [mixing.up.weight @ torch.relu(mixing.down.weight @ vector) for vector in (means, most)]
            m = torch.sigmoid(small[0] + small[1])
            for c in range(32):
                torch.testing.assert_close(mixed[b, c], m[c] * one[b, c] + (1 - m[c]) * other[b, c])
