"""`svrn data render`: the embedded benchmark on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from svrn.cli.streams import terminal


def render(
    preset: Annotated[str, typer.Option(help="How large: tiny, demo, synthetic, detailed, parsing, full.")],
    layout: Annotated[Literal["veri776", "vehicleid", "veriwild"], typer.Option(help="Whose on-disk layout.")],
    out: Annotated[Path, typer.Option(help="A new or empty folder, or the one of a killed render to continue.")],
    split: Annotated[
        Literal["main", "unseen", "held-out"],
        typer.Option(help="Test on known models, on models never trained on, or on training vehicles held out."),
    ] = "main",
    images: Annotated[
        Path | None, typer.Option(help="Folder of finished images that layouts share; beside --out by default.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one a core by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another world than the preset's own.")] = None,
) -> None:
    """Render the embedded benchmark in the on-disk layout of a real one."""
    from svrn.data.synthetic import make_preset, render_benchmark
    from svrn.data.synthetic.presets import preset_named

    chosen = preset_named(preset)
    if seed is not None:
        chosen = make_preset(**{**chosen.model_dump(), "seed": seed})
    with bar("rendering") as progress:
        truth = render_benchmark(chosen, layout, out, split=split, images=images, workers=workers, progress=progress)
    print(f"{out}: {chosen.name} in the layout of {layout}, ground truth in {truth.name}")


@contextmanager
def bar(work: str) -> Iterator[Callable[[int, int], None]]:
    """Images done, images a second and time left, on stderr where that is a terminal; a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f} images/s" if task.speed else "")

    console = Console(file=terminal(sys.stderr))
    if not console.is_terminal:
        yield _plain_lines(work)
        return
    columns = (TextColumn(work), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console) as shown:
        task = shown.add_task(work, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _plain_lines(work: str) -> Callable[[int, int], None]:
    import time

    start, last = time.monotonic(), time.monotonic()
    first: int | None = None

    def tell(done: int, total: int) -> None:
        nonlocal last, first
        first = done if first is None else first
        now = time.monotonic()
        if now - last < 5 and done < total:
            return
        last = now
        rate = (done - first) / max(now - start, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        print(f"{work}: {done} of {total} images, {rate:.1f} images/s{left}", file=sys.stderr)

    return tell
