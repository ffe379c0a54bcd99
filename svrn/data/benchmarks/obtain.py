"""Where a benchmark's folder is: named by the user, unpacked from an archive, rendered, or still to be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from svrn.config.benchmark import Benchmark, Layout, expanded
from svrn.config.places import find, settings_file
from svrn.config.suite import Settings, load_settings, placed_benchmark
from svrn.data import protocols
from svrn.data.archives import checksum, make_way, unpack
from svrn.data.benchmarks.download import download
from svrn.data.benchmarks.official import OFFICIAL
from svrn.data.benchmarks.textlists import ARCHIVE_SUFFIXES, reading
from svrn.errors import Unusable, UserError
from svrn.locks import file_lock

LAYOUTS: tuple[Layout, ...] = ("veri776", "vehicleid", "veriwild", "veriwild2", "vric", "cityflow", "vehiclex", "list")
# A folder of each layout holds one of these.
MARKERS = {
    "veri776": ("image_train", "name_train.txt"),
    "vehicleid": ("train_test_split/train_list.txt", "attribute/img2vid.txt"),
    "veriwild": ("train_test_split/vehicle_info.txt", "train_test_split/train_list.txt", "images"),
    "veriwild2": ("test_split/All_query.txt", "test_split_V2/All_query.txt"),
    "vric": ("vric_train.txt", "train_images"),
    "cityflow": ("train_label.xml", "image_train"),
    "vehiclex": ("sys_image_train", "image_train"),
}
LIST_SUFFIXES = (".csv", ".parquet")


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
    settings = load_settings(params) if settings_file(params).exists() else Settings()
    benchmark = placed_benchmark(name, params, settings)
    _check_protocols(benchmark, file)
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
    if benchmark.place is not None:
        return existing(benchmark.place, named)
    if not benchmark.available:
        raise UserError(f"nothing says where {named.name} is", mend=where_to_ask(named))
    archives = [expanded(text) for text in benchmark.archive]
    if benchmark.url is not None:
        archives.append(download(benchmark.url, source.parent / "archive", sha256=benchmark.sha256))
    checksums = {archive: checksum(archive) for archive in archives}
    make_way(source, checksums)
    for archive, found in checksums.items():
        unpack(archive, source, sha256=benchmark.sha256 if len(archives) == 1 else None, found=found)
    return _found(source, named)


def placed(named: Named, source: Path) -> Path:
    """The folder (or list) to read, where it is there already: nothing is unpacked or rendered for it.

    Raises:
        UserError: it is not there, with what to do about it.
    """
    benchmark = named.benchmark
    if benchmark.place is not None:
        return existing(benchmark.place, named)
    if not benchmark.available:
        raise UserError(f"nothing says where {named.name} is", mend=where_to_ask(named))
    if not source.exists():
        made = f"svrn data manifest {named.name} --out {source.parent / 'manifest.parquet'}"
        raise UserError("not unpacked or rendered yet", where=str(source), mend=made)
    return _found(source, named)


def existing(root: Path, named: Named) -> Path:
    """`root`, if there is what the layout asks for; of a list's folder the one list in it.

    Raises:
        Unusable: there is not, with what was looked for, or the benchmark's folder lies one deeper.
    """
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise Unusable(
            "its name is not UTF-8", where=str(root), mend="rename it, or link to it by another name"
        ) from None
    with reading(root):
        there = root.exists()
    if not there:
        what = "no such file or folder" if named.benchmark.layout == "list" else "no such folder"
        raise Unusable(what, where=str(root), mend=where_to_ask(named))
    found = _found(root, named)
    if found != root and named.benchmark.layout != "list":
        raise Unusable("the benchmark's folder lies one deeper", where=str(root), mend=f"--root {found}")
    return found


def _found(root: Path, named: Named) -> Path:
    return locate_list(root) if named.benchmark.layout == "list" else locate(root, named.benchmark.layout)


def locate(folder: Path, layout: Layout) -> Path:
    """The benchmark's own folder: `folder`, or the only one right below it that looks like the layout.

    Raises:
        Unusable: a file, or nothing in it looks like the layout, with what was looked for; or several below it do.
    """
    markers = MARKERS[layout]
    with reading(folder):
        if not folder.is_dir():
            raise Unusable(
                f"is a file, a folder of the layout {layout} is wanted", where=str(folder), mend=_unpack(folder)
            )
        if any((folder / m).exists() for m in markers):
            return folder
        inside = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        below = [p for p in inside if p.is_dir() and any((p / m).exists() for m in markers)]
    if len(below) == 1:
        return below[0]
    if below:
        names = ", ".join(p.name for p in below)
        raise Unusable(
            f"{len(below)} folders in it look like {layout}: {names}", where=str(folder), mend="name one of them"
        )
    raise Unusable(
        f"does not look like {layout}: neither in it nor in a folder of it is {' or '.join(markers)} "
        f"(there: {_shown(inside)})",
        where=str(folder),
        mend="name the folder that holds them, or another layout; an archive is unpacked by `svrn data unpack`",
    )


def locate_list(root: Path) -> Path:
    """The list: `root` where it is a file, else the only CSV or Parquet file in it or in the only folder in it.

    Raises:
        Unusable: no list in the folder, or several.
    """
    with reading(root):
        if not root.is_dir():
            return root
        inside = sorted(p for p in root.iterdir() if not p.name.startswith("."))
        lists = [p for p in inside if p.suffix.lower() in LIST_SUFFIXES and not p.is_dir()]
        folders = [p for p in inside if p.is_dir() and p.name != "__MACOSX"]
        if not lists and len(folders) == 1:
            deeper = sorted(folders[0].iterdir())
            lists = [p for p in deeper if p.suffix.lower() in LIST_SUFFIXES and p.name[0] != "." and not p.is_dir()]
    if len(lists) == 1:
        return lists[0]
    if lists:
        raise Unusable(
            f"{len(lists)} lists in it: {_shown(lists)}", where=str(root), mend="name one of them as the root"
        )
    raise Unusable(
        f"no list in it: a file that ends in {' or '.join(LIST_SUFFIXES)} was looked for (there: {_shown(inside)})",
        where=str(root),
        mend="put the list there, or name its file as the root",
    )


def _shown(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:8])
    return f"{names}, and {len(paths) - 8:,} more" if len(paths) > 8 else names or "nothing"


def _unpack(file: Path) -> str:
    archive = file.name.lower().endswith(ARCHIVE_SUFFIXES)
    return f"svrn data unpack {file} --out ..., or name it under `archive:`" if archive else "name the folder"


def where_to_ask(named: Named) -> str:
    """Where a benchmark is given out and where to put it, as a mend."""
    layout, name = named.benchmark.layout, named.name
    put = f"set roots.{name} in params/config.yaml (or root in params/benchmarks/{name}.yaml, or --root)"
    if layout not in OFFICIAL:
        return f"{put} to the list's file or its folder"
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
