"""SAVER against its parts written out, and its controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from method_worlds import losses_of, run_of_method, sizes_of, trainer_of

from svrn.methods.rooms import build_network
from svrn.parts.output import Seen
from svrn.parts.vae import Vae, as_images, as_pixels, small_and_seen

BASELINE = {
    "model": {"stages": {"count": 1}, "unified": {"enabled": False}},
    "training": {"losses": {"vcc": {"weight": 0}, "icc": {"weight": 0}, "dcc": {"weight": 0}}},
}
IMAGE = {"method": {"image_share": 1.0, "image_share_learned": False}}
EVER = {"method": {"residual": "excites"}}


def test_the_image_alone_is_the_baseline_to_the_digit(tmp_path: Path) -> None:
    ours, base = run_of_method("saver", IMAGE), run_of_method("svrn", BASELINE)
    mine, theirs = trainer_of(ours, tmp_path / "saver"), trainer_of(base, tmp_path / "baseline")
    mine.run()
    theirs.run()
    assert mine.steps == theirs.steps
    columns = [theirs.parts.index(name) for name in ("total", "identity", "triplet")]
    assert np.array_equal(losses_of(mine, tmp_path)[:, :3], losses_of(theirs, tmp_path)[:, columns])
    images = torch.randn(3, 3, 64, 64)
    assert torch.equal(
        mine.network.eval().embed(images, ours.inference), theirs.network.eval().embed(images, base.inference)
    )


def test_pretraining_trains_the_auto_encoder_alone_and_lowers_its_cost(tmp_path: Path) -> None:
    run = run_of_method("saver", {"method": {"pretrain_steps": 12}, "training": {"optimisation": {"lr": 0.003}}})
    trainer = trainer_of(run, tmp_path)
    before = {name: one.clone() for name, one in trainer.network.state_dict().items()}
    batches = trainer.batches.iterate(map(trainer._batch_number, range(12)))
    for _ in range(12):
        trainer._take_step(batches)
    changed = {name for name, one in trainer.network.state_dict().items() if not torch.equal(one, before[name])}
    assert changed and all(name.startswith("vae.") for name in changed)
    costs = losses_of(trainer, tmp_path)[:, trainer.parts.index("generation")]
    assert costs[-3:].mean() < costs[:3].mean()
    assert [row[trainer.log.columns.index("epoch")] for row in trainer.log.rows] == [0] * 12


def test_the_schedules_batches_are_those_of_every_method(tmp_path: Path) -> None:
    ours, theirs = trainer_of(run_of_method("saver"), tmp_path / "a"), trainer_of(run_of_method("bot"), tmp_path / "b")
    mine = [ours._batch_number(number) for number in range(ours.steps)]
    assert mine[ours.pretraining :] == [theirs._batch_number(number) for number in range(theirs.steps)]
    assert not set(mine[: ours.pretraining]) & set(mine[ours.pretraining :])


def test_the_mix_is_convex_of_image_and_residual() -> None:
    run = run_of_method("saver")
    network = build_network(run, sizes_of(run))
    images, template = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8)
    share = float(torch.sigmoid(network.share))
    assert share == pytest.approx(0.5)
    torch.testing.assert_close(network.mix(images, template), share * images + (1 - share) * (images - template))


def test_identity_reaches_the_auto_encoder_through_frozen_blocks_and_stays_away_from_evers() -> None:
    for overlay, reached in (({}, True), (EVER, False)):
        run = run_of_method("saver", overlay)
        network = build_network(run, sizes_of(run)).train()
        output = network(Seen(torch.randn(4, 3, 64, 64), torch.tensor([0, 0, 1, 1]), progress=0.0))
        output.branches[0].feature.sum().backward()
        assert any(one.grad is not None for one in network.vae.parameters()) == reached
        assert all(one.grad is None for one in network.trunk[0].parameters())


def test_evers_residual_matters_at_first_and_not_at_the_end_or_at_test() -> None:
    run = run_of_method("saver", EVER)
    network, labels = build_network(run, sizes_of(run)).train(), torch.tensor([0, 0, 1, 1])
    images, chance = torch.randn(4, 3, 64, 64), network.chance(4, torch.Generator().manual_seed(0))
    plain = network.run_blocks(images)
    network.mining = torch.nn.Identity()
    found = {at: network(Seen(images, labels, chance=chance, progress=at, maps=True)).branches[0].map for at in (0, 1)}
    assert not torch.allclose(found[0], plain) and torch.allclose(found[1], plain, atol=1e-4)
    assert "generation" not in network.eval()(Seen(images)).extras


def test_erased_pixels_cost_nothing() -> None:
    images = torch.rand(2, 3, 128, 128) + 0.1
    holed = images.clone()
    holed[:, :, :64, :64] = 0.0
    small, share = small_and_seen(holed)
    whole, all_of_it = small_and_seen(images)
    assert bool((all_of_it == 1).all()) and bool((share[:, :, :32, :32] == 0).all())
    torch.testing.assert_close(small[:, :, 32:], whole[:, :, 32:])


def test_pixels_and_images_are_each_others_way_back() -> None:
    pixels = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(as_pixels(as_images(pixels)), pixels)


def test_divergence_is_that_of_two_normal_distributions() -> None:
    torch.manual_seed(0)
    vae = Vae(4).eval()
    pixels = torch.rand(2, 3, 64, 64)
    mean, log_variance = vae.encoder(pixels).chunk(2, 1)
    distribution = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(distribution, torch.distributions.Normal(0.0, 1.0)).sum(1)
    template, found = vae(pixels, None)
    torch.testing.assert_close(found, expected)
    assert template.shape == pixels.shape and bool(((template >= 0) & (template <= 1)).all())


def test_a_share_that_is_fixed_says_so() -> None:
    with pytest.raises(ValueError, match="fixed"):
        run_of_method("saver", {"method": {"image_share": 1.0}})


def test_a_template_is_drawn_about_its_mean_by_the_deviation() -> None:
    torch.manual_seed(0)
    vae = Vae(4).eval()
    with torch.no_grad():
        vae.encoder[-1].weight.mul_(40)  # deviations far from 1
    pixels, noise = torch.rand(2, 3, 64, 64), torch.randn(2, 4)
    mean, log_variance = vae.encoder(pixels).chunk(2, 1)
    assert float((log_variance.exp() - 1).abs().min()) > 0.01
    latent = mean + noise * log_variance.exp().sqrt()
    wanted = torch.sigmoid(vae.decoder(vae.start(latent).view(2, -1, 4, 4)))
    torch.testing.assert_close(vae(pixels, noise)[0], wanted)
    torch.testing.assert_close(vae(pixels, None)[0], torch.sigmoid(vae.decoder(vae.start(mean).view(2, -1, 4, 4))))


def test_a_small_pixel_is_the_mean_of_what_of_it_was_seen() -> None:
    images = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)) * 0.2 + 0.1
    images[:, :, :, 0] = 0.0  # erased: half of each pixel of the first small column
    small, share = small_and_seen(images)
    pixels = as_pixels(images)
    torch.testing.assert_close(small[:, :, :, 0], (pixels[:, :, 0::2, 1] + pixels[:, :, 1::2, 1]) / 2)
    torch.testing.assert_close(small[:, :, :, 1], pixels[:, :, :, 2:4].mean(3).unflatten(2, (64, 2)).mean(3))
    assert torch.equal(share[0, 0, :, 0], torch.full((64,), 0.5)) and bool((share[0, 0, :, 1:] == 1).all())


def test_nothing_is_drawn_at_test() -> None:
    run = run_of_method("saver")
    network = build_network(run, sizes_of(run)).eval()
    assert dict(network.chance(3)) == {} and set(network.train().chance(3)) == {"noise"}
    images, network = torch.randn(2, 3, 64, 64), network.eval()
    small = small_and_seen(images)[0]
    mean = network.vae.encoder(small)[:, :8]
    made = torch.sigmoid(network.vae.decoder(network.vae.start(mean).view(2, -1, 4, 4)))
    template, _ = network.template(Seen(images))
    torch.testing.assert_close(template, as_images(made), rtol=1e-4, atol=1e-4)
