"""The one-pass critic against as many masked forward passes as there are cells, at the paper's size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common import Row, best, record, row, timed
from svrn.config.parameters import Backbone, Batches, RunParameters
from svrn.config.study import load_study
from svrn.methods.svrn import critic, network
from svrn.methods.svrn.critic import masked_losses
from svrn.parts.classification import ClassificationBlock
from svrn.parts.grid import upsample
from svrn.training.timing import IDENTITIES, Subject

BATCH, CHANNELS, SIDE, GRID, REDUCTION = 32, 2048, 16, 8, 512


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    record([*against_masked_forwards(), *share_of_a_step()])


def against_masked_forwards() -> list[Row]:
    """From X_t to all masked losses, both ways: the forward pass of the block is in both."""
    block = ClassificationBlock(CHANNELS, REDUCTION, IDENTITIES, "average", False)
    torch.nn.init.normal_(block.classifier.weight, std=0.05)
    block.eval()  # frozen statistics, which the masked passes need to be the same ones
    features, labels = torch.relu(torch.randn(BATCH, CHANNELS, SIDE, SIDE)), torch.randint(0, IDENTITIES, (BATCH,))

    @torch.no_grad()
    def one_pass() -> Tensor:
        return masked_losses(block, block(features), labels, GRID)

    made = block(features)
    slow: list[Tensor] = []
    forwards = timed(lambda: slow.append(masked_forwards(block, features, labels)))
    fast = best(one_pass, 5)
    alone = best(lambda: masked_losses(block, made, labels, GRID), 5)
    apart = float((one_pass() - slow[0]).abs().max())
    size = f"{BATCH}x{CHANNELS}x{SIDE}x{SIDE}"
    return [
        row(
            f"critic: times faster than {GRID * GRID} masked forwards at {size}",
            forwards.cpu / fast.cpu,
            "x",
            ratio=forwards.cpu / fast.cpu,
            goal="at least 40",
        ),
        row(
            f"critic: all masked losses at {size}",
            fast.cpu * 1000,
            "ms",
            peer=(f"{GRID * GRID} masked forwards", forwards.cpu * 1000),
        ),
        row("critic: beside a forward pass that is made anyway", alone.cpu * 1000, "ms"),
        row("critic: largest difference to masked forwards", apart, "nats", limit=("float32", 1e-5), goal="at most 1"),
    ]


@torch.no_grad()
def masked_forwards(block: ClassificationBlock, features: Tensor, labels: Tensor) -> Tensor:
    """Equation 2 as printed: the block on every masked map."""
    losses = []
    for cell in range(GRID * GRID):
        mask = torch.ones(1, GRID * GRID)
        mask[0, cell] = 0
        masked = features * upsample(mask.view(1, GRID, GRID), SIDE, SIDE)
        losses.append(F.cross_entropy(block(masked).logits, labels, reduction="none"))
    return torch.stack(losses, 1).view(-1, GRID, GRID)


def share_of_a_step() -> list[Row]:
    """Processor time of both critics over that of a whole training step: the paper's network, and the demo's."""
    paper = RunParameters()
    model = paper.model.model_copy(update={"backbone": Backbone(weights="random")})  # what weights hold costs nothing
    few = paper.training.model_copy(update={"batches": Batches(identities=2, images=4)})  # all costs go with the batch
    subjects = {
        "ResNet-50 at 256 px": RunParameters(model=model, training=few),
        "the demo suite's SVRN": _of_table7("demo"),
    }
    return [
        row(f"critic: share of a training step, {name}", share, "%", limit=("goal", 3.0), goal="at most 3 %")
        for name, one in subjects.items()
        for share in [100 * _share(one)]
    ]


def _of_table7(suite: str) -> RunParameters:
    cells = load_study(suite).cells
    return next(cell.parameters[0] for cell in cells if cell.kind == "timing" and cell.row == "SVRN")


def _share(parameters: RunParameters) -> float:
    subject = Subject(parameters, torch.device("cpu"), IDENTITIES)
    spent = [0.0]

    def counted(work: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*arguments: Any) -> Tensor:
            began = time.process_time()
            result = work(*arguments)
            spent[0] += time.process_time() - began
            return result

        return run

    network.masked_losses, network.reward = counted(critic.masked_losses), counted(critic.reward)
    try:
        whole = [timed(subject.step).cpu for _ in range(3)]
    finally:
        network.masked_losses, network.reward = critic.masked_losses, critic.reward
    return spent[0] / sum(whole)


if __name__ == "__main__":
    main()
