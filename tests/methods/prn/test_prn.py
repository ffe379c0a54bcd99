"""PRN: the baseline at test, and parts in training that act where they are seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from building import build_network
from part_twins import batch, made, side_of, small_run, targets

from svrn.config.parameters import Inference, Stages, Unified
from svrn.data.side import Side
from svrn.parts.output import Seen

RUN = small_run(name="prn", length=12)


def seen(side: Side | None = None) -> Seen:
    images, labels = batch()
    return Seen(images, labels, side or side_of(RUN, 6))


def test_parts_are_needed_in_training_alone() -> None:
    needs = RUN.method.needs(RUN)
    assert needs.training.boxes and not needs.test
    control = small_run(name="prn", regions="random")
    assert control.method.repeatable(control)
    network, _ = made(RUN)
    network.eval()
    images, _ = batch()
    assert torch.equal(network.embed(images, Inference()), network(Seen(images)).branches[0].feature)


def test_without_its_loss_it_is_the_baseline() -> None:
    run = small_run(name="prn", part_loss_weight=0)
    network, losses = made(run)
    model = run.model.model_copy(update={"stages": Stages(count=1), "unified": Unified(enabled=False)})
    torch.manual_seed(3)
    baseline = build_network(model, 5)
    shared = network.state_dict()
    renamed = {name.replace("mining.0", "mining").replace("heads.0", "head"): name for name in baseline.state_dict()}
    assert set(renamed) == {name for name in shared if not name.startswith("part_heads")}
    for ours, theirs in renamed.items():
        assert torch.equal(shared[ours], baseline.state_dict()[theirs])
    given = seen()
    output, other = network.train()(given), baseline.train()(given)
    assert torch.equal(output.branches[0].feature, other.branches[0].feature)
    result = losses(output, targets(batch()[1]))
    assert float(result["parts"]) == 0
    assert float(result.total) == float(result["identity"] + result["triplet"])


def test_a_hidden_part_changes_no_loss() -> None:
    network, losses = made(RUN)
    network.train()
    side = side_of(RUN, 6)
    boxes = side.boxes.clone()
    lights = [number for number, name in enumerate(side.columns.boxes) if "light" in name]
    boxes[2, lights] = torch.nan
    output = network(seen(replace(side, boxes=boxes)))
    before = losses(output, targets(batch()[1]))
    assert output.extras["part_seen"][2].tolist() == [1.0, 0.0, 1.0]
    changed = output.extras["part_logits"].clone()
    changed[2, 1] = torch.randn(5)
    after = losses(replace(output, extras={**output.extras, "part_logits": changed}), targets(batch()[1]))
    assert torch.equal(before.total, after.total)
    everywhere = side.boxes.clone()
    everywhere[:, lights] = torch.nan
    network.zero_grad()
    losses(network(seen(replace(side, boxes=everywhere))), targets(batch()[1])).total.backward()
    assert (network.part_heads.classifiers[1].weight.grad == 0).all()
    assert (network.part_heads.classifiers[0].weight.grad != 0).any()


def test_the_parts_loss_reaches_the_trunk_and_not_the_global_head() -> None:
    network, losses = made(RUN)
    parts = losses.parts(network.train()(seen()), targets(batch()[1]))
    parts["parts"][1]().backward()
    reached = {name.split(".")[0] for name, one in network.named_parameters() if one.grad is not None}
    assert reached == {"trunk", "mining", "part_heads"}


@pytest.mark.parametrize("regions", ["given", "random", "vehicle", "parsed"])
def test_controls_differ_in_the_parts_alone(regions: str) -> None:
    run = small_run(name="prn", length=12, regions=regions)
    network, losses = made(run)
    first, _ = made(RUN)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), first.state_dict().values(), strict=True)
    )
    images, labels = batch()
    given = Seen(images, labels, side_of(run, 6), network.chance(6, torch.Generator().manual_seed(0)))
    assert losses(network.train()(given), targets(labels)).total.isfinite()


def test_parts_have_features_of_their_own_length() -> None:
    network, _ = made(RUN)
    assert network.part_heads.reduction.out_channels == 12 and network.head.reduction.out_channels == 24
    features = network.part_features(network.mined(seen()), network.regions.of(seen()))
    assert features.shape == (6, len(network.regions.names), 12)
