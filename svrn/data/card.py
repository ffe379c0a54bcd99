"""A benchmark's data card, and its Croissant metadata (MLCommons, 1.0): what the images are and how they are split.

Of the embedded benchmark, which may be given to anyone; of others only their owners may say under which terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svrn import __version__
from svrn.data.benchmarks.checks import count_sets
from svrn.data.manifest import Manifest, read_manifest
from svrn.files import write_json, write_text

#: The terms of the format, as its specification gives them.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
#: The manifest's columns that are described: type and meaning.
_COLUMNS = {
    "image": ("sc:Text", "the image's name"),
    "path": ("sc:Text", "its file, relative to the benchmark's folder"),
    "vehicle": ("sc:Integer", "which vehicle it shows"),
    "camera": ("sc:Integer", "by which camera"),
    "split": ("sc:Text", "train, query, gallery; several joined by +"),
    "colour": ("sc:Text", "the vehicle's colour"),
    "type": ("sc:Text", "its body type"),
    "viewpoint": ("sc:Text", "from which of eight sides it is seen"),
    "digest": ("sc:Text", "of the image's content"),
}

_CARD = """\
# {name}

Images of vehicles that do not exist, rendered from code (svrn data render): no person, plate or place in them is
real, and nobody's terms bind them. Near-duplicates of one model and colour differ by stickers, lettering, damage and
loads alone; each is seen by several cameras in sun, rain, dusk and night.

| set | images | vehicles | cameras |
|---|---|---|---|
{rows}

Digest {digest}, of the training images {train}: the same code gives the same.

For: comparing methods, trying pipelines, training without any data at hand. Not for: saying how a method does on
photographs, or among real traffic; colours, types and weather are drawn, not counted anywhere.
"""


def write_card(manifest_file: Path, out: Path) -> None:
    """Write README.md and croissant.json for an embedded benchmark into `out`, beside a copy of its manifest.

    Raises:
        UserError: no such manifest.
    """
    manifest = read_manifest(manifest_file)
    out.mkdir(parents=True, exist_ok=True)
    content = manifest_file.read_bytes()
    (out / "manifest.parquet").write_bytes(content)
    write_json(out / "croissant.json", croissant(manifest, hashlib.sha256(content).hexdigest()))
    write_text(out / "README.md", card(manifest))


def croissant(manifest: Manifest, sha256: str) -> Mapping[str, Any]:
    """The metadata as JSON-LD. sha256: of the manifest's file, which is described record by record."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"images/{name}",
            "name": f"images/{name}",
            "description": meaning,
            "dataType": kind,
            "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": name}},
        }
        for name, (kind, meaning) in _COLUMNS.items()
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.benchmark,
        "description": f"Rendered images of vehicles for re-identification: {_counted(manifest)}.",
        "license": "https://www.apache.org/licenses/LICENSE-2.0",
        "url": "https://schema.org/Dataset",
        "version": __version__,
        "datePublished": "2026-11-28",
        "citeAs": f"svrn {__version__}, the embedded benchmark {manifest.benchmark}",
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": "manifest",
                "description": "a row an image",
                "contentUrl": "manifest.parquet",
                "encodingFormat": "application/x-parquet",
                "sha256": sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "key": {"@id": "images/image"},
                "field": fields,
            }
        ],
    }


def card(manifest: Manifest) -> str:
    """The data card as Markdown; the same manifest gives the same bytes."""
    rows = [
        f"| {one.set} | {one.images:,} | {one.vehicles:,} | {one.cameras:,} |"
        for one in count_sets(manifest.table, manifest.layout, judged=False)  # type: ignore[arg-type]
    ]
    return _CARD.format(
        name=manifest.benchmark, rows="\n".join(rows), digest=manifest.digest[:12], train=manifest.train_digest[:12]
    )


def _counted(manifest: Manifest) -> str:
    table = manifest.table
    return f"{len(table):,} of {table['vehicle'].nunique():,} vehicles by {table['camera'].nunique():,} cameras"
