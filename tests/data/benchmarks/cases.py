"""A broken release as data: what is done to which file, and what must come of it. Those that all layouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from damages import FILE_GONE, IMAGE, LINE_BROKEN, LIST_HARMLESS, Damage, replaced, with_line
from releases import jpeg, write_list, write_vehicleid, write_veri776, write_veriwild

from svrn.config.benchmark import Layout


@dataclass(frozen=True)
class Case:
    """A damage to `file` of a release. code None: nothing is found. blocked: no manifest may come of it.

    same: the manifest that comes is the undamaged release's.
    """

    release: str
    name: str
    file: str
    damage: Damage
    code: str | None
    place: str = ""
    blocked: bool = True
    same: bool = False

    @property
    def id(self) -> str:
        return f"{self.release}: {self.file}: {self.name}"


@dataclass(frozen=True)
class Made:
    """How an undamaged release is made, and the test sets that its benchmark declares, with their protocols."""

    layout: Layout
    tests: dict[str, tuple[str, ...]]
    writer: Callable[[Path], Path]


WILD = dict.fromkeys(("S", "M", "L"), ("veriwild", "veriwild-junk-kept"))
RELEASES: dict[str, Made] = {
    "veri776": Made("veri776", {"test": ("veri776",)}, write_veri776),
    "vehicleid": Made("vehicleid", {"S": ("vehicleid",), "M": ("vehicleid",)}, write_vehicleid),
    "veriwild-a": Made("veriwild", WILD, lambda root: write_veriwild(root, "a")),
    "veriwild-b": Made("veriwild", WILD, lambda root: write_veriwild(root, "b", header=False)),
    "veriwild-c": Made("veriwild", WILD, lambda root: write_veriwild(root, "c")),
    "list": Made("list", {"test": ("veri776",)}, write_list),
}
TRAIN_IMAGE = {
    "veri776": "image_train/0011_c001_00011001_0.jpg",
    "vehicleid": "image/0000002.jpg",
    "veriwild-a": "images/00011/000002.jpg",
    "list": "pics/train set/2.jpg",
}
LISTS = {
    "veri776": ("name_train.txt", "name_test.txt", "name_query.txt"),
    "vehicleid": ("train_test_split/train_list.txt", "train_test_split/test_list_3.txt"),
    "veriwild-a": (
        "train_test_split/train_list.txt",
        "train_test_split/test_3.txt",
        "train_test_split/test_3_query.txt",
    ),
    "veriwild-b": ("train_test_split/train_list_start0.txt", "train_test_split/test_2_id.txt"),
    "veriwild-c": ("train_test_split/train_list.txt", "train_test_split/test_3.txt"),
}


def list_cases() -> Iterator[Case]:
    for release, files in LISTS.items():
        for file in files:
            for name, damage in FILE_GONE.items():
                gone = name in ("missing", "a link to nowhere")
                if gone and file.endswith("test_list_3.txt"):
                    yield Case(release, name, file, damage, "test-set-absent" if name == "missing" else "unusable")
                else:
                    yield Case(release, name, file, damage, "unusable", Path(file).parent.name if gone else file)
            for name, damage in LINE_BROKEN.items():
                yield Case(release, name, file, damage, "list-line", f"{file}:2")
            for name, damage in LIST_HARMLESS.items():
                yield Case(release, name, file, damage, None, blocked=False, same=True)
            twice = with_line(lambda line: line + b"\n" + line, 1)
            yield Case(release, "a line twice", file, twice, "listed-twice", f"{file}:2")


def image_cases() -> Iterator[Case]:
    for release, file in {**TRAIN_IMAGE, "veri776 ": "image_query/0021_c001_00021000_0.jpg"}.items():
        for name, (damage, code) in IMAGE.items():
            yield Case(release.strip(), name, file, damage, code, file)
        code = "query-copy" if "query" in file else None
        same = code is not None  # the copy in image_test/ is the one that is taken
        yield Case(release.strip(), "other bytes", file, replaced(jpeg(7777)), code, "", blocked=False, same=same)
    for release, file in TRAIN_IMAGE.items():
        copied = replaced(jpeg(1) if release != "list" else jpeg(3))
        yield Case(release, "another's bytes", file, copied, "duplicate-image", "", blocked=False)
