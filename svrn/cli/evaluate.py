"""`svrn evaluate`: score embeddings, ours or anyone's, under a named protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from svrn.evaluation.evaluator import Reranking
    from svrn.evaluation.results import Evaluation


class Distance(StrEnum):
    cosine = "cosine"
    euclidean = "euclidean"


class Rerank(StrEnum):
    k_reciprocal = "k-reciprocal"
    aqe = "aqe"


class Precision(StrEnum):
    auto = "auto"
    float32 = "float32"
    float64 = "float64"
    bfloat16 = "bfloat16"
    tf32 = "tf32"
    int8 = "int8"


def evaluate(
    embeddings: Annotated[Path, typer.Option(help="Parquet file with the columns image and embedding")],
    manifest: Annotated[Path, typer.Option(help="Parquet manifest of the benchmark")],
    protocol: Annotated[str, typer.Option(help="veri776, vehicleid, veriwild, … (a wrong name lists all)")],
    out: Annotated[Path, typer.Option(help="folder for metrics.json and queries.parquet")],
    test: Annotated[str | None, typer.Option(help="test set; may be left out where there is one")] = None,
    distance: Annotated[
        Distance | None, typer.Option(help="what near means: cosine, where the file names no distance of its own")
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="numbers of the bulk product; never changes a result")
    ] = Precision.auto,
    device: Annotated[str, typer.Option(help="cpu or cuda; never changes a result")] = "cpu",
    memory_mib: Annotated[int, typer.Option(min=1, help="size of the scores held at once")] = 512,
    chunk: Annotated[int | None, typer.Option(min=1, help="queries at a time, instead of memory-mib")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="threads; all there are where not given")] = None,
    top: Annotated[int, typer.Option(min=0, help="nearest images listed for each query")] = 10,
    trapezoidal: Annotated[bool, typer.Option("--trapezoidal", help="give mAP by the trapezoidal rule too")] = False,
    map_at: Annotated[int | None, typer.Option(min=1, help="give mAP cut off at this rank too")] = None,
    rerank: Annotated[
        list[Rerank] | None, typer.Option(help="give re-ranked numbers too, apart from the headline")
    ] = None,
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
        distance=None if distance is None else distance.value,
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
    vectors, name = read_embeddings(embeddings), test or protocols.only_test(table)
    outcome = score(vectors, table, rule, name, options)
    methods: list[Reranking] = [method.value for method in rerank or []]
    reranked: dict[str, Evaluation] = {
        way: score(vectors, table, rule, name, options, reranking=way) for way in methods
    }
    write_evaluation(outcome, out, reranked)
    counts = outcome.counts
    print(f"{table.benchmark}, test set {outcome.about['test']}, protocol {rule.name}: {rule.summary}")
    _print_scores(outcome)
    print(
        f"{counts.queries} queries, {counts.gallery} gallery, {counts.junk} junk pairs removed,"
        f" {counts.unmatched} queries without a match"
    )
    for method, other in reranked.items():
        print(f"re-ranked by {method}, not comparable with the above:")
        _print_scores(other)
    print(f"written: {out / METRICS_FILE}")


def _print_scores(outcome: Evaluation) -> None:
    for name, value in outcome.scores.named().items():
        spread = (outcome.std or {}).get(name)
        over = "" if spread is None else f" ± {spread:.3f} over {len(outcome.draws)} draws"
        print(f"{name:<16} {value:7.3f}{over}")
