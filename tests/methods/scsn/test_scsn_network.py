"""SCSN: SVRN's cascade with cells scored by attention, its stages written out."""

from __future__ import annotations

import copy

import model_twins as twins
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

from svrn.config.identity import run_key
from svrn.config.parameters import Inference, Model, Salience, Stages, Unified
from svrn.errors import UserError
from svrn.methods.scsn.network import Network
from svrn.parts.output import Seen, Targets


def cell_scores(gate: torch.Tensor, grid: int) -> torch.Tensor:
    """The gate's mean over the pixels of every cell."""
    side = gate.shape[-1]
    scores = torch.empty(len(gate), grid, grid)
    for i in range(grid):
        for j in range(grid):
            rows, columns = twins.pixels_of(i, side, grid), twins.pixels_of(j, side, grid)
            cells = [gate[:, 0, y, x] for y in rows for x in columns]
            scores[:, i, j] = sum(cells) / len(cells)
    return scores


def written_out(net: Network, images: torch.Tensor, salience: Salience, soft: bool) -> list[dict[str, torch.Tensor]]:
    """The three stages of the default cascade in evaluation mode."""
    inputs: dict[int, torch.Tensor] = {}
    mask = None
    results = []
    for stage, start in enumerate((1, 3, 4), 1):
        features = images if stage == 1 else inputs[start]
        if mask is not None:
            big = twins.grown(mask, *features.shape[-2:])
            features = features * big if soft else twins.filled(features, mask, salience.fill)
        for number in range(start, 5):
            inputs[number] = features
            features = twins.block_of(net, stage, number)(features)
        gate = net.mining[stage - 1].gate(features)
        features = features * gate
        head = net.heads[stage - 1]
        pooled = torch.relu(head.reduction_bn(head.reduction(features))).mean((2, 3))
        result = {"feature": pooled, "gate": gate}
        if stage < 3:
            scores = cell_scores(gate, salience.grid)
            before = mask if salience.cumulative else None
            if soft:
                mask = (1 - scores) * (1 if before is None else before)
            else:
                chosen = [
                    twins.algorithm_1(
                        one.tolist(),
                        str(salience.alphas[stage - 1]),
                        salience.rule,
                        None if before is None else before[number].int().tolist(),
                    )
                    for number, one in enumerate(scores)
                ]
                mask = torch.tensor(chosen).float()
            result |= {"scores": scores, "mask": mask}
        results.append(result)
    return results


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("salience", [Salience(grid=4), Salience(grid=3, cumulative=False, alphas=(0.4, 0.3))])
def test_stages_written_out(salience: Salience, soft: bool) -> None:
    net = small_network("scsn", small_model(salience=salience), masks="soft" if soft else "hard").eval()
    images, _ = small_batch()
    with torch.no_grad():
        output = net(Seen(images, maps=True))
        expected = written_out(net, images, salience, soft)
    for number, (branch, twin) in enumerate(zip(output.branches, expected, strict=True), 1):
        torch.testing.assert_close(branch.feature, twin["feature"], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(output.pictures[f"attention of stage {number}"], twin["gate"].squeeze(1))
        if number < 3:
            torch.testing.assert_close(branch.scores, twin["scores"])
            torch.testing.assert_close(branch.mask, twin["mask"])
            hidden = (branch.mask == 0).flatten(1).sum(1)
            assert hidden.tolist() == [0] * 6 if soft else bool((hidden > 0).all())
    assert output.branches[-1].mask is None


def unmasked_svrn() -> Model:
    return small_model(salience=Salience(grid=4, scores="none"), unified=Unified(enabled=False))


def test_without_masks_it_is_svrns_bare_cascade_to_the_digit() -> None:
    net = small_network("scsn", masks="none")
    torch.manual_seed(3)
    bare = build_network(unmasked_svrn(), IDENTITIES)
    assert list(net.state_dict()) == list(bare.state_dict())
    images, labels = small_batch()
    mine, its = net.train()(Seen(images, labels)), bare.train()(Seen(images, labels))
    for one, other in zip(mine.branches, its.branches, strict=True):
        assert torch.equal(one.logits, other.logits)
    joined = Inference(fusion="concat", normalise=True)
    assert torch.equal(net.eval().embed(images, joined), bare.eval().embed(images, joined))


def test_one_stage_is_the_baseline_to_the_digit() -> None:
    one = Stages(count=1)
    net = small_network("scsn", small_model(stages=one))
    torch.manual_seed(3)
    baseline = build_network(small_model(stages=one, unified=Unified(enabled=False)), IDENTITIES)
    images, labels = small_batch()
    assert torch.equal(
        net.train()(Seen(images, labels)).branches[0].logits, baseline(Seen(images, labels)).branches[0].logits
    )


@pytest.mark.parametrize("masks", ["soft", "hard"])
def test_every_parameter_learns_and_no_mask_teaches_its_attention(masks: str) -> None:
    net = small_network("scsn", masks=masks).train()
    images, labels = small_batch()
    output = net(Seen(images, labels))
    assert not any(one.mask.requires_grad or one.scores.requires_grad for one in output.branches[:-1])
    parts = small_losses("scsn", masks=masks)(output, Targets(labels))
    assert set(parts.parts) == {"identity", "triplet"}
    parts.total.backward()
    assert without_gradient(net) == []
    alone = copy.deepcopy(net)
    alone.zero_grad()
    alone(Seen(images, labels)).branches[-1].feature.sum().backward()
    assert alone.mining[0].convolutions[0].weight.grad is None


def test_the_stages_are_joined_at_unit_length() -> None:
    run = configured("scsn")
    net = small_network("scsn").eval()
    embedding = net.embed(small_batch()[0], run.inference)
    assert embedding.shape == (6, 72)
    torch.testing.assert_close(embedding.view(6, 3, 24).norm(dim=2), torch.ones(6, 3))


def test_overlays_are_three_runs_and_idle_options_are_no_others() -> None:
    keys = [run_key(configured(name), "d") for name in ("scsn", "scsn-hard", "scsn-no-masks")]
    assert len(set(keys)) == 3
    alphas = {"model": {"salience": {"alphas": [0.3, 0.1, 0.1]}}}
    assert run_key(configured("scsn", alphas), "d") == keys[0]
    assert run_key(configured("scsn-hard", alphas), "d") != keys[1]
    coarser = {"model": {"salience": {"grid": 2}}}
    assert run_key(configured("scsn", coarser), "d") != keys[0]
    assert run_key(configured("scsn-no-masks", coarser), "d") == keys[2]
    assert [
        configured(name).method.hides_cells(configured(name)) for name in ("scsn", "scsn-hard", "scsn-no-masks")
    ] == [
        False,
        True,
        False,
    ]
    assert configured("scsn").method.passes(configured("scsn")) == configured("svrn").method.passes(configured("svrn"))


def test_refusals() -> None:
    with pytest.raises(ValueError, match="spatial_mining cannot be off"):
        configured("scsn", {"model": {"head": {"spatial_mining": False}}})
    with pytest.raises(ValueError, match="does not fit the 4x4 map"):
        configured("scsn", {"model": {"salience": {"grid": 5}}})
    with pytest.raises(UserError, match="suppress all 4 cells"):
        small_network("scsn", small_model(salience=Salience(grid=2, alphas=(0.5, 0.5))), masks="hard")
