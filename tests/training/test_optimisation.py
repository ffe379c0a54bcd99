"""The optimiser against torch's own, and the learning-rate schedule."""

import copy
import itertools

import pytest
import torch
from building import build_network

from svrn.config.parameters import Backbone, Model, Optimisation, Stages, Unified
from svrn.training.groups import parameter_groups
from svrn.training.optimisation import build_optimiser, optimiser_tensors, rate_factor, restore_optimiser

MODEL = Model(
    backbone=Backbone(name="small_cnn", weights="random"), stages=Stages(count=1), unified=Unified(enabled=False)
)

STORED = {"adam": {"mean", "square", "steps"}, "sgd": {"momentum"}}


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_steps_are_torchs(kind):
    optimisation = Optimisation(optimiser=kind, lr=0.01, head_lr_factor=3.0, weight_decay=0.02)
    torch.manual_seed(0)
    ours = build_network(MODEL, 4)
    theirs = copy.deepcopy(ours)
    mine = build_optimiser(ours, optimisation)
    groups = parameter_groups(theirs, optimisation)
    twin = torch.optim.Adam(groups) if kind == "adam" else torch.optim.SGD(groups, momentum=0.9)
    chance = torch.Generator().manual_seed(1)
    for step in range(4):
        for number, (one, other) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
            skipped = (number + step) % 5 == 0  # some have no gradient, now and then
            one.grad = None if skipped else torch.randn(one.shape, generator=chance)
            other.grad = None if skipped else one.grad.clone()
        mine.step()
        twin.step()
        if step == 1:  # stopped and gone on
            saved = {name: value.clone() for name, value in optimiser_tensors(mine).items()}
            assert {name.split(".")[1] for name in saved} == STORED[kind]  # as checkpoints have had them from the first
            mine = build_optimiser(ours, optimisation)
            restore_optimiser(mine, saved)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, rtol=1e-5, atol=1e-6)
    mine.zero_grad()
    assert all(parameter.grad is None for parameter in ours.parameters())


def test_rates_fall_after_milestones():
    options = Optimisation(epochs=10, milestones=(4, 7), gamma=0.1)
    rates = [rate_factor(options, step, 3) for step in range(30)]
    assert rates[:12] == [1.0] * 12
    assert rates[12:21] == pytest.approx([0.1] * 9)
    assert rates[21:] == pytest.approx([0.01] * 9)


def test_warm_up_then_cosine():
    options = Optimisation(epochs=10, schedule="cosine", warmup_steps=5)
    rates = [rate_factor(options, step, 3) for step in range(30)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[5:]))
    assert 0 < rates[-1] < 0.01
