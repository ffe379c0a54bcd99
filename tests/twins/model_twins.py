"""The equations of section III-A, word by word and slowly: what the fast code is compared with."""

from __future__ import annotations

import copy
from fractions import Fraction

import torch
from torch import Tensor, nn

from svrn.config.parameters import Salience
from svrn.methods.svrn.network import Network
from svrn.parts.classification import ClassificationBlock


def cell_of(pixel: int, size: int, grid: int) -> int:
    """The cell along one side that a pixel lies in."""
    return int(Fraction(pixel * grid, size))


def pixels_of(cell: int, size: int, grid: int) -> list[int]:
    return [pixel for pixel in range(size) if cell_of(pixel, size, grid) == cell]


def grown(mask: Tensor, height: int, width: int) -> Tensor:
    """Up(M): [B, g, g] -> [B, 1, height, width] by loops."""
    grid = mask.shape[-1]
    big = torch.empty(len(mask), 1, height, width)
    for y in range(height):
        for x in range(width):
            big[:, 0, y, x] = mask[:, cell_of(y, height, grid), cell_of(x, width, grid)]
    return big


def frozen(block: ClassificationBlock, features: Tensor) -> ClassificationBlock:
    """A copy of the block in evaluation mode whose statistics are those that the block uses on `features` now."""
    still = copy.deepcopy(block).eval()
    if block.training:
        with torch.no_grad():
            convolved = block.reduction(features)
            still.reduction_bn.running_mean = convolved.mean((0, 2, 3))
            still.reduction_bn.running_var = convolved.var((0, 2, 3), correction=0)
            pooled = still.pooling(torch.relu(still.reduction_bn(convolved)))
            still.neck.running_mean = pooled.mean(0)
            still.neck.running_var = pooled.var(0, correction=0)
    return still


def masked_losses(block: ClassificationBlock, features: Tensor, labels: Tensor, grid: int) -> Tensor:
    """C_s of equation 2, by as many really masked forward passes as there are cells."""
    still = frozen(block, features)
    height, width = features.shape[-2:]
    losses = torch.empty(len(features), grid, grid)
    for i in range(grid):
        for j in range(grid):
            masked = features.detach().clone()
            for y in pixels_of(i, height, grid):
                for x in pixels_of(j, width, grid):
                    masked[:, :, y, x] = 0.0
            logarithms = still(masked).logits.log_softmax(1)
            for image, label in enumerate(labels.tolist()):
                losses[image, i, j] = -logarithms[image, label]
    return losses.detach()


def reward(losses: Tensor) -> Tensor:
    """Equation 3, image by image."""
    scaled = []
    for image in losses:
        low, high = image.min().item(), image.max().item()
        scaled.append([[(c - low) / (high - low) if high > low else 0.0 for c in row] for row in image.tolist()])
    return torch.tensor(scaled)


def algorithm_1(scores: list[list[float]], alpha: str, rule: str, before: list[list[int]] | None) -> list[list[int]]:
    """Algorithm 1 for one image, on plain lists. alpha: as written, so that no rounding comes before ours."""
    grid = len(scores)
    cells = [(i, j) for i in range(grid) for j in range(grid)]
    free = [cell for cell in cells if before is None or before[cell[0]][cell[1]] == 1]
    n = int(Fraction(alpha) * len(cells) + Fraction(1, 2))
    mask = [[1 if (i, j) in free else 0 for j in range(grid)] for i in range(grid)]
    if n == 0:
        return mask
    ranked = sorted(free, key=lambda cell: -scores[cell[0]][cell[1]])  # stable: row order decides ties
    if rule == "top_n":
        hidden = ranked[:n]
    elif n > len(ranked):
        hidden = ranked
    else:
        threshold = scores[ranked[n - 1][0]][ranked[n - 1][1]]
        hidden = [cell for cell in free if scores[cell[0]][cell[1]] > threshold]
    for i, j in hidden:
        mask[i][j] = 0
    return mask


def filled(features: Tensor, mask: Tensor, fill: str) -> Tensor:
    """Equation 5, pixel by pixel."""
    result = features.clone()
    big = grown(mask, *features.shape[-2:])
    for b in range(features.shape[0]):
        for y in range(features.shape[2]):
            for x in range(features.shape[3]):
                if big[b, 0, y, x] == 0:
                    result[b, :, y, x] = features[b].mean((1, 2)) if fill == "mean" else 0.0
    return result


def block_of(network: Network, stage: int, number: int) -> nn.Module:
    if stage == 1 or network.model.stages.share_weights:
        return network.trunk[number - 1]
    return network.copies[f"stage{stage}_block{number}"]


def cascade(network: Network, images: Tensor, salience: Salience) -> list[dict[str, Tensor]]:
    """The stages of the network in evaluation mode, written out: X_t, F_t, M_t."""
    starts = network.model.stages.starts
    count = network.model.stages.count
    masks: list[Tensor] = []
    seen: list[dict[int, Tensor]] = []
    results = []
    for stage in range(1, count + 1):
        start = starts[stage - 1]
        features = images
        if stage > 1:
            latest = next(inputs[start] for inputs in reversed(seen) if start in inputs)
            features = filled(latest, masks[-1], salience.fill)
        inputs = {}
        for number in range(start, 5):
            inputs[number] = features
            features = block_of(network, stage, number)(features)
        seen.append(inputs)
        features = features * network.mining[stage - 1].gate(features)
        head = network.heads[stage - 1]
        reduced = torch.relu(head.reduction_bn(head.reduction(features)))
        result = {"X": features, "F": reduced.mean((2, 3))}
        if stage < count:
            scores = network.rankings[stage - 1](features)
            alpha = str(salience.alphas[stage - 1])
            masks.append(
                torch.tensor(
                    [
                        algorithm_1(
                            image.tolist(),
                            alpha,
                            salience.rule,
                            masks[-1][number].int().tolist() if masks and salience.cumulative else None,
                        )
                        for number, image in enumerate(scores)
                    ]
                ).float()
            )
            result["M"] = masks[-1]
        results.append(result)
    return results
