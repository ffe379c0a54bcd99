"""The embedded benchmark: vehicles rendered from code, with identities, cameras and near-duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from svrn.data.synthetic.planning import plan, train_digest
from svrn.data.synthetic.presets import Preset, make_preset, preset_named, presets

if TYPE_CHECKING:
    from svrn.data.synthetic.images import Progress

__all__ = ["Preset", "make_preset", "plan", "preset_named", "presets", "render_benchmark", "train_digest"]


def render_benchmark(
    preset: str | Preset,
    layout: str,
    out: Path,
    *,
    split: str = "main",
    images: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Render a benchmark in the layout of `veri776`, `vehicleid` or `veriwild`; see `benchmark.render_benchmark`."""
    from svrn.data.synthetic.benchmark import render_benchmark as render

    return render(preset, layout, out, split=split, images_folder=images, workers=workers, progress=progress)
