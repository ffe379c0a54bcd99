"""Where a benchmark's folder is: named by the user, unpacked from an archive, rendered, or still to be asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from svrn.config.benchmark import Benchmark, Layout, load_benchmark
from svrn.config.places import find, settings_file
from svrn.config.suite import load_settings
from svrn.data import protocols
from svrn.data.archives import checksum, make_way, unpack
from svrn.data.benchmarks.download import download
from svrn.data.benchmarks.official import OFFICIAL
from svrn.data.benchmarks.textlists import reading
from svrn.errors import Unusable, UserError
from svrn.locks import file_lock

LAYOUTS: tuple[Layout, ...] = ("veri776", "vehicleid", "veriwild", "vric", "cityflow", "vehiclex", "list")
# A folder of each layout holds one of these.
MARKERS = {
    "veri776": ("image_train", "name_train.txt"),
    "vehicleid": ("train_test_split/train_list.txt", "attribute/img2vid.txt"),
    "veriwild": ("train_test_split/vehicle_info.txt", "train_test_split/train_list.txt", "images"),
    "vric": ("vric_train.txt", "train_images"),
    "cityflow": ("train_label.xml", "image_train"),
    "vehiclex": ("sys_image_train", "image_train"),
}


@dataclass(frozen=True)
class Named:
    """A benchmark with its name."""

    name: str
    benchmark: Benchmark


def find_benchmark(name: str, params: Path) -> Named:
    """A benchmark by its name in params/benchmarks/, its root from params/config.yaml; or a bare layout's name.

    Raises:
        UserError: neither (with a did-you-mean), or a mistake in one of the files.
    """
    file = params / "benchmarks" / f"{name}.yaml"
    if name in LAYOUTS and not find(file).exists():
        counts = "any" if name == "list" else "official"
        return Named(name, Benchmark(layout=name, counts=counts, tests={}))
    benchmark = load_benchmark(name, params)
    _check_protocols(benchmark, file)
    if settings_file(params).exists():
        root = load_settings(params).roots.get(name)
        if root is not None:
            benchmark = benchmark.model_copy(update={"root": root})
    return Named(name, benchmark)


def _check_protocols(benchmark: Benchmark, file: Path) -> None:
    """A protocol's name is checked here, before hours of training come to be scored under it."""
    for test, chosen in benchmark.tests.items():
        for protocol in chosen.protocols:
            try:
                protocols.get(protocol)
            except UserError as error:
                raise UserError(error.what, where=f"{file}: tests.{test}.protocols", mend=error.mend) from None


def obtain(named: Named, source: Path) -> Path:
    """The folder (or list) to read, unpacked or rendered into `source` where it is not there yet.

    What other archives left in `source` makes way for those that are named now.

    Raises:
        UserError: nothing says where it is, the place does not exist, an archive is bad.
    """
    benchmark = named.benchmark
    if benchmark.embedded is not None:
        return _render(named, source)
    if benchmark.root is not None:
        return existing(_path(benchmark.root), named)
    if not benchmark.available:
        raise UserError(f"nothing says where {named.name} is", mend=where_to_ask(named))
    archives = [_path(text) for text in benchmark.archive]
    if benchmark.url is not None:
        archives.append(download(benchmark.url, source.parent / "archive", sha256=benchmark.sha256))
    checksums = {archive: checksum(archive) for archive in archives}
    make_way(source, checksums)
    for archive, found in checksums.items():
        unpack(archive, source, sha256=benchmark.sha256 if len(archives) == 1 else None, found=found)
    return locate(source, benchmark.layout)


def placed(named: Named, source: Path) -> Path:
    """The folder (or list) to read, where it is there already: nothing is unpacked or rendered for it.

    Raises:
        UserError: it is not there, with what to do about it.
    """
    benchmark = named.benchmark
    if benchmark.root is not None:
        return existing(_path(benchmark.root), named)
    if not benchmark.available:
        raise UserError(f"nothing says where {named.name} is", mend=where_to_ask(named))
    if not source.exists():
        made = f"svrn data manifest {named.name} --out {source.parent / 'manifest.parquet'}"
        raise UserError("not unpacked or rendered yet", where=str(source), mend=made)
    return locate(source, benchmark.layout)


def _path(text: str) -> Path:
    """A path as the user writes it, with ~ and $VARIABLES."""
    return Path(os.path.expandvars(text)).expanduser()


def existing(root: Path, named: Named) -> Path:
    """`root`, if there is something.

    Raises:
        Unusable: there is not, or the benchmark's folder lies one deeper.
    """
    with reading(root):
        there = root.exists()
    if not there:
        raise Unusable("no such folder", where=str(root), mend=where_to_ask(named))
    inner = locate(root, named.benchmark.layout)
    if inner != root:
        raise Unusable("the benchmark's folder lies one deeper", where=str(root), mend=f"--root {inner}")
    return root


def locate(folder: Path, layout: Layout) -> Path:
    """The benchmark's own folder: `folder`, or the only one right below it that looks like the layout."""
    markers = MARKERS.get(layout)
    with reading(folder):
        if markers is None or not folder.is_dir() or any((folder / m).exists() for m in markers):
            return folder
        below = sorted(p for p in folder.iterdir() if p.is_dir() and any((p / m).exists() for m in markers))
    return below[0] if len(below) == 1 else folder


def where_to_ask(named: Named) -> str:
    """Where a benchmark is given out and where to put it, as a mend."""
    layout, name = named.benchmark.layout, named.name
    put = f"set roots.{name} in params/config.yaml (or root in params/benchmarks/{name}.yaml, or --root)"
    if layout not in OFFICIAL:
        return f"{put} to the list's file"
    official = OFFICIAL[layout]
    return f"ask for {official.title} at {official.ask}; then {put} to {official.folder}; see docs/datasets.md"


def _render(named: Named, source: Path) -> Path:
    """Render into `source`; one that is whole is left as it is, a broken-off one is continued.

    In data/NAME/ the pictures are kept in data/embedded/PRESET/, for all layouts of a preset to share; they wait
    for one another, so that each picture is drawn once.
    """
    from svrn.data.synthetic import render_benchmark  # heavy; only for embedded benchmarks

    embedded = named.benchmark.embedded
    assert embedded is not None
    here = source.absolute().parent
    pictures = here.parent / "embedded" / embedded.preset if here.name == named.name else here / "rendered-images"
    with file_lock(pictures / ".lock"):
        render_benchmark(embedded.preset, named.benchmark.layout, source, split=embedded.split, images=pictures)
    return source
