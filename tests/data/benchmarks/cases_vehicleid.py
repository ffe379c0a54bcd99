"""Broken VehicleID releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cases import LISTS, Case
from damages import FILE_GONE, LIST_HARMLESS, Damage, folder_gone, folder_made_file, replaced, with_bytes, with_line


def vehicleid_cases() -> Iterator[Case]:
    def case(name: str, file: str, damage: Damage, code: str | None, place: str = "", **more: bool) -> Case:
        return Case("vehicleid", name, file, damage, code, place or file, **more)

    for file in LISTS["vehicleid"]:
        swapped = with_line(lambda line: b" ".join(reversed(line.split())))
        yield case("swapped columns", file, swapped, "list-line", f"{file}:2")
        all_swapped = with_bytes(lambda d: b"\n".join(b" ".join(reversed(x.split())) for x in d.split(b"\n")))
        yield case("all columns swapped", file, all_swapped, "list-line", f"{file}:1")
        numbers = {
            "a word": b" car",
            "negative": b" -1",
            "a fraction": b" 1.5",
            "too long": b" 99999999999",
            "none": b"",
        }
        for name, number in numbers.items():
            odd = with_line(lambda line, number=number: line.split()[0] + number)
            yield case(f"vehicle {name}", file, odd, "list-line", f"{file}:2")
        yield case("another vehicle", file, with_line(lambda line: line + b"7"), "label-conflict", "t")
        yield case("not on disk", file, with_line(lambda line: b"0055555 11"), "missing-image", "0055555.jpg")
        tabs = with_bytes(lambda data: data.replace(b" ", b"\t"))
        yield case("tabs", file, tabs, None, blocked=False, same=True)
        endings = with_bytes(lambda data: data.replace(b" ", b".jpg "))
        yield case("names with .jpg", file, endings, None, blocked=False, same=True)
        yield case("cut in a number", file, with_bytes(lambda data: data[:-2]), "label-conflict", "img2vid.txt")
    for file in ("attribute/img2vid.txt", "attribute/color_attr.txt", "attribute/model_attr.txt"):
        yield case("a word", file, with_line(lambda line: b"hello"), "attributes-broken", f"{file}:2")
        yield case("bad bytes", file, with_line(lambda line: line + b"\xe9"), "attributes-broken", f"{file}:2")
        yield case("a zero byte", file, with_line(lambda line: line + b"\x00"), "attributes-broken", f"{file}:2")
        yield case("a third column", file, with_line(lambda line: line + b" 3"), "attributes-broken", f"{file}:2")
        yield case("empty", file, replaced(b""), "unusable")
        yield case("a folder", file, FILE_GONE["a folder"], "unusable")
        unneeded = not file.endswith("color_attr.txt")  # models are side information, no column of the manifest
        yield case("missing", file, FILE_GONE["missing"], "file-absent", blocked=False, same=unneeded)
        yield case("CRLF", file, LIST_HARMLESS["CRLF"], None, blocked=False, same=True)
    img2vid = "attribute/img2vid.txt"
    yield case("an image lost", img2vid, with_bytes(lambda d: d[d.index(b"\n") + 1 :]), "label-conflict")
    yield case("a vehicle of -1", img2vid, with_line(lambda line: line.split()[0] + b" -1"), "label-conflict")
    for file in ("attribute/color_names.txt", "attribute/model_names.txt"):
        yield case("no number", file, with_line(lambda line: b"black"), "attributes-broken", f"{file}:2")
        unneeded = "model" in file
        yield case("missing", file, FILE_GONE["missing"], "file-absent", blocked=False, same=unneeded)
    names = "attribute/model_names.txt"
    recoded = with_bytes(lambda data: data.decode("gbk").encode())
    yield case("UTF-8", names, recoded, None, blocked=False, same=True)
    for folder in ("image", "train_test_split"):
        yield case("a file", folder, folder_made_file, "unusable")
        yield case("missing", folder, folder_gone, "unusable")
    crossing = with_bytes(lambda data: data + b"0000001 11\n")
    test_list = "train_test_split/test_list_3.txt"
    yield case("a training image", test_list, crossing, "identity-across-split", "vehicle 11")
    yield case("no test list", "train_test_split", _no_test_lists, "unusable")


def _no_test_lists(folder: Path) -> None:
    for file in folder.glob("test_list_*.txt"):
        file.unlink()
