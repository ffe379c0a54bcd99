"""A benchmark's annotations put together: the renderer's truth or the release's labels, then what is imported."""

from __future__ import annotations

from pathlib import Path

from svrn.config.benchmark import AnnotationSources
from svrn.data.annotations.imports import import_all
from svrn.data.annotations.release import release_labels
from svrn.data.annotations.table import Annotations
from svrn.data.benchmarks.obtain import Named
from svrn.data.manifest import Manifest
from svrn.data.synthetic.images import Progress


def compose(
    named: Named,
    manifest: Manifest,
    root: Path,
    sources: AnnotationSources,
    *,
    workers: int,
    progress: Progress | None = None,
) -> Annotations:
    """The annotations of a benchmark's images in its manifest's order.

    root: the benchmark's folder, or its list's file. sources: imported files, whose columns stand in the place of those
    of the same name.

    Raises:
        UserError: a source that cannot be read, or that does not fit the images.
    """
    benchmark, imported = named.benchmark, import_all(sources, manifest)
    if benchmark.embedded is not None:
        from svrn.data.synthetic.labels import embedded_truth  # heavy; only for embedded benchmarks

        base = embedded_truth(benchmark.embedded.preset, manifest, workers, progress)
    else:
        base = release_labels(manifest, benchmark.layout, root, sources.viewpoints)
    columns = {**base.columns, **imported.columns}
    origins = {**base.origins, **imported.origins}
    order = sorted(columns, key=lambda name: (_KINDS.index(name.split(":")[0]), list(columns).index(name)))
    return Annotations(base.images, {name: columns[name] for name in order}, {name: origins[name] for name in order})


_KINDS = ("viewpoint", "attribute", "keypoint", "box", "mask")
