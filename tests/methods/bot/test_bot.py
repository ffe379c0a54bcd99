"""BoT: the baseline's network, and a centre loss beside its losses."""

from __future__ import annotations

import loss_twins as twins
import torch
from small_batches import LENGTH, configured, small_batch, small_losses, small_network, without_gradient

from svrn.parts.output import Seen, Targets


def test_losses_written_out() -> None:
    net = small_network("bot").train()
    images, labels = small_batch(8)
    output = net(Seen(images, labels))
    losses = small_losses("bot", centre_weight=0.25, centre_rate=0.3).train()
    losses.centres.centres.normal_(generator=torch.Generator().manual_seed(1))
    before = losses.centres.centres.clone()
    made = losses(output, Targets(labels))
    branch = output.branches[0]
    pulls = {vehicle: torch.zeros(LENGTH) for vehicle in range(len(before))}
    centre, count = torch.zeros(()), dict.fromkeys(pulls, 0)
    for feature, label in zip(branch.feature, labels.tolist(), strict=True):
        centre = centre + twins.euclidean(feature, before[label]) ** 2 / 2 / len(labels)
        pulls[label] += feature.detach() - before[label]
        count[label] += 1
    expected = {
        "identity": twins.identity([branch.logits], labels.tolist(), 0.0),
        "triplet": twins.triplet(branch.feature.unsqueeze(0), labels.tolist(), 0.3),
        "centre": centre,
    }
    for name, value in expected.items():
        torch.testing.assert_close(made[name], value)
    torch.testing.assert_close(made.total, expected["identity"] + expected["triplet"] + 0.25 * centre)
    moved = torch.stack([before[one] + 0.3 * pulls[one] / (1 + count[one]) for one in pulls])
    torch.testing.assert_close(losses.centres.centres, moved)
    made.total.backward()
    assert without_gradient(net) == []


def test_as_configured_it_has_the_six_tricks_that_are_its_own() -> None:
    run = configured("bot")
    assert run.model.head.bn_neck and run.inference.after_bn
    assert run.training.losses.identity.label_smoothing == 0.1 and run.training.losses.triplet.margin == 0.3
    assert (run.method.centre_weight, run.method.centre_rate) == (0.0005, 0.5)
