"""The optimiser against torch's own, and the learning-rate schedule."""

import copy
import itertools

import pytest
import torch
from building import build_network

from svrn.config.parameters import Backbone, Model, Optimisation, Salience, Stages, Unified
from svrn.training.groups import parameter_groups
from svrn.training.optimisation import build_optimiser, optimiser_tensors, rate_factor, restore_optimiser

MODEL = Model(
    backbone=Backbone(name="small_cnn", weights="random"), stages=Stages(count=1), unified=Unified(enabled=False)
)

STORED = {name: {"mean", "square", "steps"} for name in ("adam", "adamw")} | {"sgd": {"momentum"}}
TWINS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_steps_are_torchs(kind):
    optimisation = Optimisation(optimiser=kind, lr=0.01, head_lr_factor=3.0, weight_decay=0.02)
    torch.manual_seed(0)
    ours = build_network(MODEL, 4)
    theirs = copy.deepcopy(ours)
    mine = build_optimiser(ours, optimisation)
    groups = parameter_groups(theirs, optimisation)
    twin = torch.optim.SGD(groups, momentum=0.9) if kind == "sgd" else TWINS[kind](groups)
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


def rates_of(network, optimisation):
    """The rate of every trained parameter by its name, and the groups' names in their order."""
    groups = parameter_groups(network, optimisation)
    by_id = {id(one): group["lr"] for group in groups for one in group["params"]}
    assert len(by_id) == sum(len(group["params"]) for group in groups), "no parameter is in two groups"
    named = {name: by_id[id(one)] for name, one in network.named_parameters() if one.requires_grad}
    return named, [group["name"] for group in groups]


def test_rates_fall_towards_the_image_block_by_block():
    model = MODEL.model_copy(update={"stages": Stages(count=3), "salience": Salience(grid=4)})
    frozen = model.model_copy(update={"backbone": Backbone(name="small_cnn", weights="random", frozen_blocks=1)})
    rates, names = rates_of(build_network(frozen, 4), Optimisation(lr=0.1, layer_decay=0.5, head_lr_factor=2.0))
    assert names == ["backbone level 4", "backbone level 3", "backbone level 2", "new"]
    for name, rate in rates.items():
        block = int(name[6]) + 1 if name.startswith("trunk.") else 0
        block = int(name.split(".")[1][-1]) if name.startswith("copies.") else block
        assert rate == pytest.approx({0: 0.2, 2: 0.0125, 3: 0.025, 4: 0.05}[block]), name
    assert any(name.startswith("copies.") for name in rates)


def test_rates_fall_towards_the_image_layer_by_layer_of_a_transformer():
    backbone = Backbone(name="timm:vit_tiny_patch16_224", weights="random")
    network = build_network(MODEL.model_copy(update={"backbone": backbone}), 4)
    rates, names = rates_of(network, Optimisation(lr=1.0, layer_decay=0.5))
    assert len(names) == 13 + 1, "patches, twelve layers, new parts"
    assert rates["trunk.0.embed.positions"] == pytest.approx(0.5**13)
    for layer in range(12):
        found = rates[f"trunk.{layer // 3}.layers.{layer % 3}.attn.qkv.weight"]
        assert found == pytest.approx(0.5 ** (12 - layer))
    assert rates["trunk.3.norm.weight"] == 0.5
    assert {rate for name, rate in rates.items() if not name.startswith("trunk.")} == {1.0}


def test_everything_decays_alike_and_what_losses_learn_is_new() -> None:
    network, losses = build_network(MODEL, 4), torch.nn.Linear(3, 2)
    losses.bias.requires_grad_(False)
    for decay in (1.0, 0.5):
        groups = parameter_groups(network, Optimisation(weight_decay=0.02, layer_decay=decay), losses)
        assert {group["weight_decay"] for group in groups} == {0.02}
        held = {id(one): group["name"] for group in groups for one in group["params"]}
        assert held[id(losses.weight)] == "new" and id(losses.bias) not in held
        assert held.keys() == {id(one) for one in network.parameters()} | {id(losses.weight)}


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
