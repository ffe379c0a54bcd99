"""Broken VeRi-776 releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cases import Case
from damages import FILE_GONE, LIST_HARMLESS, Damage, folder_gone, folder_made_file, replaced, with_bytes, with_line
from releases import jpeg, write


def veri776_cases() -> Iterator[Case]:
    def case(name: str, file: str, damage: Damage, code: str | None, place: str = "", **more: bool) -> Case:
        return Case("veri776", name, file, damage, code, place or file, **more)

    for file in ("train_label.xml", "test_label.xml"):
        broken = {
            "cut": with_bytes(lambda data: data[: len(data) // 2]),
            "empty": replaced(b""),
            "no XML": replaced(b"imageName vehicleID\n"),
            "unclosed": with_bytes(lambda data: data.replace(b"</Items>", b"")),
            "bad attribute": with_line(lambda line: line.replace(b'imageName="', b"imageName="), 5),
            "entities": with_bytes(lambda data: b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + data),
            "bad bytes": with_line(lambda line: line + b"\xff\xff\xff", 5),
            "UTF-16": with_bytes(lambda data: data.decode("gb2312").encode("utf-16")),
        }
        for name, damage in broken.items():
            yield case(name, file, damage, "attributes-broken")
        yield case("a folder", file, FILE_GONE["a folder"], "unusable")
        yield case("missing", file, FILE_GONE["missing"], "file-absent", blocked=False)
        vehicle = with_line(lambda line: line.replace(b'vehicleID="00', b'vehicleID="99'), 5)
        yield case("another vehicle", file, vehicle, "label-conflict")
        camera = with_line(lambda line: line.replace(b'cameraID="c0', b'cameraID="c9'), 5)
        yield case("another camera", file, camera, "label-conflict")
        swapped = with_bytes(lambda data: data.replace(b"vehicleID", b"x").replace(b"cameraID", b"vehicleID"))
        yield case("swapped attributes", file, swapped, "label-conflict")
        recoded = with_bytes(lambda data: data.decode("gb2312").encode("utf-8"))
        yield case("UTF-8 in spite of its head", file, recoded, None, blocked=False, same=True)
        yield case("CRLF", file, LIST_HARMLESS["CRLF"], None, blocked=False, same=True)
    for file in ("gt_index.txt", "jk_index.txt"):
        wrong = {
            "an index too many": with_line(lambda line: line + b" 1"),
            "an index lacking": with_line(lambda line: line.split(b" ", 1)[1]),
            "an index of 0": with_line(lambda line: line + b" 0"),
            "a word": with_line(lambda line: b"one two"),
            "a negative index": with_line(lambda line: b"-" + line),
            "bad bytes": with_line(lambda line: b"\xff" + line),
            "an empty line": with_line(lambda line: b""),
        }
        for name, damage in wrong.items():
            yield case(name, file, damage, "index-file", f"{file}:2", blocked=False, same=True)
        shorter = with_bytes(lambda data: data[: data.index(b"\n") + 1])
        yield case("cut", file, shorter, "index-file", blocked=False, same=True)
        yield case("empty", file, replaced(b""), "index-file", blocked=False, same=True)
        yield case("missing", file, FILE_GONE["missing"], "file-absent", blocked=False, same=True)
        yield case("a folder", file, FILE_GONE["a folder"], "unusable")
    track = "test_track.txt"
    tracks = {
        "an unknown image": with_line(lambda line: line + b"0099_c001_00000001_0.jpg"),
        "another vehicle's image": with_line(lambda line: line + b"0023_c004_00023004_0.jpg"),
        "no images": with_line(lambda line: line.split()[0]),
        "a track twice": with_line(lambda line: line + b"\n" + line),
        "bad bytes": with_line(lambda line: line + b"\xff"),
        "a training image": with_line(lambda line: line + b"0011_c001_00011000_0.jpg"),
        "a path": with_line(lambda line: line + b"../0021_c001_00021000_0.jpg"),
    }
    for name, damage in tracks.items():
        yield case(name, track, damage, "track-line", track)
    yield case("missing", track, FILE_GONE["missing"], "file-absent", blocked=False)
    for file in ("list_color.txt", "list_type.txt"):
        yield case("no number", file, with_line(lambda line: b"yellow"), "attributes-broken", f"{file}:2")
        yield case("bad bytes", file, with_line(lambda line: b"2 \xff\xff"), "attributes-broken", f"{file}:2")
        yield case("a folder", file, FILE_GONE["a folder"], "unusable")
        yield case("empty", file, replaced(b""), "unusable")
    for folder in ("image_train", "image_query", "image_test"):
        yield case("a file", folder, folder_made_file, "unusable")
        yield case("missing", folder, folder_gone, "unusable")
    name = "name_train.txt"
    yield case("not on disk", name, with_line(lambda line: line.replace(b"c001", b"c007")), "missing-image", "c007")
    yield case("too long a number", name, with_line(lambda line: b"9" * 30 + line), "list-line", f"{name}:2")
    yield case(
        "a line lost", name, with_bytes(lambda d: d[d.index(b"\n") + 1 :]), "extra-image", "11000_0.jpg", blocked=False
    )
    yield case("a test vehicle", name, _also_in_training, "identity-across-split", "vehicle 21")


def _also_in_training(path: Path) -> None:
    name = "0021_c001_00021777_0.jpg"
    write(path.parent / "image_train" / name, jpeg(4321))
    path.write_bytes(path.read_bytes() + name.encode() + b"\n")
