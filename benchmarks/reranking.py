"""k-reciprocal re-ranking against the published code, and its growth: `python -m benchmarks.reranking`.

--peers DIR names a folder with a checkout of deep-person-reid (its copy of the published function is measured). --size
large is VERI-WILD-Large's union of 138,517 images, for which that function would need about 450 GB. Each measurement
is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.common import ROOT, best, clean_blas, peak_gib, record, row

clean_blas()

import numpy as np  # noqa: E402

from benchmarks.evaluation_data import SIZES, Size, made  # noqa: E402
from benchmarks.evaluation_jobs import Input, Outcome, found_file, module_of  # noqa: E402
from svrn.data.embeddings import read_embeddings  # noqa: E402
from svrn.data.manifest import read_manifest  # noqa: E402
from svrn.evaluation.evaluator import evaluate  # noqa: E402

PEER = "torchreid/utils/rerank.py"
GROWTH = ((200, 1_800), (400, 3_600), (800, 7_200))
MEMORY_GIB = 8.0


def ours(data: Input) -> dict[str, float]:
    found = evaluate(data.embeddings, data.manifest, "veriwild", reranking="k-reciprocal")
    return {"mAP": found.scores.map / 100, "CMC@1": found.scores.cmc[1] / 100}


def published(data: Input, folders: list[Path]) -> dict[str, float]:
    """The published function on squared distances of unit features, ranked by a full sort."""
    (query, vehicles, cameras), (gallery, gallery_vehicles, gallery_cameras) = map(data.part, ("query", "gallery"))

    def squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.maximum(2 - 2 * (one.astype(np.float64) @ other.T.astype(np.float64)), 0)

    parts = (squared(query, gallery), squared(query, query), squared(gallery, gallery))
    distances = module_of("rerank", found_file(folders, PEER)).re_ranking(*parts)
    precisions, firsts = [], []
    for line, vehicle, camera in zip(distances, vehicles, cameras, strict=True):
        order = np.argsort(line, kind="stable")
        same = gallery_vehicles[order] == vehicle
        places = np.flatnonzero(same[~(same & (gallery_cameras[order] == camera))]) + 1
        if len(places):
            precisions.append(np.mean(np.arange(1, len(places) + 1) / places))
            firsts.append(places[0])
    return {"mAP": float(np.mean(precisions)), "CMC@1": float(np.mean(np.array(firsts) == 1))}


def job(words: list[str]) -> None:
    name, manifest, embeddings, *folders = words
    data = Input(read_manifest(manifest), read_embeddings(embeddings))
    call: Callable[[], dict[str, float]] = lambda: ours(data)  # noqa: E731
    if name == "published":
        call = lambda: published(data, [Path(folder) for folder in folders])  # noqa: E731
    answers: list[dict[str, float]] = []
    cost = best(lambda: answers.append(call()), 1)
    print(json.dumps(asdict(Outcome(cost.wall, cost.cpu, peak_gib(), answers[-1]))))


def measured(name: str, folder: Path, size: Size, peers: list[Path]) -> Outcome | None:
    """One job in its own process; None, with its last words printed, where it cannot be done."""
    words = ["--job", name, *map(str, made(folder, size)), *map(str, peers)]
    command = [sys.executable, "-m", "benchmarks.reranking", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        print(f"  {name} at {size.name}: not measured: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
        return None
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    if sys.argv[1:2] == ["--job"]:
        job(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=("default", "large"), default="default")
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the made features here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="svrn-bench-") as scratch:
        folder = (options.data or Path(scratch)).resolve()
        peers = [peer.resolve() for peer in options.peers]
        sizes = [Size(q, g, 512, 300, 30) for q, g in GROWTH] if options.size == "default" else [SIZES["large"]]
        for size in sizes:
            mine = measured("ours", folder, size, [])
            if mine is None:
                raise SystemExit(f"re-ranking failed at {size.name}")
            peer = None if size.large else measured("published", folder, size, peers)
            about = f"k-reciprocal re-ranking {size.name}"
            beside = {"peer": ("torchreid", peer.wall)} if peer else {}
            of_cpu = {"peer": ("torchreid", peer.cpu)} if peer else {}
            rows = [row(f"{about}: time", mine.wall, "s", **beside)]
            rows.append(row(f"{about}: processor time", mine.cpu, "CPU s", **of_cpu))
            limit = ("8 GiB", MEMORY_GIB) if size.large else None
            of_peer = ("torchreid", peer.peak_gib) if peer else None
            goal = "ratio at most 1" if size.large else None
            rows.append(row(f"{about}: peak memory", mine.peak_gib, "GiB", peer=of_peer, limit=limit, goal=goal))
            if peer:
                far = max(abs(mine.metrics[m] - peer.metrics[m]) for m in mine.metrics)
                name = f"{about}: greatest difference of mAP, CMC@1 from torchreid"
                rows.append(row(name, far, "fraction", goal="at most 1e-5"))
            record(rows)


if __name__ == "__main__":
    main()
