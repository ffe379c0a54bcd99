"""`svrn slices`: where a model fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from svrn.cli.evaluate import Distance


def slices(
    embeddings: Annotated[Path, typer.Option(help="Parquet file with the columns image and embedding")],
    manifest: Annotated[Path, typer.Option(help="Parquet manifest of the benchmark")],
    protocol: Annotated[str, typer.Option(help="veri776, vehicleid, veriwild, … (a wrong name lists all)")],
    out: Annotated[Path, typer.Option(help="folder for the tables; an evaluation's own to have them in its report")],
    test: Annotated[str | None, typer.Option(help="test set; may be left out where there is one")] = None,
    distance: Annotated[
        Distance | None, typer.Option(help="what near means: cosine, where the file names no distance of its own")
    ] = None,
    worst: Annotated[int, typer.Option(min=1, help="slices to print")] = 15,
    threads: Annotated[int | None, typer.Option(min=1, help="threads; all there are where not given")] = None,
) -> None:
    """The metrics by camera, viewpoint, colour, type, weather and near-duplicates, as far as the manifest and the
    rendered truth know them; what is taken for the vehicle; and how the metrics fall as the gallery grows."""
    import pandas as pd

    from svrn.data import protocols
    from svrn.data.embeddings import read_embeddings
    from svrn.data.manifest import read_manifest
    from svrn.evaluation import slices as slicing
    from svrn.evaluation.benchmark import Benchmark
    from svrn.evaluation.options import Options

    rule, table = protocols.get(protocol), read_manifest(manifest)
    benchmark = Benchmark(read_embeddings(embeddings), table, rule, test or protocols.only_test(table))
    options = Options(distance=None if distance is None else distance.value, threads=threads)
    found = slicing.slices_of(benchmark, options)
    slicing.write_slices(found, out)
    whole = found.slices.iloc[0]
    drawn = "" if rule.draws is None else f" of all {rule.draws.count} draws"
    print(
        f"{benchmark.words}, protocol {rule.name}: mAP {whole['mAP']:.2f}{_interval(whole)}, {whole['queries']} queries"
        + drawn
    )
    print(f"\n{'mAP':>6}  {'95 %':<15} {'CMC@1':>6}  queries  vehicles  slice")
    for _, row in slicing.worst(found.slices, worst).iterrows():
        print(
            f"{row['mAP']:6.2f} {_interval(row):<16} {row['CMC@1']:6.2f}  {row['queries']:7}  {row['vehicles']:8}"
            f"  {row['kind']}: {row['value']}"
        )
    if len(found.mistakes):
        print("\nwhat is wrongly first has with its query:   share  by chance")
        for row in found.mistakes.itertuples():
            print(f"  {row.relation:<40} {row.share:6.1f} %  {row.chance:6.1f} %")
    print("\nothers in the gallery     mAP   CMC@1    mINP")
    for _, row in pd.read_parquet(out / slicing.SIZES_FILE).iterrows():
        print(f"{int(row['others']):>21,}  {row['mAP']:6.2f}  {row['CMC@1']:6.2f}  {row['mINP']:6.2f}")
    print(f"written: {out / slicing.SLICES_FILE}, {slicing.MISTAKES_FILE}, {slicing.SIZES_FILE}")


def _interval(row: object) -> str:
    low, high = row["low"], row["high"]  # type: ignore[index]
    return "" if low != low or low is None else f" [{low:.1f}, {high:.1f}]"
