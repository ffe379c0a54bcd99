"""The total loss: the sum of equation 13, its weights, its switches, what it reads."""

from __future__ import annotations

import dataclasses

import loss_twins as twins
import pytest
import torch
from building import total_loss
from torch.nn import functional as F

from svrn.config.parameters import Dcc, Icc, Identity, Losses, SingleSpace, Triplet, Vcc
from svrn.errors import UserError
from svrn.methods.svrn.output import StageOutput
from svrn.parts.output import Output

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def output(stages: int = 3, unified: bool = True) -> Output:
    generator = torch.Generator().manual_seed(11)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, requires_grad=True)

    made = []
    for number in range(stages):
        ranked = number + 1 < stages
        made.append(
            StageOutput(
                feature=some(6, 8),
                normed=some(6, 8),
                logits=some(6, 3),
                unified=some(6, 8) if unified else None,
                scores=some(6, 2, 2) if ranked else None,
                reward_target=torch.rand(6, 2, 2, generator=generator) if ranked else None,
            )
        )
    return Output(tuple(made))


def test_every_part_and_their_sum() -> None:
    made = output()
    losses = Losses(
        identity=Identity(weight=0.9, label_smoothing=0.1),
        triplet=Triplet(weight=0.8),
        vcc=Vcc(weight=0.7),
        icc=Icc(weight=0.6),
        dcc=Dcc(weight=0.5),
        single_space=SingleSpace(weight=0.4),
        reward_weight=0.3,
    )
    parts = total_loss(made, LABELS, losses)
    features = torch.stack([stage.feature for stage in made.branches])
    raw = torch.stack([stage.unified for stage in made.branches if stage.unified is not None])
    unit = F.normalize(raw, dim=2)
    names = LABELS.tolist()
    reward = sum(
        ((stage.scores - stage.reward_target) ** 2).mean()
        for stage in made.branches
        if stage.scores is not None and stage.reward_target is not None
    )
    expected = {
        "identity": twins.identity([stage.logits for stage in made.branches], names, 0.1),
        "triplet": twins.triplet(features, names, 0.3),
        "vcc": twins.vcc(unit, names, 0.3),
        "icc": twins.icc(unit, 6, 0.15, "other_image"),
        "dcc": twins.dcc(raw),
        "single_space": twins.triplet(unit, names, 0.3),
        "reward": reward,
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-5)
    weights = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
    total = sum(weight * value for weight, value in zip(weights, expected.values(), strict=True))
    torch.testing.assert_close(parts.total, total, rtol=1e-4, atol=1e-5)


def test_the_paper_adds_all_with_weight_one() -> None:
    parts = total_loss(output(), LABELS, Losses())
    expected = parts["triplet"] + parts["identity"] + parts["vcc"] + parts["icc"] + parts["dcc"] + parts["reward"]
    torch.testing.assert_close(parts.total, expected)
    assert float(parts["single_space"]) == 0


def test_raw_unified_features() -> None:
    made = output()
    parts = total_loss(made, LABELS, Losses(normalise_unified=False))
    raw = torch.stack([stage.unified for stage in made.branches if stage.unified is not None])
    torch.testing.assert_close(parts["vcc"], twins.vcc(raw, LABELS.tolist(), 0.3), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts["icc"], twins.icc(raw, 6, 0.15, "other_image"), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["identity", "triplet", "vcc", "icc", "dcc"])
def test_weight_0_switches_a_part_off(name: str) -> None:
    tree = Losses().model_dump()
    tree[name]["weight"] = 0
    parts = total_loss(output(), LABELS, Losses.model_validate(tree))
    assert float(parts[name]) == 0
    assert all(float(parts[other]) > 0 for other in ("identity", "triplet", "vcc", "dcc") if other != name)


def test_baseline() -> None:
    off = Losses(vcc=Vcc(weight=0), icc=Icc(weight=0), dcc=Dcc(weight=0))
    parts = total_loss(output(stages=1, unified=False), LABELS, off)
    torch.testing.assert_close(parts.total, parts["identity"] + parts["triplet"])
    with pytest.raises(UserError, match="no unified layer"):
        total_loss(output(stages=1, unified=False), LABELS, Losses())


def test_circle_takes_the_place_of_the_triplets() -> None:
    made = output()
    parts = total_loss(made, LABELS, Losses(triplet=Triplet(kind="circle", margin=0.25, scale=8.0)))
    features = torch.stack([stage.feature for stage in made.branches])
    torch.testing.assert_close(
        parts["triplet"], twins.circle(features, LABELS.tolist(), 0.25, 8.0), rtol=1e-4, atol=1e-4
    )


def test_reads_only_what_can_be_gathered() -> None:
    made = output()
    bare = Output(tuple(dataclasses.replace(stage, normed=torch.empty(0)) for stage in made.branches))
    assert torch.equal(total_loss(bare, LABELS, Losses()).total, total_loss(made, LABELS, Losses()).total)


def test_parts_are_float32_scalars_also_from_half_precision() -> None:
    made = output()
    halves = Output(
        tuple(
            dataclasses.replace(
                stage, feature=stage.feature.half(), logits=stage.logits.half(), unified=stage.unified.half()
            )
            for stage in made.branches
            if stage.unified is not None
        )
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = total_loss(halves, LABELS, Losses())
    full = total_loss(made, LABELS, Losses())
    for name in ("total", *parts.parts):
        value = parts[name]
        assert value.shape == () and value.dtype == torch.float32
        torch.testing.assert_close(value, full[name], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", ["batch_hard", "circle"])
def test_autocast_around_the_losses_changes_no_digit(kind: str) -> None:
    losses = Losses(triplet=Triplet.model_validate({"kind": kind, "scale": 8.0}))
    outside = total_loss(output(), LABELS, losses)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = total_loss(output(), LABELS, losses)
    for name in ("total", *outside.parts):
        assert torch.equal(inside[name], outside[name]), name


def test_diversity_is_of_g_as_it_is_where_that_is_asked_for() -> None:
    made = output()
    raw = torch.stack([stage.unified for stage in made.branches if stage.unified is not None])
    parts = total_loss(made, LABELS, Losses(dcc=Dcc(normalise=False), normalise_unified=True))
    torch.testing.assert_close(parts["dcc"], twins.dcc(raw, normalise=False), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(parts["vcc"], twins.vcc(F.normalize(raw, dim=2), LABELS.tolist(), 0.3))


def test_margins_are_each_losss_own() -> None:
    made = output()
    raw = torch.stack([stage.unified for stage in made.branches if stage.unified is not None])
    unit, names = F.normalize(raw, dim=2), LABELS.tolist()
    losses = Losses(
        triplet=Triplet(margin=0.7),
        vcc=Vcc(margin=0.5),
        icc=Icc(margin=0.9),
        single_space=SingleSpace(weight=1, margin=0.6),
    )
    parts = total_loss(made, LABELS, losses)
    features = torch.stack([stage.feature for stage in made.branches])
    expected = {
        "triplet": twins.triplet(features, names, 0.7),
        "vcc": twins.vcc(unit, names, 0.5),
        "icc": twins.icc(unit, 6, 0.9, "other_image"),
        "single_space": twins.triplet(unit, names, 0.6),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", [Vcc, Icc, Triplet])
def test_negative_margins_are_refused(part: type) -> None:
    with pytest.raises(ValueError, match="margin"):
        part(margin=-0.1)
