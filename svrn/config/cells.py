"""What a study is made of: a run, a way of embedding with it, a scoring of that, and the cell that they fill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from svrn.config.annotations import TABLE
from svrn.config.parameters import RunParameters

DATA = Path("data")
RESULTS = Path("results")

CellKind = Literal["run", "timing", "reported_only", "no_data", "pending", "lacking"]


@dataclass(frozen=True)
class Run:
    """A training: its key, its parameters and the benchmark whose training images it uses.

    side_digest: of the side information that its method reads on those images, None where it reads none.
    """

    key: str
    label: str
    parameters: RunParameters
    benchmark: str
    train_digest: str
    side_digest: str | None = None

    @property
    def folder(self) -> Path:
        return RESULTS / "runs" / self.key

    @property
    def annotations(self) -> Path | None:
        """The side information of the images it is trained on, where its method reads any."""
        return annotations_of(self.benchmark, self.parameters, "training")

    @property
    def manifest(self) -> Path:
        """The manifest of the images it is trained on."""
        return DATA / self.benchmark / "manifest.parquet"

    @property
    def seed(self) -> int:
        return self.parameters.training.seed


@dataclass(frozen=True)
class Embedding:
    """One way of embedding a benchmark's test images with a run."""

    run: str
    benchmark: str
    inference: str
    parameters: RunParameters

    @property
    def annotations(self) -> Path | None:
        """The side information of the images it embeds, where its method reads any at test."""
        return annotations_of(self.benchmark, self.parameters, "test")

    @property
    def manifest(self) -> Path:
        """The manifest of the images it embeds."""
        return DATA / self.benchmark / "manifest.parquet"

    @property
    def name(self) -> str:
        return f"{self.benchmark}-{self.inference}"

    @property
    def file(self) -> Path:
        return RESULTS / "runs" / self.run / "embeddings" / f"{self.name}.parquet"


@dataclass(frozen=True)
class Evaluation:
    """One scoring of an embedding: a test set under a protocol."""

    key: str
    embedding: Embedding
    test: str
    protocol: str

    @property
    def run(self) -> str:
        return self.embedding.run

    @property
    def folder(self) -> Path:
        return RESULTS / "runs" / self.run / "evaluations" / self.key


@dataclass(frozen=True)
class Cell:
    """One number of a table: what the paper reports, and the evaluations (one a seed) that give ours.

    kind: `run`; `timing`; `reported_only` (a rival's number); `no_data` (the user has not said where the
    benchmark is); `pending` (its manifest is not made yet, so its runs have no keys); `lacking` (its method reads side
    information that the benchmark does not have: `lacks` says which).
    """

    table: str
    row: str
    column: str
    metric: str
    benchmark: str | None
    test: str
    protocol: str | None
    reported: float | Literal["lost"] | None
    kind: CellKind
    parameters: tuple[RunParameters, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    lacks: str | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(evaluation.run for evaluation in self.evaluations)


def annotations_of(benchmark: str, parameters: RunParameters, when: Literal["training", "test"]) -> Path | None:
    """A benchmark's annotations.parquet where a run's method reads it in training or at test."""
    needs = parameters.method.needs(parameters)
    return DATA / benchmark / TABLE if (needs.training if when == "training" else needs.test) else None
