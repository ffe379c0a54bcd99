"""`svrn verification`: the same vehicle or not, in the gallery at all or not, and how sure the answers are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svrn.cli.evaluate import Distance

if TYPE_CHECKING:
    from svrn.evaluation.benchmark import Benchmark
    from svrn.evaluation.rates import Rate
    from svrn.evaluation.verification import Verification


def verification(
    embeddings: Annotated[Path, typer.Option(help="Parquet file with the columns image and embedding")],
    manifest: Annotated[Path, typer.Option(help="Parquet manifest of the benchmark")],
    protocol: Annotated[str, typer.Option(help="veri776, vehicleid, veriwild, … (a wrong name lists all)")],
    out: Annotated[Path, typer.Option(help="folder for verification.json and roc.parquet")],
    test: Annotated[str | None, typer.Option(help="test set; may be left out where there is one")] = None,
    held_out_embeddings: Annotated[
        Path | None, typer.Option(help="of vehicles to choose thresholds on; else half of the test vehicles chooses")
    ] = None,
    held_out_manifest: Annotated[Path | None, typer.Option(help="their manifest")] = None,
    held_out_test: Annotated[str | None, typer.Option(help="their test set, where there are several")] = None,
    distance: Annotated[
        Distance | None, typer.Option(help="what near means: cosine, where the file names no distance of its own")
    ] = None,
    far: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="false acceptance rate to choose a threshold for")
    ] = None,
    fpir: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="false positive identification rate to choose one for")
    ] = None,
    memory_mib: Annotated[int, typer.Option(min=1, help="size of the scores held at once")] = 512,
    threads: Annotated[int | None, typer.Option(min=1, help="threads; all there are where not given")] = None,
) -> None:
    """Is it the same vehicle, is it in the gallery at all: error rates, thresholds carried to other vehicles,
    probabilities. Writes verification.json, which `svrn search --threshold` takes, and roc.parquet."""
    from svrn.errors import UserError
    from svrn.evaluation import verification as verifying
    from svrn.evaluation.open_set import RATES
    from svrn.evaluation.options import Options

    if (held_out_embeddings is None) != (held_out_manifest is None):
        lacking = "manifest" if held_out_manifest is None else "embeddings"
        raise UserError(
            f"held-out vehicles need embeddings and a manifest, there is no --held-out-{lacking}",
            where="svrn verification",
            mend=f"give --held-out-{lacking} too, or neither",
        )
    side = _side(embeddings, manifest, protocol, test)
    held_out = None
    if held_out_embeddings is not None and held_out_manifest is not None:
        held_out = _side(held_out_embeddings, held_out_manifest, protocol, held_out_test)
    options = Options(distance=None if distance is None else distance.value, memory_mib=memory_mib, threads=threads)
    found = verifying.verify(side, options, held_out=held_out, fars=far or verifying.FARS, fpirs=fpir or RATES)
    verifying.write_verification(found, out)
    _print(found)
    print(f"written: {out / verifying.VERIFICATION_FILE}")


def _side(embeddings: Path, manifest: Path, protocol: str, test: str | None) -> Benchmark:
    from svrn.data import protocols
    from svrn.data.embeddings import read_embeddings
    from svrn.data.manifest import read_manifest
    from svrn.evaluation.benchmark import Benchmark

    rule, table = protocols.get(protocol), read_manifest(manifest)
    return Benchmark(read_embeddings(embeddings), table, rule, test or protocols.only_test(table))


def _print(found: Verification) -> None:
    about, carried, open_set = found.about, found.carried, found.open_set
    print(f"{about['benchmark']}, test set {about['test']}, protocol {about['protocol']}")
    print(
        f"{found.genuine:,} pairs of one vehicle, {found.impostors:,} of different ones,"
        f" {found.junk:,} junk pairs removed"
    )
    if found.over_draws:
        print(f"of draw {about['draw']} of {found.over_draws[0].draws}; means over all of them at the end")
    print(f"equal error rate {100 * found.equal_error.rate:.3f} % at {found.equal_error.threshold:.4f}\n")
    print(f"The same vehicle? Accepted: {about['accepted']}, chosen on {carried.chosen_on}")
    print("asked FAR  threshold  FAR there, 95 %               TAR there, 95 %")
    for one in carried.operating:
        print(f"{one.asked:<9g}  {_number(one.threshold)}  {_rate(one.far)}  {_rate(one.tar)}")
    judged = carried.judged
    print(
        f"probabilities: Cllr {judged.cllr:.3f} bits, {judged.cllr - judged.least_cllr:.3f} of them lost by"
        f" calibration; {100 * judged.error:.1f} points from the truth on average\n"
    )
    print(f"In the gallery at all? {open_set.gallery:,} items; {open_set.present:,} queries with their vehicle there,")
    print(f"{open_set.queries:,} with it taken out")
    print("asked FPIR  threshold  FPIR there, 95 %              FNIR there, 95 %")
    for each in open_set.carried:
        print(f"{each.asked:<10g}  {_number(each.threshold)}  {_rate(each.fpir)}  {_rate(each.fnir)}")
    _print_over_draws(found)


def _print_over_draws(found: Verification) -> None:
    if not found.over_draws:
        return
    print(f"\nOver {found.over_draws[0].draws} draws, each with thresholds of its own: mean, standard deviation")
    for one in found.over_draws:
        asked = "" if one.asked is None else f" at {one.asked:g}"
        factor, unit = (1, "bits") if one.rate.startswith("Cllr") else (100, "%")
        print(f"{one.rate + asked:<26} {factor * one.mean:9.4f} {unit:<4} {factor * (one.std or 0):9.4f}")


def _number(value: float | None) -> str:
    return "too few  " if value is None else f"{value:<9.4f}"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return f"{'–':<28}"
    return f"{100 * rate.value:8.4f} % [{100 * rate.low:.3f}, {100 * rate.high:.3f}]".ljust(28)
