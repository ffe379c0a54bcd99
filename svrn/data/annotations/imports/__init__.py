"""Side information that others made: read into columns, and held against the benchmark's images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from svrn.config.benchmark import AnnotationSources
from svrn.config.documents import suggestion
from svrn.data.annotations.imports.keypoints import read_keypoints
from svrn.data.annotations.imports.known import KnownImages
from svrn.data.annotations.imports.masks import read_pgan_masks, read_pven_masks
from svrn.data.annotations.imports.own import read_own
from svrn.data.annotations.imports.polygons import read_polygons
from svrn.data.annotations.imports.vami import read_vami
from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.annotations.table import Annotations, Column
from svrn.data.benchmarks.findings import SIDE_BROKEN, SIDE_VALUE, Findings, Severity
from svrn.data.manifest import Manifest
from svrn.errors import UserError

Reader = Callable[[Path, KnownImages, Findings], dict[str, Column]]
READERS: dict[str, Reader] = {
    "file": read_own,
    "pven_masks": read_pven_masks,
    "pven_polygons": read_polygons,
    "pgan_masks": read_pgan_masks,
    "veri_keypoints": read_keypoints,
    "vami_viewpoints": read_vami,
}
"""By their names in a benchmark's YAML, in the order in which they are read: a later one's column stands."""


def with_sources(declared: AnnotationSources | None, given: Iterable[str]) -> AnnotationSources:
    """What a benchmark's YAML declares with what the command line adds as `KIND=PATH`.

    Raises:
        UserError: not of that form, or no such kind.
    """
    content = (declared or AnnotationSources()).model_dump()
    given_already: set[str] = set()
    for text in given:
        kind, equals, path = text.partition("=")
        name = kind.strip().replace("-", "_")
        kinds = [each.replace("_", "-") for each in READERS]
        if not equals or not path:
            raise UserError(f"{text!r} is not KIND=PATH", where="--from", mend=f"kinds: {', '.join(kinds)}")
        if name not in READERS:
            raise UserError(f"no import is called {kind!r}", where="--from", mend=suggestion(kind, kinds))
        if name in given_already and name != "veri_keypoints":
            raise UserError(f"{kind} is given twice", where="--from", mend="give one folder or file of each kind")
        given_already.add(name)
        content[name] = (*content[name], path) if name == "veri_keypoints" else path
    return AnnotationSources(**content)


def import_all(sources: AnnotationSources, manifest: Manifest) -> Annotations:
    """The columns of all sources, in the manifest's order.

    Raises:
        UserError: a source that is not there, does not parse or does not fit the images: the first fault, and how many.
    """
    findings = Findings()
    columns, origins = read_sources(sources, manifest, findings)
    faults = [finding for finding in findings.all() if finding.kind.severity is not Severity.NOTE]
    if faults:
        counted = "; ".join(f"{finding.kind.headline}: {finding.count:,}" for finding in faults)
        first = faults[0].examples[0]
        raise UserError(
            f"{first.what} ({counted})", where=first.where, mend=f"{faults[0].kind.mend}; see docs/side-information.md"
        )
    return Annotations(manifest.table["image"].to_numpy(dtype=object), columns, origins)


def read_sources(
    sources: AnnotationSources, manifest: Manifest, findings: Findings
) -> tuple[dict[str, Column], dict[str, str]]:
    """Columns and their origins from all sources; what is wrong in them is found, not raised.

    Raises:
        UserError: a source is not there or cannot be read at all.
    """
    images = KnownImages(manifest)
    columns: dict[str, Column] = {}
    origins: dict[str, str] = {}
    for name, reader in READERS.items():
        declared = getattr(sources, name)
        paths = [declared] if isinstance(declared, str) else list(declared or ())
        for text in paths:
            place = Path(os.path.expandvars(text)).expanduser()
            if not place.exists():
                raise UserError("no such file or folder", where=str(place), mend=f"annotations.{name}: where it is")
            found = reader(place, images, findings)
            merged = {
                key: images.merge(columns[key], column) if key in columns and len(paths) > 1 else column
                for key, column in found.items()
            }
            columns |= merged
            origins |= dict.fromkeys(found, f"imported {name.replace('_', '-')} sha256:{digest_of(place)}")
    return columns, origins


def check_sources(sources: AnnotationSources, manifest: Manifest, findings: Findings) -> None:
    """Find what `import_all` would refuse, and viewpoints of the benchmark's own that are none of ours."""
    try:
        read_sources(sources, manifest, findings)
    except UserError as error:
        findings.add(SIDE_BROKEN, error.where, f"{error.what}; {error.mend}" if error.mend else error.what)
    for name, count in manifest.table["viewpoint"].value_counts().items():
        if sources.viewpoints.get(str(name), str(name)) not in VIEWPOINTS:
            what = f"{str(name)[:80]!r} ({count:,} images) is none of {', '.join(VIEWPOINTS)}"
            findings.add(SIDE_VALUE, "annotations.viewpoints", what)


def digest_of(place: Path) -> str:
    """sha256 of a file, or of a folder's names and files in order of name."""
    if place.is_file():
        with place.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path for path in place.rglob("*") if path.is_file()):
        with file.open("rb") as handle:
            each = hashlib.file_digest(handle, "sha256").hexdigest()
        whole.update(f"{file.relative_to(place).as_posix()} {each}\n".encode())
    return whole.hexdigest()
