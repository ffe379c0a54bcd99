"""`svrn search`: a trained run put to use."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from svrn.evaluation.refusal import Refusal
    from svrn.evaluation.search import Found

TILE = 160
SHOWN = 10


def search(
    images: Annotated[list[Path], typer.Argument(help="images to look for, or folders of them")],
    gallery: Annotated[Path, typer.Option(help="folder of images, or a manifest")],
    run: Annotated[
        str | None,
        typer.Option(help="a run's key, or its folder; the weights that come with the package where not given"),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="matches of each image")] = 10,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    picture: Annotated[Path | None, typer.Option(help="draw the matches into this PNG")] = None,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="search with FAISS, as is done for a gallery past memory")
    ] = False,
    threshold: Annotated[
        str | None, typer.Option(help="a verification.json of this run, or a cosine: what is below it is no match")
    ] = None,
    fpir: Annotated[
        float | None, typer.Option(help="which of the file's thresholds; that of the least rate where not given")
    ] = None,
    camera: Annotated[
        int | None, typer.Option(help="that took the images looked for, where the run reads it: its number in training")
    ] = None,
    viewpoint: Annotated[
        str | None, typer.Option(help="of the vehicle in the images looked for, where the run reads it: rear_left")
    ] = None,
) -> None:
    """Find images in a gallery: ranked matches with scores. The gallery is embedded once and kept under the run.

    With --threshold a vehicle that is not in the gallery gets no match.
    """
    import json as encoder
    import tempfile

    from svrn.errors import UserError
    from svrn.runs.shipped import kept_in, run_folder
    from svrn.training.leases import lease

    folder = run_folder(run)
    refusal = _refusal(threshold, fpir, folder)
    with lease(1, holder="search"):
        import psutil

        from svrn.evaluation import search as searching
        from svrn.evaluation.embedding import PassOptions, device_names
        from svrn.evaluation.told import told, unheard
        from svrn.runs.run import read_config

        options = PassOptions(devices=tuple(device_names(1)))
        parameters, _ = read_config(folder)
        said = told(parameters, camera, viewpoint)
        there = searching.gallery_of(gallery, viewpoints=parameters.method.needs(parameters).test.viewpoint)
        index = searching.index_of(folder, there, options, kept_in(folder) / "search")
        with tempfile.TemporaryDirectory() as scratch:
            queries = searching.query_vectors(folder, searching.image_files(images), options, Path(scratch), said)
    if refusal is not None and (named := queries.distance) is not None:
        raise UserError(
            f"--threshold is a cosine, this run's embeddings name their own distance ({named.text()})",
            where="svrn search",
            mend="leave --threshold out",
        )
    notes = unheard(folder, index.gallery, said)
    method, recall = "exact", None
    # Exact search holds the embeddings twice: as they are, and on the grid.
    if approximate or 2 * index.file.stat().st_size > psutil.virtual_memory().available:
        from svrn.evaluation.approximate import approximate_index, search_approximate

        made = approximate_index(index.file)
        method, recall = "faiss", made.recall
        found = search_approximate(queries, index, made, top)
    else:
        found = searching.search_exact(queries, index, top)
    nearest = [one.matches[0].score for one in found]
    if refusal is not None:
        found = [refusal.applied(one) for one in found]
    if picture is not None:
        _draw(found, picture)
    if json:
        content = {"run": folder.name, "gallery": str(gallery), "images": len(index.gallery.table), "method": method}
        known = {} if refusal is None else {"refusal": asdict(refusal)}
        said_too = {"notes": notes} if notes else {}
        asked = [_as_json(one, score, refusal) for one, score in zip(found, nearest, strict=True)]
        print(encoder.dumps({**content, "recall": recall, **known, **said_too, "queries": asked}, indent=2))
        return
    share = "" if recall is None else f", which finds {100 * recall:.1f} % of the exact 10 nearest"
    print(f"{len(index.gallery.table)} gallery images, {method} search{share}")
    for line in notes:
        print(line)
    for one, score in zip(found, nearest, strict=True):
        print(f"\n{one.query}{_answer(one, score, refusal)}")
        for rank, match in enumerate(one.matches, start=1):
            vehicle = "" if match.vehicle is None else f"  vehicle {match.vehicle}"
            shown = "" if match.camera is None else f"  camera {match.camera}"
            print(f"{rank:4}  {match.score:.4f}  {match.image}{vehicle}{shown}")
    if refusal is not None:
        print(f"\n{_how_often_wrong(refusal, len(index.gallery.table))}")
    if picture is not None:
        print(f"\nwritten: {picture}")


def _refusal(threshold: str | None, fpir: float | None, folder: Path) -> Refusal | None:
    from svrn.errors import UserError
    from svrn.evaluation.refusal import refusal_of
    from svrn.files import file_digest

    if threshold is None:
        if fpir is not None:
            raise UserError("--fpir chooses among the thresholds of --threshold FILE", where="svrn search")
        return None
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise UserError("this run has no trained weights", where=str(weights), mend="let the training finish first")
    return refusal_of(threshold, fpir, file_digest(weights))


def _answer(found: Found, nearest: float, refusal: Refusal | None) -> str:
    """What is said of the first candidate: that it is none, or how probably it is right."""
    if refusal is None:
        return ""
    if not found.matches:
        return f"  not in this gallery: the nearest is {nearest:.4f}, below {refusal.threshold:.4f}"
    sure = _confidence(nearest, refusal)
    return "" if sure is None else f"  the first is right with {100 * sure:.0f} % (as probably there as not)"


def _confidence(score: float, refusal: Refusal) -> float | None:
    if refusal.confidence is None:
        return None
    return float(refusal.confidence.probability(np.array([score]))[0])


def _how_often_wrong(refusal: Refusal, images: int) -> str:
    if refusal.measured is None:
        return f"threshold {refusal.threshold:.4f}: how often it is wrong is not known of a number (svrn verification)"
    known = refusal.measured
    fpir, low, high = (100 * value for value in known.fpir)
    text = (
        f"threshold {refusal.threshold:.4f}, measured on {known.where} with {known.gallery:,} images to search:"
        f"\nof vehicles that are not there {fpir:.1f} % ({low:.1f} to {high:.1f}) are answered all the same"
    )
    if known.fnir is not None:
        fnir, low, high = (100 * value for value in known.fnir)
        text += f",\nof those that are there {fnir:.1f} % ({low:.1f} to {high:.1f}) are not answered, or wrongly"
    if images > 2 * known.gallery:
        text += f"\nthis gallery is {images / known.gallery:.0f} times as large: expect more wrong answers"
    return text


def _as_json(found: Found, nearest: float, refusal: Refusal | None) -> dict[str, object]:
    matches = [{**vars(match), "file": str(match.file), "rank": rank} for rank, match in enumerate(found.matches, 1)]
    content: dict[str, object] = {"image": str(found.query), "matches": matches}
    if refusal is not None:
        content |= {"answered": bool(matches), "nearest": nearest, "confidence": _confidence(nearest, refusal)}
    return content


def _draw(found: Sequence[Found], picture: Path) -> None:
    """A row a query: it, then its first matches with their scores under them."""
    from PIL import Image, ImageDraw, ImageOps

    from svrn.files import atomic_write

    most = min(SHOWN, max(len(one.matches) for one in found))  # none, where all are refused
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
