"""What a step takes and leaves: batches, chance, rates, epochs, gradients, records; against the schedule by hand."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from method_worlds import run_of_method, trainer_of
from torch import Tensor, nn

from svrn.errors import UserError
from svrn.parts.output import Seen, Targets
from svrn.training.checkpoints import load_newest
from svrn.training.trainer import Trainer

#: Two batches a step, five batches an epoch: one is left out of each. Two steps of pretraining, two epochs of two.
STEPS: dict[str, Any] = {
    "method": {"latent": 8, "pretrain_steps": 2},
    "training": {
        "seed": 3,
        "batches": {"accumulate": 2},
        "optimisation": {"epochs": 2, "batches_per_epoch": 5, "head_lr_factor": 4.0, "warmup_steps": 3},
    },
}


class Heard(nn.Module):
    """In the place of a loss step: notes what it is given, with the rates at that time, and passes it on."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.inner, self.trainer = trainer.loss_step, [trainer]
        self.seen: list[Seen] = []
        self.rows: list[list[int]] = []
        self.rates: list[list[float]] = []
        self.parts: list[Tensor] = []

    def forward(self, seen: Seen, rows: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(seen)
        self.rows.append(rows.tolist())
        self.rates.append([float(one["lr"]) for one in self.trainer[0].optimiser.param_groups])
        total, parts = self.inner(seen, rows)
        self.parts.append(parts)
        return total, parts


def listened(trainer: Trainer) -> Heard:
    trainer.gradients.step = heard = Heard(trainer)
    return heard


def test_a_training_by_its_schedule(tmp_path: Path) -> None:
    trainer = trainer_of(run_of_method("saver", STEPS), tmp_path)
    heard, epochs = listened(trainer), []
    trainer.losses.begin_epoch = epochs.append
    base = [float(one["lr"]) for one in trainer.optimiser.param_groups]
    assert base == pytest.approx([0.001, 0.004])
    trainer.run()
    # Pretraining has the batches of the epoch after the last: those of the schedule are every method's.
    assert heard.rows == [trainer.batches.rows(n)[1].tolist() for n in (10, 11, 12, 13, 0, 1, 2, 3, 5, 6, 7, 8)]
    assert [one.pretraining for one in heard.seen] == [True] * 4 + [False] * 8
    assert [float(one.progress) for one in heard.seen] == [0] * 6 + [0.25] * 2 + [0.5] * 2 + [0.75] * 2
    assert epochs == [0, 1]
    factors = [1, 1, 1, 1, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1]
    for rates, factor in zip(heard.rates, factors, strict=True):
        assert rates == pytest.approx([factor * one for one in base])
    for number, seen in enumerate(heard.seen):
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([3, number]).generate_state(1)[0]))
        assert torch.equal(seen.chance["noise"], torch.randn((8, 8), generator=generator))
    assert not any(one.requires_grad for one in heard.parts)
    columns = trainer.log.columns
    for step, row in enumerate(trainer.log.rows):
        told = dict(zip(columns, row, strict=True))
        assert (told["step"], told["epoch"]) == (step + 1, (0, 0, 1, 1, 2, 2)[step])
        assert told["lr"] == pytest.approx(0.001 * factors[2 * step])
        mean = (heard.parts[2 * step] + heard.parts[2 * step + 1]) / 2
        assert [told[name] for name in trainer.parts] == pytest.approx(mean.tolist())


def test_chance_is_the_batchs_own_and_shared_by_the_processes(tmp_path: Path) -> None:
    """Seed and batch decide it; by the batch alone where a suite keeps what was recorded, and for seed 0."""
    masks = {"model": {"salience": {"scores": "random"}}}
    drawn = []
    for seed, by_seed in ((0, True), (0, False), (3, False), (3, True), (4, True)):
        training = {"seed": seed, "chance_by_seed": by_seed}
        trainer = trainer_of(run_of_method("svrn", masks, {"training": training}), tmp_path)
        for number in range(4):
            one = trainer._chance(number)["masks"]
            if seed > 0 and by_seed:
                drawn.append(one)
            else:
                assert torch.equal(one, trainer.network.chance(8, torch.Generator().manual_seed(number))["masks"])
                drawn += [one] if seed == 0 and by_seed else []
        trainer.batches.part = slice(4, 8)
        whole = trainer.network.chance(8, torch.Generator().manual_seed(2))["masks"] if not by_seed else drawn[-2]
        assert torch.equal(trainer._chance(2)["masks"], whole[4:])
        assert not torch.equal(whole[4:], whole[:4])
    assert len(drawn) == 12
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(drawn, 2))


def test_steps_take_the_mean_gradient_of_their_own_batches_alone(tmp_path: Path) -> None:
    """Two steps of two batches against torch's SGD on the mean loss, the losses' memory with it."""
    sgd = {"optimiser": "sgd", "weight_decay": 0.0, "epochs": 1, "batches_per_epoch": 4}
    run = run_of_method("bot", {"training": {"batches": {"accumulate": 2}, "optimisation": sgd}})
    trainer = trainer_of(run, tmp_path)
    network, losses = copy.deepcopy((trainer.network, trainer.losses))
    groups = [{"params": [*network.trunk.parameters()]}, {"params": [*network.mining.parameters()]}]
    groups.append({"params": [*network.head.parameters()]})
    optimiser = torch.optim.SGD(groups, lr=0.001, momentum=0.9)
    for step in range(2):
        optimiser.zero_grad()
        for number in (2 * step, 2 * step + 1):
            batch = trainer.batches.batch(number)
            output = network(Seen(batch.images, batch.labels))
            (losses(output, Targets(batch.labels, batch.rows)).total / 2).backward()
        optimiser.step()
    trainer.run()
    found = trainer.network.state_dict()
    counted = {name for name in found if name.endswith("num_batches_tracked")}  # by the trainer, not by the network
    expected = {name: 0 if name.startswith("trunk.0.") else 4 for name in counted}  # the first block is frozen
    assert counted and {name: int(found[name]) for name in counted} == expected
    for name, one in network.state_dict().items():
        if name not in counted:
            torch.testing.assert_close(found[name], one, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(trainer.losses.centres.centres, losses.centres.centres)


def test_the_average_begins_with_the_first_step(tmp_path: Path) -> None:
    trainer = trainer_of(run_of_method("bot", {"training": {"optimisation": {"average": 0.8}}}), tmp_path)
    before = {name: one.clone() for name, one in trainer.network.state_dict().items()}
    trainer._take_step(iter([trainer.batches.batch(0)]))
    for name, one in trainer.network.state_dict().items():
        if one.is_floating_point():  # a tenth stays at the first step: 1 / (9 + 1)
            torch.testing.assert_close(trainer.model()[name], 0.1 * before[name] + 0.9 * one)


def test_chance_of_torch_goes_on_where_it_was(tmp_path: Path) -> None:
    run = run_of_method("bot")
    first = trainer_of(run, tmp_path)
    first._take_step(iter([first.batches.batch(0)]))
    first.save()
    wanted = torch.rand(5)
    second = trainer_of(run, tmp_path)
    torch.manual_seed(99)
    assert second.restore()
    assert torch.equal(torch.rand(5), wanted)


def test_a_loss_that_is_not_finite_is_told_with_its_images_and_leaves_the_state_before_it(tmp_path: Path) -> None:
    run = run_of_method("bot", {"training": {"batches": {"accumulate": 2}, "optimisation": {"batches_per_epoch": 5}}})
    trainer, twin = (trainer_of(run, tmp_path / name) for name in ("one", "twin"))
    for number in (0, 2):
        twin._take_step(iter([twin.batches.batch(number), twin.batches.batch(number + 1)]))
    heard = listened(trainer)
    take = heard.forward

    def spoilt(seen: Seen, rows: Tensor) -> tuple[Tensor, Tensor]:
        total, parts = take(seen, rows)
        return (total, parts) if len(heard.seen) < 6 else (total * torch.nan, parts * torch.nan)

    heard.forward = spoilt  # from the sixth batch on: in the third step, the first of the second epoch
    with pytest.raises(UserError, match="not finite at step 3"):
        trainer.run()
    told = json.loads((tmp_path / "one" / "diverged.json").read_text())
    assert told["step"] == 3 and told["images"] == trainer.batches.names(5) + trainer.batches.names(6)
    kept = load_newest(tmp_path / "one" / "checkpoints", trainer.key)
    assert kept is not None and kept.step == 2
    for kind in ("network", "losses"):
        for name, one in getattr(twin, kind).state_dict().items():
            assert torch.equal(kept.tensors[f"{kind}.{name}"], one), f"{kind}.{name}"
