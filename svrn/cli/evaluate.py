"""`svrn evaluate`: score embeddings, ours or anyone's, under a named protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Distance(StrEnum):
    cosine = "cosine"
    euclidean = "euclidean"


class Precision(StrEnum):
    float32 = "float32"
    float64 = "float64"
    bfloat16 = "bfloat16"
    tf32 = "tf32"


def evaluate(
    embeddings: Annotated[Path, typer.Option(help="Parquet file with the columns image and embedding")],
    manifest: Annotated[Path, typer.Option(help="Parquet manifest of the benchmark")],
    protocol: Annotated[str, typer.Option(help="veri776, vehicleid, veriwild, … (a wrong name lists all)")],
    out: Annotated[Path, typer.Option(help="folder for metrics.json and queries.parquet")],
    test: Annotated[str | None, typer.Option(help="test set; may be left out where there is one")] = None,
    distance: Annotated[Distance, typer.Option(help="what near means")] = Distance.cosine,
    precision: Annotated[
        Precision, typer.Option(help="numbers of the bulk product; never changes a result")
    ] = Precision.float32,
    device: Annotated[str, typer.Option(help="cpu or cuda; never changes a result")] = "cpu",
    memory_mib: Annotated[int, typer.Option(min=1, help="size of the block of scores held at once")] = 512,
    chunk: Annotated[int | None, typer.Option(min=1, help="queries at a time, instead of memory-mib")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="threads; all there are where not given")] = None,
    top: Annotated[int, typer.Option(min=0, help="nearest images listed for each query")] = 10,
    trapezoidal: Annotated[
        bool, typer.Option("--trapezoidal", help="give mAP by the trapezoidal rule too")
    ] = False,
    map_at: Annotated[int | None, typer.Option(min=1, help="give mAP cut off at this rank too")] = None,
) -> None:
    """Score embeddings, ours or anyone's: writes metrics.json and queries.parquet, and prints the metrics."""
    from svrn.data import protocols
    from svrn.data.embeddings import read_embeddings
    from svrn.data.manifest import read_manifest
    from svrn.evaluation.evaluator import evaluate as score
    from svrn.evaluation.options import Options
    from svrn.evaluation.results import METRICS_FILE, write_evaluation

    rule = protocols.get(protocol)
    options = Options(
        distance=distance.value,
        precision=precision.value,
        device=device,
        memory_mib=memory_mib,
        chunk=chunk,
        threads=threads,
        top=top,
        trapezoidal=trapezoidal,
        map_at=map_at,
    )
    table = read_manifest(manifest)
    outcome = score(read_embeddings(embeddings), table, rule, test or protocols.only_test(table), options)
    write_evaluation(outcome, out)
    counts = outcome.counts
    print(f"{table.benchmark}, test set {outcome.about['test']}, protocol {rule.name}: {rule.summary}")
    for name, value in outcome.scores.named().items():
        spread = (outcome.std or {}).get(name)
        print(
            f"{name:<16} {value:7.3f}"
            + (f" ± {spread:.3f} over {len(outcome.draws)} draws" if spread is not None else "")
        )
    print(
        f"{counts.queries} queries, {counts.gallery} gallery, {counts.junk} junk pairs removed,"
        f" {counts.unmatched} queries without a match"
    )
    print(f"written: {out / METRICS_FILE}")
