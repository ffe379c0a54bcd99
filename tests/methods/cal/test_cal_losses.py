"""CAL's losses against loops, and what they teach."""

from __future__ import annotations

import loss_twins as twins
import torch
from small_batches import small_batch, small_losses, small_network, without_gradient

from svrn.config.parameters import Identity, Losses
from svrn.parts.output import Seen, Targets


def test_the_effect_loss_is_the_cross_entropy_of_the_effect() -> None:
    net, losses = (
        small_network("cal").train(),
        small_losses("cal", losses=Losses(identity=Identity(label_smoothing=0.1))),
    )
    images, labels = small_batch()
    output = net(Seen(images, labels))
    parts = losses(output, Targets(labels))
    branch = output.branches[0]
    expected = {
        "identity": twins.identity([branch.logits], labels.tolist(), 0.1),
        "triplet": twins.triplet(branch.feature.unsqueeze(0), labels.tolist(), 0.3),
        "effect": twins.identity([output.extras["effect"]], labels.tolist(), 0.1),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    torch.testing.assert_close(parts.total, sum(expected.values()))
    parts.total.backward()
    assert without_gradient(net) == []


def test_the_effect_loss_alone_teaches_the_maps() -> None:
    net, losses = small_network("cal").train(), small_losses("cal")
    images, labels = small_batch()
    losses(net(Seen(images, labels)), Targets(labels))["effect"].backward()
    assert float(net.attention[0].weight.grad.abs().max()) > 0


def test_without_the_effect_loss_the_losses_are_the_shared_ones() -> None:
    images, labels = small_batch()
    with_effect = small_network("cal").train()(Seen(images, labels))
    without = small_network("cal", effect_weight=0).train()(Seen(images, labels))
    one = small_losses("cal")(with_effect, Targets(labels))
    other = small_losses("cal", effect_weight=0)(without, Targets(labels))
    assert float(other["effect"]) == 0
    assert torch.equal(one["identity"], other["identity"]) and torch.equal(one["triplet"], other["triplet"])
    assert torch.equal(other.total, other["identity"] + other["triplet"])


def test_in_evaluation_the_effect_is_nothing() -> None:
    images, labels = small_batch()
    parts = small_losses("cal").eval()(small_network("cal").eval()(Seen(images, labels)), Targets(labels))
    assert parts["effect"].item() == 0
