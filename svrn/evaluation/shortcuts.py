"""What a model lives on: its metrics when parts of every test image are hidden, in queries and gallery alike."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from svrn.data import protocols
from svrn.data.benchmarks.truth import FILE
from svrn.data.embeddings import Embeddings
from svrn.data.manifest import THE_TEST, Manifest, Membership, parse_split, read_parquet
from svrn.data.protocols import Protocol
from svrn.errors import UserError
from svrn.evaluation.chance import by_chance
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.hiding import HIDDEN, Hidden, Known, hide
from svrn.evaluation.intervals import paired_difference
from svrn.evaluation.options import Options

NEEDED = ["image", "parts", "part_map", "detail_map"]
METRICS = ("mAP", "CMC@1", "CMC@5", "CMC@10", "mINP")

#: Embeddings of a manifest's test images; the folder is for the pass's own files.
Embed = Callable[[Manifest, Path], Embeddings]


def shortcuts_of(
    manifest: Manifest,
    protocol: Protocol,
    embed: Embed,
    *,
    test: str = THE_TEST,
    hidden: Sequence[Hidden] = HIDDEN,
    options: Options | None = None,
    workers: int = 1,
) -> pd.DataFrame:
    """Hide, embed and score, one thing after another.

    Returns: a row for each thing hidden: `hidden`, the metrics in percent, and the difference of mAP from nothing
        hidden with its interval over vehicles (`difference`, `low`, `high`). The last row, `chance`, is what a ranking
        that knows nothing is expected to have.

    Raises:
        UserError: no such test set, an image cannot be read, or the benchmark is not a rendered one.
    """
    rows = _test_rows(manifest, test)
    known = _known(manifest, rows)
    scored: dict[str, pd.DataFrame] = {}
    lines: list[list[object]] = []
    for what in dict.fromkeys(("nothing", *hidden)):
        with tempfile.TemporaryDirectory() as folder:
            altered = _altered(manifest, rows, known, what, Path(folder), workers)
            embeddings = embed(altered, Path(folder))
            outcome = evaluate(embeddings, altered, protocol, test, options)
        scored[what] = outcome.queries
        named = outcome.scores.named()
        change = paired_difference(outcome.queries, scored["nothing"])["mAP"].difference
        lines.append([what, *(named[name] for name in METRICS), change.value, change.low, change.high])
    chance = by_chance(scored["nothing"])
    lines.append(["chance", *(chance[name] for name in METRICS), chance["mAP"] - float(str(lines[0][1])), None, None])
    return pd.DataFrame(lines, columns=["hidden", *METRICS, "difference", "low", "high"])


def _test_rows(manifest: Manifest, test: str) -> pd.DataFrame:
    wanted = {Membership(test, role) for role in ("query", "gallery", "pool")}
    inside = manifest.table["split"].map(lambda text: bool(parse_split(text) & wanted)).to_numpy(dtype=bool)
    if not inside.any():
        next(protocols.trials(manifest, protocols.get("plain"), test))  # says which test sets there are
    return manifest.table[inside]


def _known(manifest: Manifest, rows: pd.DataFrame) -> list[Known]:
    file = manifest.root / FILE
    if not file.is_file():
        raise UserError(
            "nothing is known of where these images' plates, backgrounds and details are",
            where=str(file),
            mend="take an embedded benchmark: only rendered images have a ground truth",
        )
    truth = read_parquet(file)
    absent = [name for name in NEEDED if name not in truth.column_names]
    if absent:
        raise UserError(f"column {absent[0]!r} is missing", where=str(file), mend="render the benchmark again")
    listed = truth.select(NEEDED).to_pandas().drop_duplicates("image").set_index("image", drop=False)
    missing = rows["image"][~rows["image"].isin(listed.index)]
    if len(missing):
        raise UserError(
            f"{len(missing)} test images are not in it, the first is {missing.iloc[0]!r}",
            where=str(file),
            mend="render the benchmark again, then make its manifest",
        )
    return [Known.of(row) for row in listed.loc[rows["image"]].to_dict("records")]


def _altered(
    manifest: Manifest, rows: pd.DataFrame, known: Sequence[Known], hidden: Hidden, folder: Path, workers: int
) -> Manifest:
    """The test images with something hidden, under the same names; no cache of pictures takes them for the old ones."""

    def one(number: int) -> str:
        source = manifest.image_path(rows["path"].iloc[number])
        try:
            with Image.open(source) as opened:
                pixels = np.asarray(opened.convert("RGB"))
        except OSError as error:
            raise UserError(
                f"cannot read this image: {error}",
                where=str(source),
                mend="restore the file, then verify the benchmark",
            ) from error
        target = folder / f"{number:06d}.png"
        Image.fromarray(hide(pixels, known[number], hidden)).save(target, compress_level=1)
        return target.name

    with ThreadPoolExecutor(max(1, workers)) as pool:
        paths = list(pool.map(one, range(len(rows))))
    digests = rows["digest"].fillna(rows["image"]) + f" without {hidden}"
    return replace(manifest, table=rows.assign(path=paths, digest=digests), root=folder)
