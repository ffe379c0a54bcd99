"""DJDL: the baseline with two more losses, each of which can be taken away."""

from __future__ import annotations

import loss_twins as twins
import pytest
import torch
from building import build_network
from small_batches import (
    IDENTITIES,
    configured,
    small_batch,
    small_losses,
    small_model,
    small_network,
    without_gradient,
)
from vehicles_with_attributes import TABLE, WITH_ATTRIBUTES

from svrn.config.identity import run_key
from svrn.config.parameters import Inference, Stages, Unified
from svrn.config.side import SideColumns
from svrn.parts.losses.contrastive import contrastive_loss
from svrn.parts.output import Seen, Targets


def test_losses_written_out() -> None:
    net = small_network("djdl", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch(8)
    output = net(Seen(images, labels))
    parts = small_losses("djdl", WITH_ATTRIBUTES)(output, Targets(labels))
    branch = output.branches[0]
    colour, kind = output.extras["attribute:colour"], output.extras["attribute:type"]
    known = [i for i, label in enumerate(labels.tolist()) if TABLE[label, 1] >= 0]
    expected = {
        "identity": twins.identity([branch.logits], labels.tolist(), 0.0),
        "triplet": twins.triplet(branch.feature.unsqueeze(0), labels.tolist(), 0.3),
        "attributes": twins.identity([colour], TABLE[labels, 0].tolist(), 0.0)
        + twins.identity([kind[known]], TABLE[labels[known], 1].tolist(), 0.0),
        "contrastive": contrastive_loss(branch.feature, labels, 1.0),
    }
    assert len(known) == 6
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    parts.total.backward()
    assert without_gradient(net) == []
    weighed = small_losses(
        "djdl", WITH_ATTRIBUTES, attribute_weight=0.3, contrastive_weight=0.7, contrastive_margin=1.5
    )
    made = weighed(output, Targets(labels))
    expected["contrastive"] = contrastive_loss(branch.feature, labels, 1.5)
    total = sum(w * one for w, one in zip((1, 1, 0.3, 0.7), expected.values(), strict=True))
    torch.testing.assert_close(made.total, total)


def test_attributes_are_told_by_what_classifies_vehicles() -> None:
    net = small_network("djdl", sizes=WITH_ATTRIBUTES).eval()
    with torch.no_grad():
        net.head.neck.running_mean.fill_(0.3)  # the neck changes something
    images, labels = small_batch()
    output = net(Seen(images, labels))
    for name, head in zip(("colour", "type"), net.attributes.heads, strict=True):
        wanted = output.branches[0].normed @ head.weight.T + head.bias
        torch.testing.assert_close(output.extras[f"attribute:{name}"], wanted)


def test_without_both_it_is_the_baseline_to_the_digit() -> None:
    bare = {"attribute_weight": 0, "contrastive_weight": 0}
    net = small_network("djdl", **bare)
    torch.manual_seed(3)
    baseline = build_network(small_model(stages=Stages(count=1), unified=Unified(enabled=False)), IDENTITIES)
    images, labels = small_batch()
    output, other = net.train()(Seen(images, labels)), baseline.train()(Seen(images, labels))
    assert torch.equal(output.branches[0].logits, other.branches[0].logits)
    assert output.extras == {}
    parts = small_losses("djdl", **bare)(output, Targets(labels))
    assert torch.equal(parts.total, parts["identity"] + parts["triplet"])


def test_shuffled_attributes_change_their_loss_alone() -> None:
    net = small_network("djdl", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch(8)
    output = net(Seen(images, labels))
    own = small_losses("djdl", WITH_ATTRIBUTES)(output, Targets(labels))
    other = small_losses("djdl", WITH_ATTRIBUTES, shuffled=True)(output, Targets(labels))
    assert [name for name in own.parts if not torch.equal(own[name], other[name])] == ["attributes"]


def test_embeddings_need_no_attributes() -> None:
    net = small_network("djdl", sizes=WITH_ATTRIBUTES).eval()
    images, _ = small_batch()
    assert net.embed(images, Inference()).shape == (6, 24)
    with torch.no_grad():
        assert net(Seen(images)).extras == {}


def test_overlays_are_three_runs_and_their_needs_are_said() -> None:
    runs = {name: configured(name) for name in ("djdl", "djdl-no-contrastive", "djdl-shuffled-attributes")}
    assert len({run_key(one, "d", "s") for one in runs.values()}) == 3
    for one in runs.values():
        needs = one.method.needs(one)
        assert needs.training == SideColumns(attributes=("colour", "type")) and not needs.test


def test_a_run_that_reads_none_needs_none_and_names_none() -> None:
    bare = configured("djdl", {"method": {"attribute_weight": 0}})
    other = configured("djdl", {"method": {"attribute_weight": 0, "attributes": ["model"], "shuffled": True}})
    assert not bare.method.needs(bare).training
    assert run_key(bare, "d") == run_key(other, "d")


@pytest.mark.parametrize(
    ("attributes", "says"),
    [([], "method.attributes is empty"), (["type", "type"], "names one twice: type, type"), (["view"], "'colour'")],
)
def test_refusals(attributes: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        configured("djdl", {"method": {"attributes": attributes}})
