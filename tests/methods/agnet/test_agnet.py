"""AGNet-ASL: the mask written out, where losses reach, and both spreads of the smoothing by loops."""

from __future__ import annotations

import loss_twins as twins
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_batches import configured, small_batch, small_losses, small_network, without_gradient
from torch import Tensor
from vehicles_with_attributes import TABLE, WITH_ATTRIBUTES

from svrn.config.identity import run_key
from svrn.config.parameters import Inference
from svrn.methods.agnet.losses import smoothed_targets
from svrn.parts.output import Seen, Targets


def spread_out(label: int, table: list[list[int]], smoothing: float, spread: str) -> list[float]:
    """q of one image, vehicle by vehicle."""
    others = [
        vehicle
        for vehicle, values in enumerate(table)
        if vehicle != label and -1 not in [*values, *table[label]] and (values == table[label]) == (spread == "same")
    ]
    q = [0.0] * len(table)
    for vehicle in others or range(len(table)):
        q[vehicle] += smoothing / len(others or table)
    q[label] += 1 - smoothing
    return q


@given(st.integers(0, 10_000), st.sampled_from(["same", "other"]))
def test_smoothing_by_attributes_written_out(seed: int, spread: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(-1, 2, (6, 2), generator=generator)
    labels = torch.randint(0, 6, (5,), generator=generator)
    found = smoothed_targets(labels, table, 0.1, spread)
    expected = torch.tensor([spread_out(label, table.tolist(), 0.1, spread) for label in labels.tolist()])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(5))


def test_the_same_attributes_share_the_smoothing_and_the_rest_smooths_as_usual() -> None:
    targets = smoothed_targets(torch.tensor([0, 1, 3]), TABLE, 0.1, "same")
    torch.testing.assert_close(targets[0], torch.tensor([0.9, 0.0, 0.1, 0.0, 0.0]))  # vehicle 2 has the same
    torch.testing.assert_close(targets[1], torch.tensor([0.02, 0.92, 0.02, 0.02, 0.02]))  # none has
    torch.testing.assert_close(targets[2], torch.tensor([0.02, 0.02, 0.02, 0.92, 0.02]))  # its type is not known


@pytest.mark.parametrize("spread", ["same", "other", "uniform"])
def test_losses_written_out(spread: str) -> None:
    net = small_network("agnet", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch()
    output = net(Seen(images, labels))
    parts = small_losses("agnet", WITH_ATTRIBUTES, spread=spread)(output, Targets(labels))
    branch = output.branches[0]
    if spread == "uniform":
        expected = twins.identity([branch.logits], labels.tolist(), 0.1)
    else:
        q = torch.tensor([spread_out(label, TABLE.tolist(), 0.1, spread) for label in labels.tolist()])
        expected = -(q * branch.logits.log_softmax(1)).sum() / len(labels)
    torch.testing.assert_close(parts["identity"], expected)
    told = [output.extras[f"attribute:{name}"] for name in ("colour", "type")]
    torch.testing.assert_close(
        parts["attributes"],
        sum(twins.identity([one], TABLE[labels, n].tolist(), 0.0) for n, one in enumerate(told)),
    )
    parts.total.backward()
    assert without_gradient(net) == []


def network_and_loss(part: str) -> tuple[torch.nn.Module, Tensor]:
    net = small_network("agnet", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch()
    return net, small_losses("agnet", WITH_ATTRIBUTES)(net(Seen(images, labels)), Targets(labels))[part]


def test_the_identity_reaches_the_attributes_branch_through_the_mask() -> None:
    net, loss = network_and_loss("identity")
    loss.backward()
    assert {name.split(".")[0] for name in without_gradient(net)} == {"attributes"}
    assert net.copies["attributes_block4"][0].weight.grad.abs().max() > 0


def test_attributes_do_not_reach_the_identity_branch() -> None:
    net, loss = network_and_loss("attributes")
    loss.backward()
    own = {name for name, _ in net.named_parameters() if name.startswith(("trunk.3", "mining", "mask", "head"))}
    assert set(without_gradient(net)) == own


def test_the_mask_written_out() -> None:
    net = small_network("agnet", sizes=WITH_ATTRIBUTES).eval()
    images, _ = small_batch()
    with torch.no_grad():
        output = net(Seen(images, maps=True))
        shared = net.run_blocks(images, last=3)
        mask = torch.sigmoid(net.mask(net.copies["attributes_block4"](shared)))
        expected = net.head(net.mining(net.trunk[3](shared)) * (1 + mask))
    assert mask.shape == (6, 64, 4, 4)
    torch.testing.assert_close(output.branches[0].feature, expected.feature)
    torch.testing.assert_close(output.pictures["attribute-guided mask"], mask.mean(1))
    assert output.extras == {}
    torch.testing.assert_close(net.embed(images, Inference()), expected.feature)


def test_overlays_are_four_runs() -> None:
    names = ("agnet", "agnet-other-spread", "agnet-uniform-spread", "agnet-shuffled-attributes")
    assert len({run_key(configured(name), "d", "s") for name in names}) == 4
    assert all(configured(name).method.needs(configured(name)).training for name in names)


def test_attributes_are_needed_while_anything_reads_them() -> None:
    def needs(**own: object) -> bool:
        run = configured("agnet", {"method": own})
        return bool(run.method.needs(run).training)

    assert needs(attribute_weight=0) and needs(smoothing=0)
    assert not needs(attribute_weight=0, spread="uniform") and not needs(attribute_weight=0, smoothing=0)


def test_a_second_smoothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"smooths labels by method.smoothing"):
        configured("agnet", {"training": {"losses": {"identity": {"label_smoothing": 0.1}}}})
