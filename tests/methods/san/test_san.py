"""SAN: two branches written out, where its losses reach, its joined embedding."""

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
from svrn.parts.maps import pool_by_maps, stripe_maps
from svrn.parts.output import Seen, Targets


@pytest.mark.parametrize(("rows", "stripes"), [(16, 4), (7, 4), (6, 4), (4, 4), (5, 1)])
def test_stripes_split_rows_as_cells(rows: int, stripes: int) -> None:
    features = torch.randn(2, 3, rows, 5, generator=torch.Generator().manual_seed(1))
    pooled = pool_by_maps(features, stripe_maps(stripes, rows, 5).expand(2, -1, -1, -1))
    for stripe in range(stripes):
        own = [row for row in range(rows) if row * stripes // rows == stripe]
        torch.testing.assert_close(pooled[:, stripe], features[:, :, own].mean((2, 3)))


def test_branches_written_out() -> None:
    net = small_network("san", sizes=WITH_ATTRIBUTES).eval()
    images, labels = small_batch()
    with torch.no_grad():
        output = net(Seen(images, labels))
        shared = net.run_blocks(images, last=3)
        below = net.copies["stripes_block4"](shared)
        expected = [net.head(net.mining(net.trunk[3](shared)))]
        expected += [net.stripes[row](below[:, :, row].mean(2)) for row in range(4)]
    assert len(output.branches) == 5
    for mine, its in zip(output.branches, expected, strict=True):
        torch.testing.assert_close(mine.feature, its.feature, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(mine.logits, its.logits, rtol=1e-4, atol=1e-5)


def test_the_global_branch_is_the_baseline_to_the_digit() -> None:
    net = small_network("san", attribute_weight=0).eval()
    torch.manual_seed(3)
    baseline = build_network(small_model(stages=Stages(count=1), unified=Unified(enabled=False)), IDENTITIES).eval()
    images, labels = small_batch()
    with torch.no_grad():
        mine, its = net(Seen(images, labels)), baseline(Seen(images, labels))
    assert torch.equal(mine.branches[0].logits, its.branches[0].logits)
    assert mine.extras == {}


def test_losses_written_out() -> None:
    net = small_network("san", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch()
    output = net(Seen(images, labels))
    parts = small_losses("san", WITH_ATTRIBUTES)(output, Targets(labels))
    first, *stripes = output.branches
    joined = torch.cat([one.feature for one in stripes], 1)
    wanted = TABLE[labels]
    expected = {
        "identity": twins.identity([one.logits for one in output.branches], labels.tolist(), 0.0),
        "triplet": twins.triplet(first.feature.unsqueeze(0), labels.tolist(), 0.3)
        + twins.triplet(joined.unsqueeze(0), labels.tolist(), 0.3),
        "attributes": twins.identity([output.extras["attribute:colour"]], wanted[:, 0].tolist(), 0.0)
        + twins.identity([output.extras["attribute:type"]], wanted[:, 1].tolist(), 0.0),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    parts.total.backward()
    assert without_gradient(net) == []


def test_attributes_reach_the_shared_blocks_and_the_global_branch_alone() -> None:
    net = small_network("san", sizes=WITH_ATTRIBUTES).train()
    images, labels = small_batch()
    small_losses("san", WITH_ATTRIBUTES)(net(Seen(images, labels)), Targets(labels))["attributes"].backward()
    untouched = set(without_gradient(net))
    assert {name.split(".")[0] for name in untouched} == {"copies", "stripes", "head"}
    assert {name for name in untouched if name.startswith("head")} == {"head.classifier.weight", "head.classifier.bias"}


def test_both_branches_are_joined_each_at_unit_length() -> None:
    net = small_network("san", sizes=WITH_ATTRIBUTES, length=8).eval()
    images, _ = small_batch()
    for fusion in ("sum", "concat"):
        embedding = net.embed(images, Inference(normalise=True, fusion=fusion))
        assert embedding.shape == (6, 24 + 4 * 8)
        for part in (embedding[:, :24], embedding[:, 24:]):
            torch.testing.assert_close(part.norm(dim=1), torch.ones(6))


def test_overlays_are_three_runs_and_only_two_need_attributes() -> None:
    runs = {name: configured(name) for name in ("san", "san-no-attributes", "san-shuffled-attributes")}
    assert len({run_key(one, "d") for one in runs.values()}) == 3
    assert [bool(one.method.needs(one).training) for one in runs.values()] == [True, False, True]
    assert all(one.inference.normalise for one in runs.values())


def test_more_stripes_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="5 stripes do not fit the 4 rows"):
        configured("san", {"method": {"stripes": 5}})
