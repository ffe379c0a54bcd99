"""The evaluator against the bare product and the peers, each in the same run: `python -m benchmarks.evaluation`.

--size large is VERI-WILD-Large's 10,000 x 128,517 x 2048. --peers DIR names a folder with checkouts of
deep-person-reid and fast-reid (their Cython rankers built in place, if they are to be measured).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import ROOT, Row, record, row
from benchmarks.evaluation_data import SIZES, Size, made
from benchmarks.evaluation_jobs import Outcome
from svrn.evaluation.options import multiplies_int8

LIMITS = ("product-numpy", "product-torch")
ROUNDS = 2  # in which limits and ours take turns: a shared machine is now quick, now slow
PEERS = (
    "fastreid-cython",
    "torchreid-cython",
    "fastreid-python",
    "torchreid-python",
    "pytorch-metric-learning",
)
FASTEST = ("fastreid-cython", "fastreid-cython given numpy's product")
GROWTH = ((250, 10_000), (500, 10_000), (500, 20_000), (1_000, 20_000))
MEMORY_GIB = 4.0


class Bench:
    """Runs jobs, each in a process of its own, on made features in a folder."""

    def __init__(self, folder: Path, peers: list[Path], repeats: int) -> None:
        self.folder, self.peers, self.repeats = folder, peers, repeats

    def run(self, job: str, size: Size) -> Outcome | None:
        """A job's outcome; None, with its last words printed, where it cannot be done here."""
        files = made(self.folder, size)
        repeats = 1 if size.large else self.repeats
        words = [job, *map(str, files), str(repeats), *map(str, self.peers)]
        command = [sys.executable, "-m", "benchmarks.evaluation_jobs", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no word"]
            print(f"  {job}: not measured: {said[-1]}", flush=True)
            return None
        outcome = Outcome(**json.loads(done.stdout.splitlines()[-1]))
        print(f"  {job}: {outcome.wall:.3f} s, {outcome.cpu:.3f} CPU s, {outcome.peak_gib:.2f} GiB", flush=True)
        return outcome

    def sure(self, job: str, size: Size) -> Outcome:
        outcome = self.run(job, size)
        if outcome is None:
            raise SystemExit(f"{job} failed at {size.name}")
        return outcome


def against_limit(bench: Bench, size: Size) -> list[Row]:
    """Our time beside the fastest bare float32 product, and our peak beside 4 GiB."""
    rounds = [{job: bench.sure(job, size) for job in (*LIMITS, "ours", "ours-float32")} for _ in range(ROUNDS)]
    least = {job: _least([one[job] for one in rounds]) for job in rounds[0]}
    ours, single = least.pop("ours"), least.pop("ours-float32")
    name, fastest = min(least.items(), key=lambda item: item[1].wall)
    lean, leanest = min(least.items(), key=lambda item: item[1].cpu)
    goal = "ratio at most 1.5" if size.large else None
    rows = []
    for about, one in ((f"evaluation {size.name}", ours), (f"evaluation {size.name} in float32", single)):
        share = one.metrics["recomputed"] / size.pairs
        rows += [
            row(f"{about}: time", one.wall, "s", limit=(name, fastest.wall), goal=goal),
            row(f"{about}: processor time", one.cpu, "CPU s", limit=(lean, leanest.cpu), goal=goal),
            row(f"{about}: peak memory", one.peak_gib, "GiB", limit=("4 GiB", MEMORY_GIB), goal="ratio at most 1"),
            row(f"{about}: mAP", 100 * one.metrics["mAP"], "%"),
            row(f"{about}: scores worked out again, of all", share, "share"),
        ]
    return rows


def _least(outcomes: list[Outcome]) -> Outcome:
    """The least times and the greatest peak of several runs of a job."""
    wall, cpu = min(one.wall for one in outcomes), min(one.cpu for one in outcomes)
    return Outcome(wall, cpu, max(one.peak_gib for one in outcomes), outcomes[0].metrics)


def certified(bench: Bench, size: Size) -> list[Row]:
    """Coarse products with certified bounds beside the bare ones, and beside our float32."""
    ours, rows = bench.sure("ours-float32", size), []
    for kind in ("int8", "bfloat16") if multiplies_int8() else ("bfloat16",):
        rounded, bare = bench.sure(f"ours-{kind}", size), bench.sure(f"product-torch-{kind}", size)
        about = f"evaluation {size.name}: certified {kind}"
        rows.append(
            row(about, rounded.wall, "s", peer=(f"bare {kind} product", bare.wall), limit=("our float32", ours.wall))
        )
        rows.append(_difference(about, rounded, ours, "float32", goal="0"))
    return rows


def against_peers(bench: Bench, size: Size, peers: tuple[str, ...], *, job: str = "ours") -> list[Row]:
    """Peers' times beside ours, and how far their mAP is from ours on the same features."""
    ours = bench.sure(job, size)
    rows = []
    for name in peers:
        outcome = bench.run(name, size)
        if outcome is None:
            continue
        plain = name == "pytorch-metric-learning"
        reference = bench.sure("ours-plain", size) if plain else ours
        about = f"evaluation {size.name} against {name}"
        ratio = outcome.wall / ours.wall
        goal = "at least 5" if name == "fastreid-cython" and size.large else None
        rows.append(row(f"{about}: time", ours.wall, "s", peer=(name, outcome.wall), ratio=ratio, goal=goal))
        rows.append(
            row(
                f"{about}: processor time",
                ours.cpu,
                "CPU s",
                peer=(name, outcome.cpu),
                ratio=outcome.cpu / ours.cpu,
            )
        )
        rows.append(
            row(
                f"{about}: memory",
                ours.peak_gib,
                "GiB",
                peer=(name, outcome.peak_gib),
                ratio=outcome.peak_gib / ours.peak_gib,
            )
        )
        rows.append(_difference(about, outcome, reference, "ours", goal="at most 1e-6"))
    return rows


def on_gpu(bench: Bench, size: Size) -> Iterator[Row]:
    """The same evaluator with the product on a GPU, beside the bare product there and beside the CPU alone."""
    here = bench.sure("ours-float32", size)
    bare = bench.sure("product-cuda", size)
    for precision in ("float32", "bfloat16", "tf32"):
        there = bench.sure("ours-cuda" if precision == "float32" else f"ours-cuda-{precision}", size)
        about = f"evaluation {size.name} on a GPU, {precision}"
        yield row(about, there.wall, "s", peer=("CPU alone", here.wall), limit=("bare product there", bare.wall))
        yield _difference(about, there, here, "the CPU's", goal="0")


def precisions(bench: Bench, size: Size) -> list[Row]:
    """What float64, the grid and uncertified rounding do to the numbers."""
    ours = bench.sure("ours-float32", size)
    double = bench.sure("ours-float64", size)
    about = f"evaluation {size.name}"
    return [
        row(f"{about}: float64 product", double.wall, "s", peer=("float32", ours.wall)),
        _difference(f"{about}: float64 product", double, ours, "float32", goal="0"),
        _difference(
            f"{about}: float64 cosines off the grid",
            bench.sure("cosine-float64", size),
            ours,
            "ours",
            "at most 1e-6",
        ),
        _difference(f"{about}: bfloat16 uncertified", bench.sure("rounded-bfloat16", size), ours, "ours", None),
    ]


def visible_parts(bench: Bench, size: Size) -> list[Row]:
    """PVEN's distance beside one vector of the same length and its own pair function, in processor time."""
    rounds = [[bench.sure(job, size) for job in ("ours-float32", "ours-parts", "pair-function")] for _ in range(ROUNDS)]
    one, parts, function = (min(outcome.cpu for outcome in job) for job in zip(*rounds, strict=True))
    about = f"evaluation {size.name}: visible parts, processor time"
    limit = ("one vector and the pair function", one + function)
    return [
        row(about, parts, "CPU s", peer=("one vector", one), limit=limit, goal="ratio at most 1.4"),
        row(f"{about}: the pair function", 1e9 * function / size.pairs, "ns a pair"),
    ]


def verification(bench: Bench, size: Size) -> list[Row]:
    """All answers about pairs and the open set beside the ranking, in processor time, and the peak."""
    rounds = [[bench.sure(job, size) for job in ("ours", "verification")] for _ in range(1 if size.large else ROUNDS)]
    ranking, pairs = (_least(list(job)) for job in zip(*rounds, strict=True))
    about = f"verification {size.name}"
    limit, goal = ("the ranking", ranking.cpu), "ratio at most 2" if size.large else None
    return [
        row(f"{about}: processor time", pairs.cpu, "CPU s", limit=limit, goal=goal),
        row(f"{about}: peak memory", pairs.peak_gib, "GiB", limit=("4 GiB", MEMORY_GIB), goal="ratio at most 1"),
    ]


def growth(bench: Bench) -> list[Row]:
    """Nanoseconds a pair over four sizes: the same where cost grows as queries x gallery."""
    rows = []
    base: float | None = None
    for queries, gallery in GROWTH:
        size = Size(queries, gallery, 1024, 500, 40)
        cost = bench.sure("ours-float32", size).cpu / size.pairs * 1e9
        base = base or cost
        name = f"evaluation growth {size.name}: processor time a pair"
        rows.append(row(name, cost, "ns", peer=("smallest size", base)))
    return rows


def _difference(about: str, one: Outcome, other: Outcome, name: str, goal: str | None) -> Row:
    metrics = [m for m in ("mAP", "CMC@1", "mINP") if m in one.metrics and m in other.metrics]
    far = max(abs(one.metrics[m] - other.metrics[m]) for m in metrics)
    return row(f"{about}: greatest difference of {', '.join(metrics)} from {name}", far, "fraction", goal=goal)


def torch_sees_a_gpu() -> bool:
    import torch  # seconds, and this process needs no more of it

    return torch.cuda.is_available()


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="svrn-bench-") as name:
        yield Path(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="default")
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the made features here")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    size = SIZES[options.size]
    with _folder(options.data) as folder:
        bench = Bench(folder.resolve(), [peer.resolve() for peer in options.peers], options.repeats)
        record(against_limit(bench, size))
        if torch_sees_a_gpu():
            for one in on_gpu(bench, size):
                record([one])
        record(certified(bench, size))
        record(verification(bench, size))
        # The peers' Python rankers take half an hour at the large size, and most of all of them do not fit.
        peers = FASTEST if size.large else PEERS[:2] if size.pairs > 10**7 else PEERS
        record(against_peers(bench, size, peers))
        if not size.large:
            record(precisions(bench, SIZES["small"]))
            record(visible_parts(bench, size))
            record(against_peers(bench, SIZES["small"], PEERS, job="ours-arrays"))
            record(growth(bench))


if __name__ == "__main__":
    main()
