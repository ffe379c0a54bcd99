"""What the evaluation benchmark measures: one job a process, so that each has its own peak of memory.

Run as `python -m benchmarks.evaluation_jobs JOB MANIFEST EMBEDDINGS REPEATS [PEER FOLDERS]`; prints one line of
JSON. Reading the features is not in the times; it is in the peak.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.common import best, clean_blas, peak_gib

clean_blas()

import numpy as np  # noqa: E402

import svrn  # noqa: E402
from svrn.data import protocols  # noqa: E402
from svrn.data.distances import VisibleParts  # noqa: E402
from svrn.data.embeddings import Embeddings, read_embeddings  # noqa: E402
from svrn.data.manifest import Manifest, read_manifest  # noqa: E402
from svrn.evaluation import visible_parts  # noqa: E402
from svrn.evaluation.benchmark import Benchmark  # noqa: E402
from svrn.evaluation.evaluator import evaluate  # noqa: E402
from svrn.evaluation.grid import on_grid  # noqa: E402
from svrn.evaluation.int8 import levels_of  # noqa: E402
from svrn.evaluation.options import Options  # noqa: E402
from svrn.evaluation.scores import TILE  # noqa: E402
from svrn.evaluation.verification import verify  # noqa: E402

CHUNK = 1024
RANKERS = {"torchreid": "torchreid/metrics/rank.py", "fastreid": "fastreid/evaluation/rank.py"}
PROTOCOL = "veriwild"


@dataclass(frozen=True)
class Outcome:
    """Least wall and processor seconds of a job, its process's peak, and the metrics (fractions) where it has
    any."""

    wall: float
    cpu: float
    peak_gib: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Input:
    """Features of length one and labels, as arrays."""

    manifest: Manifest
    embeddings: Embeddings

    def part(self, role: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features, vehicles and cameras of a role. The made features are in manifest order: a view, no
        copy."""
        wanted = (self.manifest.table["split"] == role).to_numpy()
        first, last = int(wanted.argmax()), int(wanted.argmax() + wanted.sum())
        rows = self.manifest.table.iloc[first:last]
        return self.embeddings.vectors[first:last], *(rows[c].to_numpy(dtype=np.int64) for c in ("vehicle", "camera"))


def ours(precision: str = "auto", device: str = "cpu") -> Callable[[Input, list[Path]], Callable[[], dict[str, float]]]:
    """Our evaluator: everything from embeddings in memory to metrics, the per-query table included."""

    def job(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
        def call() -> dict[str, float]:
            outcome = evaluate(
                data.embeddings, data.manifest, PROTOCOL, options=Options(precision=precision, device=device)
            )
            scores = {name: value / 100 for name, value in outcome.scores.named().items()}
            return {**scores, "recomputed": float(outcome.recomputed)}

        return call

    return job


def product_numpy(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    query, gallery = data.part("query")[0], data.part("gallery")[0]
    out = np.empty((min(CHUNK, len(query)), len(gallery)), dtype=np.float32)

    def call() -> dict[str, float]:
        for start in range(0, len(query), CHUNK):
            block = query[start : start + CHUNK]
            np.matmul(block, gallery.T, out=out[: len(block)])
        return {}

    return call


def product_torch(kind: str, device: str = "cpu") -> Callable[[Input, list[Path]], Callable[[], dict[str, float]]]:
    """The bare product; on a GPU of features that are there already, its scores left there."""

    def job(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
        import torch

        wanted = getattr(torch, kind)
        query, gallery = (torch.from_numpy(data.part(role)[0]).to(device, wanted) for role in ("query", "gallery"))
        out = torch.empty((min(CHUNK, len(query)), len(gallery)), dtype=wanted, device=device)

        def call() -> dict[str, float]:
            for start in range(0, len(query), CHUNK):
                block = query[start : start + CHUNK]
                torch.mm(block, gallery.T, out=out[: len(block)])
            if device != "cpu":
                torch.cuda.synchronize()
            return {}

        return call

    return job


def product_int8(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """The bare product of 8-bit levels, made beforehand."""
    import torch

    count = len(data.part("query")[0])
    vectors, threads = data.embeddings.vectors, Options().thread_count()
    whole = on_grid(vectors, np.arange(len(vectors)), "cosine", threads=threads)
    levels = torch.from_numpy(levels_of(whole, threads).levels)
    query, gallery = levels[:count], levels[count:]
    out = torch.empty((min(CHUNK, count), len(gallery)), dtype=torch.int32)

    def call() -> dict[str, float]:
        for start in range(0, count, CHUNK):
            block = query[start : start + CHUNK]
            torch._int_mm(block, gallery.T, out=out[: len(block)])
        return {}

    return call


def rounded(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """bfloat16 features taken at their word: what certifying saves one from."""
    import torch

    vectors = torch.from_numpy(data.embeddings.vectors).to(torch.bfloat16).to(torch.float32).numpy()
    coarse = Embeddings(data.embeddings.images, vectors)
    return ours("float32")(Input(data.manifest, coarse), [])


def cosine_float64(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """A literal evaluator on float64 cosines, no grid, a full sort: what our numbers should be."""
    query, vehicles, cameras = data.part("query")
    gallery, gallery_vehicles, gallery_cameras = data.part("gallery")
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (query.astype(float), gallery.astype(float))]

    def call() -> dict[str, float]:
        precisions, firsts, penalties = [], [], []
        for feature, vehicle, camera in zip(unit[0], vehicles, cameras, strict=True):
            order = np.argsort(-(unit[1] @ feature), kind="stable")
            same = gallery_vehicles[order] == vehicle
            places = np.flatnonzero(same[~(same & (gallery_cameras[order] == camera))]) + 1
            if len(places):
                precisions.append(np.mean(np.arange(1, len(places) + 1) / places))
                penalties.append(len(places) / places[-1])
                firsts.append(places[0])
        first = float(np.mean(np.array(firsts) == 1))
        return {"mAP": float(np.mean(precisions)), "CMC@1": first, "mINP": float(np.mean(penalties))}

    return call


def peer(
    package: str, *, cython: bool, own_distances: bool = True
) -> Callable[[Input, list[Path]], Callable[[], dict[str, float]]]:
    """torchreid's or fast-reid's evaluation as its users run it, from a checkout: its cosine distances, then its
    ranking, with its Cython ranker if it has been built there.

    own_distances: else it is given numpy's product, the fastest, which its users do not have."""

    def job(data: Input, folders: list[Path]) -> Callable[[], dict[str, float]]:
        file = found_file(folders, RANKERS[package])
        if cython:
            built = sorted((file.parent / "rank_cylib").glob("rank_cy*.so"))
            if not built:
                raise SystemExit(f"{file.parent / 'rank_cylib'}: the Cython ranker is not built")
            score = module_of("rank_cy", built[0]).evaluate_cy
        else:
            score = module_of(f"{package}_rank", file).evaluate_py
        query, vehicles, cameras = data.part("query")
        gallery, gallery_vehicles, gallery_cameras = data.part("gallery")
        distance = distances_of(package, folders) if own_distances else lambda one, other: 1 - one @ other.T

        def call() -> dict[str, float]:
            answer = score(distance(query, gallery), vehicles, gallery_vehicles, cameras, gallery_cameras, 50, False)
            if len(answer) == 2:
                return {"mAP": float(answer[1]), "CMC@1": float(answer[0][0])}
            cmc, precisions, penalties = answer
            return {
                "mAP": float(np.mean(precisions)),
                "CMC@1": float(cmc[0]),
                "mINP": float(np.mean(penalties)),
            }

        return call

    return job


def distances_of(package: str, folders: list[Path]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The package's own cosine distances between all queries and all of the gallery."""
    import torch

    if package == "torchreid":
        own = module_of("torchreid_distance", found_file(folders, "torchreid/metrics/distance.py"))
        measured = own.compute_distance_matrix
    else:
        sys.path.insert(0, str(found_file(folders, RANKERS[package]).parents[2]))
        measured = importlib.import_module("fastreid.utils.compute_dist").build_dist  # a module of several files

    def distances(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
        return np.asarray(measured(torch.from_numpy(query), torch.from_numpy(gallery), "cosine"))

    return distances


def metric_learning(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """pytorch-metric-learning, where it is installed. It has no junk rule: parity is with protocol plain."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    query, vehicles, _cameras = data.part("query")
    gallery, gallery_vehicles, _cameras = data.part("gallery")
    calculator = AccuracyCalculator(("mean_average_precision", "precision_at_1"), k=len(gallery))

    def call() -> dict[str, float]:
        parts = (query, vehicles, gallery, gallery_vehicles)
        found = calculator.get_accuracy(*map(torch.from_numpy, parts), ref_includes_query=False)
        return {"mAP": float(found["mean_average_precision"]), "CMC@1": float(found["precision_at_1"])}

    return call


def arrays(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """`svrn.evaluate` on what the peers are given: arrays, no names."""
    sides = zip(data.part("query"), data.part("gallery"), strict=True)
    given = [one for side in sides for one in side]  # features, ids, cameras, each of queries and gallery

    def call() -> dict[str, float]:
        outcome = svrn.evaluate(*given, protocol=PROTOCOL)
        return {name: value / 100 for name, value in outcome.metrics.items()}

    return call


def verification(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """All that `svrn verification` answers, from embeddings in memory."""

    def call() -> dict[str, float]:
        found = verify(Benchmark(data.embeddings, data.manifest, protocols.get(PROTOCOL)))
        return {"EER": found.equal_error.rate}

    return call


def plain(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    return lambda: {
        name: value / 100 for name, value in evaluate(data.embeddings, data.manifest, "plain").scores.named().items()
    }


def with_parts(vectors: np.ndarray) -> tuple[np.ndarray, VisibleParts]:
    """The same features, taken for a global one and four parts', with counts of visible cells."""
    whole = vectors.shape[1] // 4
    part = (vectors.shape[1] - whole) // 4
    distance = VisibleParts(vectors.shape[1] - 4 * part, (part,) * 4, 0.5, "sqrt")
    counts = np.random.default_rng(0).integers(1, 100, (len(vectors), 4)).astype(np.float32)
    return np.concatenate([vectors, counts], axis=1), distance


def ours_parts(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """PVEN's distance, on features as long as `ours-float32` has them."""
    vectors, distance = with_parts(data.embeddings.vectors)
    embeddings = Embeddings(data.embeddings.images, vectors, {"distance": distance.text()})
    return ours("float32")(Input(data.manifest, embeddings), [])


def pair_function(data: Input, _: list[Path]) -> Callable[[], dict[str, float]]:
    """What PVEN's distance makes of five inner products, for as many pairs, in one thread."""
    pairs = len(data.part("query")[0]) * len(data.part("gallery")[0])
    rng = np.random.default_rng(0)
    rows = visible_parts.ROWS
    planes = [rng.random((rows, TILE), dtype=np.float32) / 2 for _ in range(5)]
    half, other = np.full((rows, 1), 0.5, dtype=np.float32), np.full(TILE, 0.5, dtype=np.float32)
    seen, others = (rng.random((4, *shape), dtype=np.float32) + 1 for shape in ((rows, 1), (TILE,)))
    distance = VisibleParts(1, (1, 1, 1, 1), 0.5, "sqrt")

    def call() -> dict[str, float]:
        for _ in range(pairs // (rows * TILE)):
            squares = [visible_parts.squares_of(half, other, plane) for plane in planes]
            visible_parts.distances_of(squares, [one * two for one, two in zip(seen, others, strict=True)], distance)
        return {}

    return call


JOBS: dict[str, Callable[[Input, list[Path]], Callable[[], dict[str, float]]]] = {
    "product-numpy": product_numpy,
    "product-torch": product_torch("float32"),
    "product-torch-bfloat16": product_torch("bfloat16"),
    "product-torch-int8": product_int8,
    "ours": ours(),
    "ours-int8": ours("int8"),
    "ours-float32": ours("float32"),
    "ours-bfloat16": ours("bfloat16"),
    "ours-float64": ours("float64"),
    "product-cuda": product_torch("float32", "cuda"),
    "ours-cuda": ours("float32", "cuda"),
    "ours-cuda-tf32": ours("tf32", "cuda"),
    "ours-cuda-bfloat16": ours("bfloat16", "cuda"),
    "ours-plain": plain,
    "ours-arrays": arrays,
    "verification": verification,
    "ours-parts": ours_parts,
    "pair-function": pair_function,
    "rounded-bfloat16": rounded,
    "cosine-float64": cosine_float64,
    "torchreid-python": peer("torchreid", cython=False),
    "torchreid-cython": peer("torchreid", cython=True),
    "fastreid-python": peer("fastreid", cython=False),
    "fastreid-cython": peer("fastreid", cython=True),
    "fastreid-cython given numpy's product": peer("fastreid", cython=True, own_distances=False),
    "pytorch-metric-learning": metric_learning,
}


def found_file(folders: list[Path], path: str) -> Path:
    """The file under one of the folders, or under a checkout in one of them."""
    for folder in folders:
        for file in (folder / path, *folder.glob(f"*/{path}")):
            if file.exists():
                return file
    raise SystemExit(f"no {path} under {', '.join(map(str, folders)) or 'the given folders (--peers)'}")


def module_of(name: str, file: Path) -> ModuleType:
    """A module from one file, without its package."""
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(words: list[str]) -> None:
    name, manifest, embeddings, repeats, *folders = words
    data = Input(read_manifest(manifest), read_embeddings(embeddings))
    call = JOBS[name](data, [Path(folder) for folder in folders])
    answers: list[dict[str, Any]] = []
    cost = best(lambda: answers.append(call()), int(repeats))
    print(json.dumps(asdict(Outcome(cost.wall, cost.cpu, peak_gib(), answers[-1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
