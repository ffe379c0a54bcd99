"""`svrn search`: a trained run put to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from svrn.evaluation.search import Found

TILE = 160
SHOWN = 10


def search(
    images: Annotated[list[Path], typer.Argument(help="images to look for, or folders of them")],
    run: Annotated[str, typer.Option(help="a run's key, or its folder")],
    gallery: Annotated[Path, typer.Option(help="folder of images, or a manifest")],
    top: Annotated[int, typer.Option(min=1, help="matches of each image")] = 10,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    picture: Annotated[Path | None, typer.Option(help="draw the matches into this PNG")] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="search with FAISS, as is done for a gallery past memory")
    ] = False,
) -> None:
    """Find images in a gallery: ranked matches with scores. The gallery is embedded once and kept under the run."""
    import json as encoder
    import tempfile

    from svrn.config.study import RESULTS
    from svrn.training.leases import lease

    folder = Path(run) if Path(run, "config.yaml").is_file() else RESULTS / "runs" / run
    with lease(1, holder="search"):
        import psutil

        from svrn.evaluation import search as searching
        from svrn.evaluation.embedding import PassOptions, device_names

        options = PassOptions(devices=tuple(device_names(1)))
        index = searching.index_of(folder, searching.gallery_of(gallery), options)
        with tempfile.TemporaryDirectory() as scratch:
            queries = searching.query_vectors(folder, searching.image_files(images), options, Path(scratch))
    method, recall = "exact", None
    # Exact search holds the embeddings twice: as they are, and on the grid.
    if approximate or 2 * index.file.stat().st_size > psutil.virtual_memory().available:
        from svrn.evaluation.approximate import approximate_index, search_approximate

        made = approximate_index(index.file)
        method, recall = "faiss", made.recall
        found = search_approximate(queries, index, made, top)
    else:
        found = searching.search_exact(queries, index, top)
    if picture is not None:
        _draw(found, picture)
    if json:
        content = {"run": folder.name, "gallery": str(gallery), "images": len(index.gallery.table), "method": method}
        print(encoder.dumps({**content, "recall": recall, "queries": [_as_json(f) for f in found]}, indent=2))
        return
    share = "" if recall is None else f", which finds {100 * recall:.1f} % of the exact 10 nearest"
    print(f"{len(index.gallery.table)} gallery images, {method} search{share}")
    for one in found:
        print(f"\n{one.query}")
        for rank, match in enumerate(one.matches, start=1):
            vehicle = "" if match.vehicle is None else f"  vehicle {match.vehicle}"
            camera = "" if match.camera is None else f"  camera {match.camera}"
            print(f"{rank:4}  {match.score:.4f}  {match.image}{vehicle}{camera}")
    if picture is not None:
        print(f"\nwritten: {picture}")


def _as_json(found: Found) -> dict[str, object]:
    matches = [{**vars(match), "file": str(match.file), "rank": rank} for rank, match in enumerate(found.matches, 1)]
    return {"image": str(found.query), "matches": matches}


def _draw(found: Sequence[Found], picture: Path) -> None:
    """A row a query: it, then its first matches with their scores under them."""
    from PIL import Image, ImageDraw, ImageOps

    from svrn.files import atomic_write

    most = min(SHOWN, max(len(one.matches) for one in found))
    sheet = Image.new("RGB", ((most + 1) * TILE, len(found) * (TILE + 16)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, one in enumerate(found):
        top = row * (TILE + 16)
        tiles = [(one.query, "query"), *((m.file, f"{m.score:.3f}") for m in one.matches[:most])]
        for column, (source, label) in enumerate(tiles):
            with Image.open(source) as image:
                tile = ImageOps.contain(image.convert("RGB"), (TILE - 4, TILE - 4))
            sheet.paste(tile, (column * TILE + 2, top + 2))
            draw.text((column * TILE + 4, top + TILE), label, fill="black")
    with atomic_write(picture) as temporary, temporary.open("wb") as file:
        sheet.save(file, format="PNG")
