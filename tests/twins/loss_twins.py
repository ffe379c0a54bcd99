"""The losses of section III-B and III-C by loops over stages, images and pairs, on plain numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def euclidean(one: Tensor, other: Tensor) -> Tensor:
    """Differentiable, as everything here: gradients are compared too."""
    return torch.sqrt(sum(((a - b) ** 2 for a, b in zip(one, other, strict=True)), torch.zeros(())).clamp(min=1e-12))


def _number(one: Tensor) -> float:
    return float(one.detach())


def hinges(anchored: list[tuple[list[Tensor], list[Tensor]]], margin: float) -> Tensor:
    """Mean over anchors, each with its distances to positives and negatives, of max(far - near + margin, 0)."""
    losses = []
    for positives, negatives in anchored:
        if positives and negatives:
            gap = max(positives, key=_number) - min(negatives, key=_number) + margin
            losses.append(gap if _number(gap) > 0 else gap * 0)
    return sum(losses, torch.zeros(())) / len(losses) if losses else torch.zeros(())


def triplet(stages: Tensor, labels: list[int], margin: float) -> Tensor:
    """L_tri of equation 13."""
    total = torch.zeros(())
    for features in stages:
        anchored = []
        for i in range(len(labels)):
            others = [j for j in range(len(labels)) if j != i]
            positives = [euclidean(features[i], features[j]) for j in others if labels[j] == labels[i]]
            negatives = [euclidean(features[i], features[j]) for j in others if labels[j] != labels[i]]
            anchored.append((positives, negatives))
        total = total + hinges(anchored, margin)
    return total


def vcc(unified: Tensor, labels: list[int], margin: float) -> Tensor:
    """Equations 7 and 8."""
    stages, images = range(len(unified)), range(len(labels))
    anchored = []
    for n in stages:
        for j in images:
            positives, negatives = [], []
            for m in stages:
                for i in images:
                    if (m, i) == (n, j):
                        continue
                    one = euclidean(unified[n, j], unified[m, i])
                    (positives if labels[i] == labels[j] else negatives).append(one)
            anchored.append((positives, negatives))
    return hinges(anchored, margin)


def icc(unified: Tensor, images: int, margin: float, negatives_are: str) -> Tensor:
    """Equations 9 and 10 in both readings of the negatives."""
    stages = range(len(unified))
    anchored = []
    for n in stages:
        for j in range(images):
            positives, negatives = [], []
            for m in stages:
                for i in range(images):
                    if (m, i) == (n, j):
                        continue
                    one = euclidean(unified[n, j], unified[m, i])
                    if i == j:
                        positives.append(one)
                    if i != j or negatives_are == "other_feature":
                        negatives.append(one)
            anchored.append((positives, negatives))
    return hinges(anchored, margin)


def dcc(unified: Tensor, normalise: bool = True) -> Tensor:
    """Equation 11, averaged over images."""
    stages, images, _ = unified.shape
    total = torch.zeros(())
    for i in range(images):
        rows = [unified[t, i] / (unified[t, i].norm() if normalise else 1.0) for t in range(stages)]
        squares = torch.zeros(())
        for a in range(stages):
            for b in range(stages):
                squares = squares + ((rows[a] * rows[b]).sum() - (1.0 if a == b else 0.0)) ** 2
        total = total + torch.sqrt(squares)
    return total / images


def identity(logits: list[Tensor], labels: list[int], smoothing: float) -> Tensor:
    """L_id of equation 13, with label smoothing."""
    total = torch.zeros(())
    for stage in logits:
        for scores, label in zip(stage, labels, strict=True):
            names = len(scores)
            logarithms = scores - torch.log(torch.exp(scores - scores.max()).sum()) - scores.max()
            for k in range(names):
                q = smoothing / names + (1 - smoothing) * (k == label)
                total = total - q * logarithms[k] / len(labels)
    return total


def circle(stages: Tensor, labels: list[int], margin: float, scale: float) -> Tensor:
    """Circle loss in the form of its paper: log(1 + sum over pairs of exp), anchor by anchor; a number only."""
    total = 0.0
    for features in stages:
        rows = [row / row.norm() for row in features]
        losses = []
        for i in range(len(labels)):
            pull = push = 0.0
            for j in range(len(labels)):
                s = float((rows[i] * rows[j]).sum())
                if j != i and labels[j] == labels[i]:
                    pull += math.exp(-scale * max(1 + margin - s, 0.0) * (s - (1 - margin)))
                elif labels[j] != labels[i]:
                    push += math.exp(scale * max(s + margin, 0.0) * (s - margin))
            if pull and push:
                losses.append(math.log1p(pull * push))
        total += sum(losses) / len(losses) if losses else 0.0
    return torch.tensor(total)
