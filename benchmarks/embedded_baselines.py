"""What simple features score on the embedded benchmark, on both of its test splits.

    python -m benchmarks.embedded_baselines [--preset demo] [--root data/embedded-baselines]
        [--pixels N] [--frames N] [--embeddings FILE --embeddings-unseen FILE]

Raw pixels, a colour histogram, ImageNet features of EfficientNet-Lite0, and any embeddings given (a trained
baseline's), under VeRi-776's protocol: mAP, CMC@1, and how often the first match has the right model and colour. Also
how often the nearest image of all by raw pixels comes from the query's own camera and vehicle, which is what the junk
rule removes.
Writes results/embedded-baselines.json and prints the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from svrn.data.benchmarks.build import build_manifest
from svrn.data.embeddings import Embeddings, read_embeddings
from svrn.data.manifest import Manifest
from svrn.data.synthetic import make_preset, render_benchmark
from svrn.data.synthetic.presets import preset_named
from svrn.evaluation.evaluator import evaluate
from svrn.evaluation.options import Options
from svrn.files import write_json

Floats = npt.NDArray[np.float32]
SPLITS = ("main", "unseen")


@dataclass(frozen=True)
class Row:
    """One feature on one test split; everything in percent."""

    feature: str
    split: str
    map: float
    cmc1: float
    first_right_model: float
    first_right_model_and_colour: float
    queries: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="demo")
    parser.add_argument(
        "--pixels", type=int, help="smaller images than the preset's, for its full number of identities"
    )
    parser.add_argument("--frames", type=int, help="fewer frames of each pass than the preset's")
    parser.add_argument("--root", type=Path, default=Path("data/embedded-baselines"))
    parser.add_argument("--embeddings", type=Path, help="of the main split, e.g. a trained baseline's")
    parser.add_argument("--embeddings-unseen", type=Path, help="of the unseen split")
    parser.add_argument("--out", type=Path, default=Path("results/embedded-baselines.json"))
    chosen = parser.parse_args()
    given = {"main": chosen.embeddings, "unseen": chosen.embeddings_unseen}
    changed = {name: value for name in ("pixels", "frames") if (value := getattr(chosen, name)) is not None}
    preset = make_preset(**{**preset_named(chosen.preset).model_dump(), **changed})
    rows: list[Row] = []
    nearest: dict[str, float] = {}
    for split in SPLITS:
        folder = chosen.root / f"{preset.name}-{preset.pixels}-{preset.frames}-{split}"
        render_benchmark(preset, "veri776", folder, split=split, images=chosen.root / "rendered-images")
        manifest = build_manifest("embedded", "veri776", folder, official=False, progress=_silent)
        truth = pd.read_parquet(folder / "ground_truth.parquet", columns=["image", "model", "colour"]).set_index(
            "image"
        )
        features: dict[str, Embeddings] = {
            "raw pixels": _embed(manifest, raw_pixels),
            "colour histogram": _embed(manifest, colour_histogram),
            "ImageNet features": _embed(manifest, imagenet_features()),
        }
        if given[split] is not None:
            features["trained baseline"] = read_embeddings(given[split])
        nearest[split] = own_camera_first(features["raw pixels"], manifest)
        rows += [score(name, split, vectors, manifest, truth) for name, vectors in features.items()]
    write_json(
        chosen.out,
        {
            "preset": preset.model_dump(),
            "protocol": "veri776",
            "rows": [asdict(row) for row in rows],
            "nearest_by_raw_pixels_is_same_vehicle_and_camera": nearest,
        },
    )
    print(table(rows))
    for split, share in nearest.items():
        print(
            f"{split}: for {share:.1f} % of queries the nearest other image by raw pixels shows "
            "the same vehicle before the same camera"
        )


def raw_pixels(picture: Image.Image) -> Floats:
    """The picture at 32 x 32, its mean taken out."""
    pixels = np.asarray(picture.resize((32, 32), Image.Resampling.BOX), np.float32).ravel()
    return pixels - pixels.mean()


def colour_histogram(picture: Image.Image) -> Floats:
    """Square roots of an 8 x 8 x 8 histogram of RGB (Hellinger's distance)."""
    pixels = np.asarray(picture).reshape(-1, 3) // 32
    counts = np.bincount(pixels @ np.array([64, 8, 1]), minlength=512).astype(np.float32)
    return np.sqrt(counts / counts.sum())


def imagenet_features() -> Callable[[Image.Image], Floats]:
    """Pooled features of EfficientNet-Lite0 at 144 px with its ImageNet weights, as a function of one picture."""
    import torch

    from svrn.backbones import build_blocks
    from svrn.config.parameters import Backbone

    blocks = build_blocks(Backbone(name="efficientnet_lite0", weights="imagenet"))
    for block in blocks.blocks:
        block.eval()
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def features(picture: Image.Image) -> Floats:
        small = np.asarray(picture.resize((144, 144), Image.Resampling.BILINEAR), np.float32) / 255
        with torch.inference_mode():
            x = ((torch.from_numpy(small).permute(2, 0, 1) - mean) / std)[None]
            for block in blocks.blocks:
                x = block(x)
            return x.mean((2, 3))[0].numpy()

    return features


def _embed(manifest: Manifest, feature: Callable[[Image.Image], Floats]) -> Embeddings:
    """One vector for every test image."""
    rows = manifest.table[manifest.table["split"] != "train"]
    vectors = []
    for path in rows["path"]:
        with Image.open(manifest.image_path(path)) as picture:
            vectors.append(feature(picture.convert("RGB")))
    return Embeddings(rows["image"].to_numpy(dtype=object), np.stack(vectors).astype(np.float32))


def score(name: str, split: str, vectors: Embeddings, manifest: Manifest, truth: pd.DataFrame) -> Row:
    """mAP and CMC@1 under VeRi-776's protocol, and what the first kept match gets right."""
    result = evaluate(vectors, manifest, "veri776", options=Options(top=64))
    queries = result.queries[result.queries["valid"]]
    kept = [
        next(name for name, junk in zip(names, junks, strict=True) if not junk)
        for names, junks in zip(queries["top_images"], queries["top_junk"], strict=True)
    ]
    first = truth.loc[kept]
    asked = truth.loc[list(queries["image"])]
    model = first["model"].to_numpy() == asked["model"].to_numpy()
    colour = first["colour"].to_numpy() == asked["colour"].to_numpy()
    return Row(
        name,
        split,
        round(result.scores.map, 2),
        round(result.scores.cmc[1], 2),
        round(100 * float(model.mean()), 1),
        round(100 * float((model & colour).mean()), 1),
        len(queries),
    )


def own_camera_first(vectors: Embeddings, manifest: Manifest) -> float:
    """For how many queries (percent) the nearest other test image shows the same vehicle before the same camera."""
    unit = vectors.vectors / np.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    labels = manifest.table.set_index("image").loc[list(vectors.images), ["vehicle", "camera"]].to_numpy(dtype=np.int64)
    queries = np.flatnonzero(np.isin(vectors.images, manifest.members("query")["image"].to_numpy(dtype=object)))
    similarity = unit[queries] @ unit.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    nearest = similarity.argmax(1)
    return round(100 * float((labels[nearest] == labels[queries]).all(1).mean()), 1)


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| features | test split | mAP | CMC@1 | first match: right model | right model and colour |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.feature} | {r.split} | {r.map:.1f} | {r.cmc1:.1f} | {r.first_right_model:.1f} "
        f"| {r.first_right_model_and_colour:.1f} |"
        for r in rows
    ]
    return "\n".join(lines)


@contextmanager
def _silent(total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


if __name__ == "__main__":
    main()
