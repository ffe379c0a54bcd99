"""Side information of releases that cannot be so: label and attribute files, index files, tables of attributes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cases import Case
from damages import Damage, with_bytes, with_line

LONG = b"7" * 5000
Line = Callable[[bytes], bytes]


def swap(old: bytes, new: bytes, line: int = 5) -> Damage:
    return with_line(lambda text: text.replace(old, new), line)


def added(new: bytes) -> Damage:
    return with_bytes(lambda data: data.rstrip(b"\n") + b"\n" + new + b"\n")


def label_cases() -> Iterator[Case]:
    yield from _veri776()
    yield from _vehicleid()
    yield from _veriwild()
    varying = with_bytes(lambda data: data.replace(b"red", b"blue", 1))
    yield Case("list", "two colours of a vehicle", "own.csv", varying, "label-varies", blocked=False)


def _veri776() -> Iterator[Case]:
    def case(name: str, file: str, damage: Damage, code: str, **more: bool) -> Case:
        return Case("veri776", name, file, damage, code, file, **more)

    for file in ("train_label.xml", "test_label.xml"):
        root = with_bytes(lambda data: data.replace(b"TrainingImages", b"Pictures"))
        yield case("another root", file, root, "attributes-broken")
        yield case("no items", file, with_bytes(lambda d: d[: d.index(b"<Item ")] + b"</Items></TrainingImages>"),
                   "attributes-broken")  # fmt: skip
        yield case("other elements", file, with_bytes(lambda d: d.replace(b"<Item ", b"<Image ")), "attributes-broken")
        unknown = with_line(lambda line: line + line.replace(b"_0.jpg", b"_7.jpg"), 5)
        yield case("an unknown image", file, unknown, "label-unknown", blocked=False, same=True)
        yield case("no image name", file, swap(b"imageName", b"name"), "label-unknown", blocked=False)
        twice = with_line(lambda line: line + line, 5)
        yield case("an image twice", file, twice, "label-twice", blocked=False, same=True)
        contrary = with_line(lambda line: line + _other_colour(line), 5)
        yield case("an image twice, otherwise", file, contrary, "label-conflict")
        other = with_line(_other_colour, 5)
        yield Case("veri776", "another colour of a vehicle", file, other, "label-varies", "_c0", blocked=False)
        for key, beyond in ((b"colorID", b"99"), (b"typeID", b"0"), (b"colorID", b"4")):
            damage = with_line(lambda line, key=key, beyond=beyond: _set(line, key, beyond), 5)
            name = f"{key.decode()} {beyond.decode()}"
            yield case(name, file, damage, "attribute-unlisted", blocked=False)
        for word in (b"red", b"-1", b"1.5", LONG):
            damage = with_line(lambda line, word=word: _set(line, b"colorID", word), 5)
            yield case(f"colorID {word[:4].decode()}", file, damage, "attributes-broken")
        yield case("a vehicle of 5000 digits", file, with_line(lambda x: _set(x, b"vehicleID", LONG), 5),
                   "label-conflict")  # fmt: skip
    for file in ("gt_index.txt", "jk_index.txt"):
        again = with_line(lambda line: line + b" " + line.split()[0])
        yield case("an index twice", file, again, "index-file", blocked=False, same=True)
        yield case("an index of 5000 digits", file, with_line(lambda line: line + b" " + LONG), "index-file",
                   blocked=False, same=True)  # fmt: skip
    for file in ("list_color.txt", "list_type.txt"):
        yield case("a number twice", file, added(b"1 teal"), "attributes-broken")
        yield case("a number of 5000 digits", file, added(LONG + b" teal"), "attributes-broken")
        name = b"yellow" if file == "list_color.txt" else b"sedan"
        yield case("a name twice", file, added(b"9 " + name), "label-twice", blocked=False, same=True)


def _other_colour(line: bytes) -> bytes:
    return line.replace(b'colorID="3"', b'colorID="1"').replace(b'colorID="1"', b'colorID="2"', 1)


def _set(line: bytes, key: bytes, value: bytes) -> bytes:
    before, _, after = line.partition(key + b'="')
    return before + key + b'="' + value + after[after.index(b'"') :]


def _vehicleid() -> Iterator[Case]:
    for kind, known in (("color", True), ("model", False)):
        path = f"attribute/{kind}_attr.txt"

        def case(name: str, damage: Damage, code: str, path: str = path, **more: bool) -> Case:
            return Case("vehicleid", name, path, damage, code, path, **more)

        yield case("an unknown vehicle", added(b"77 1"), "label-unknown", blocked=False, same=True)
        yield case("two numbers of a vehicle", with_line(lambda x: x + b"\n" + x[:-1] + b"7"), "label-conflict")
        yield case("a vehicle twice", with_line(lambda x: x + b"\n" + x), "label-twice", blocked=False, same=True)
        beyond = with_line(lambda line: line.split()[0] + b" 88")
        yield case("a number without a name", beyond, "attribute-unlisted", blocked=False, same=not known)
        yield case("5000 digits", with_line(lambda line: line.split()[0] + b" " + LONG), "attributes-broken")
        yield case("a vehicle of 5000 digits", with_line(lambda line: LONG + b" 1"), "attributes-broken")
        path = f"attribute/{kind}_names.txt"
        yield Case("vehicleid", "a number twice", path, added(b"1 teal"), "attributes-broken", path)


def _veriwild() -> Iterator[Case]:
    file = "train_test_split/vehicle_info.txt"

    def case(name: str, damage: Damage, code: str, **more: bool) -> Case:
        return Case("veriwild-a", name, file, damage, code, more.pop("place", file), **more)  # type: ignore[arg-type]

    unknown = added(b"00077/000077;1;2018-03-05 10:00:00;Audi;SUV;white")
    yield case("an unknown image", unknown, "label-unknown", blocked=False, same=True)
    for name, old, new in (("colour", b"white", b"red"), ("type", b"SUV", b"sedan"), ("model", b"Audi", b"BMW")):
        damage = swap(old, new, 2)
        yield Case(
            "veriwild-a", f"two of {name}", file, damage, "label-varies", "000", blocked=False, same=name == "model"
        )
    yield case("a camera of 5000 digits", with_line(lambda x: x.replace(b";1;", b";" + LONG + b";"), 2),
               "attributes-broken")  # fmt: skip
