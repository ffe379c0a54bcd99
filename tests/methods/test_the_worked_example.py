"""docs/methods.md is what is in the repository."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path("docs/methods.md").read_text(encoding="utf-8")


def printed() -> dict[str, str]:
    """What the page prints under the name of a file, by that name."""
    return dict(re.findall(r"^`((?:svrn|params)/[^`]+)`\n```\w+\n(.*?)```$", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_the_files_are_printed_as_they_are() -> None:
    files = printed()
    room = {str(file) for file in Path("svrn/methods/pcb").glob("*.py")}
    assert set(files) == room | {"params/models/pcb.yaml"}
    assert {name: text for name, text in files.items() if Path(name).read_text(encoding="utf-8") != text} == {}


def test_it_is_short() -> None:
    assert sum(len(text.splitlines()) for name, text in printed().items() if name.endswith(".py")) <= 100


def test_its_row_stands_in_the_suites() -> None:
    row = re.search(r"^    (- \{group: .*\})$", PAGE, flags=re.MULTILINE)
    assert row is not None
    for suite in ("rivals", "smoke"):
        assert row[1] in Path(f"params/suites/{suite}.yaml").read_text(encoding="utf-8")


def test_every_room_that_it_points_to_is_there() -> None:
    named = re.findall(r"\| `?([\w`, ]+)`? \|$", PAGE.partition("## When more is needed")[2], flags=re.MULTILINE)
    rooms = {name.strip("` ") for cell in named for name in cell.split(",")} - {"see"}
    assert rooms and all(Path("svrn/methods", name).is_dir() for name in rooms), rooms
