"""VRIC: three lists of image, vehicle and camera, each beside a folder of images (Kanaci, Zhu and Gong, GCPR 2018).

Its README and two public loaders agree: vric_train.txt, vric_probe.txt and vric_gallery.txt hold lines
`IMAGE VEHICLE CAMERA`; the images lie in train_images/, probe_images/ and gallery_images/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from svrn.data.benchmarks.findings import LIST_LINE, Findings
from svrn.data.benchmarks.rows import Entry, Release
from svrn.data.benchmarks.textlists import IMAGE_SUFFIXES, folder_entries, read_lines, unsafe_path
from svrn.data.manifest import THE_TEST, Membership

#: Each list, the folder of its images, and what they are members of.
LISTS = {
    "vric_train.txt": ("train_images", Membership(None, "train")),
    "vric_probe.txt": ("probe_images", Membership(THE_TEST, "query")),
    "vric_gallery.txt": ("gallery_images", Membership(THE_TEST, "gallery")),
}
_NUMBER = re.compile(r"[0-9]{1,9}")


def read_vric(root: Path) -> Release:
    """Read a VRIC folder without opening its images. An image's name begins with its folder: folders may share names.

    Raises:
        Unusable: a list or a folder is missing, empty or not text.
    """
    release = Release("vric", root, Findings())
    for name, (folder, membership) in LISTS.items():
        release.note_disk(folder, folder_entries(root / folder))
        release.add(_entries(root / name, folder, release), membership, root / name)
    for path in release.on_disk:
        if path.lower().endswith(IMAGE_SUFFIXES) and path not in release.rows:
            release.unlisted.append(path)
    return release


def _entries(source: Path, folder: str, release: Release) -> Iterator[Entry]:
    for number, line in read_lines(source, release.findings):
        release.read += 1
        tokens = line.split()
        problem = _problem(tokens)
        if problem:
            release.set_aside(LIST_LINE, f"{source}:{number}", problem)
            continue
        path = f"{folder}/{tokens[0]}"
        yield Entry(path, path, int(tokens[1]), int(tokens[2]), number)


def _problem(tokens: list[str]) -> str | None:
    line = " ".join(tokens)[:80]
    if len(tokens) != 3:
        return f"{line!r} is not IMAGE VEHICLE CAMERA"
    unsafe = unsafe_path(tokens[0])
    if unsafe or "/" in tokens[0] or not tokens[0].lower().endswith(IMAGE_SUFFIXES):
        return unsafe or f"{tokens[0][:80]!r} is not an image's name"
    if not (_NUMBER.fullmatch(tokens[1]) and _NUMBER.fullmatch(tokens[2])):
        return f"{line!r}: vehicle and camera are whole numbers"
    return None
