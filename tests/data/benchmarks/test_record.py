"""What fills a role, written down: from folders, archives and the renderer; missing, damaged, misspelt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import Run
from releases import WRITERS, write

from svrn.config.suite import ROLES, load_suite
from svrn.data.manifest import read_manifest

TESTS = {
    "veri776": {"test": {"protocols": ["veri776", "veri776-track"]}},
    "vehicleid": {"S": {"protocols": ["vehicleid"]}, "M": {"protocols": ["vehicleid-inverted"]}},
    "veriwild": {"S": {"protocols": ["veriwild"]}},
}
SHIPPED = Path(__file__).resolve().parents[3] / "params"


def settings(folder: Path, roles: dict[str, str]) -> None:
    write(folder / "params" / "config.yaml", "suite: one\nroots: {}\n")
    suite = {"description": "One.", "benchmarks": roles, "seeds": [0], "tables": ["table3"]}
    write(folder / "params" / "suites" / "one.yaml", yaml.safe_dump(suite))


def describe(folder: Path, name: str, **fields: object) -> None:
    write(folder / "params" / "benchmarks" / f"{name}.yaml", yaml.safe_dump(fields))


@pytest.fixture
def brought_in(tmp_path: Path, run: Run) -> Path:
    """A suite whose role veri776 is filled by a small folder, read into its manifest."""
    settings(tmp_path, {"veri776": "garage"})
    describe(
        tmp_path, "garage", layout="veri776", root=str(WRITERS["veri776"](tmp_path / "VeRi")), tests=TESTS["veri776"]
    )
    assert run("manifest", "garage", "--out", "data/garage/manifest.parquet").code == 0
    return tmp_path


def recorded(run: Run, role: str = "veri776") -> dict[str, Any]:
    answer = run("record", role, "--suite", "one", "--out", "data/inputs/record.json")
    assert (answer.code, answer.err) == (0, ""), answer.err
    assert answer.out.startswith(f"{role}: ")
    return json.loads(Path("data/inputs/record.json").read_text())


@pytest.mark.parametrize("layout", TESTS)
def test_a_record_says_what_it_is_and_holds(layout: str, tmp_path: Path, run: Run) -> None:
    settings(tmp_path, {layout: "mine"})
    root = WRITERS[layout](tmp_path / "outside" / "folder")
    describe(tmp_path, "mine", layout=layout, root=str(root), counts="any", tests=TESTS[layout])
    assert run("manifest", "mine", "--out", "data/mine/manifest.parquet").code == 0
    record = recorded(run, layout)
    assert (record["role"], record["benchmark"], record["layout"]) == (layout, "mine", layout)
    assert record["source"] == {"folder": str(root)} and record["missing"] is None
    assert record["protocols"] == {test: chosen["protocols"] for test, chosen in TESTS[layout].items()}
    manifest = read_manifest(tmp_path / "data" / "mine" / "manifest.parquet")
    told = record["contents"]
    assert (told["digest"], told["train_digest"]) == (manifest.digest, manifest.train_digest)
    counted: dict[str, list[int]] = {}
    for text, vehicle in zip(manifest.table["split"], manifest.table["vehicle"], strict=True):
        for part in text.split("+"):
            counted.setdefault(part, []).append(vehicle)
    wanted = {part: {"images": len(those), "vehicles": len(set(those))} for part, those in counted.items()}
    assert told["sets"] == wanted and "train" in wanted and len(wanted) > 1
    assert told["images"] == len(manifest.table) and told["vehicles"] == manifest.table["vehicle"].nunique()


def test_the_same_images_give_the_same_bytes(brought_in: Path, run: Run) -> None:
    recorded(run)
    file = brought_in / "data" / "inputs" / "record.json"
    first = file.read_bytes()
    assert run("manifest", "garage", "--out", "data/garage/manifest.parquet").code == 0
    write(brought_in / "params" / "suites" / "two.yaml", (brought_in / "params" / "suites" / "one.yaml").read_text())
    assert run("record", "veri776", "--suite", "two", "--out", "data/inputs/record.json").code == 0
    assert file.read_bytes() == first
    assert run("record", "veri776", "--out", "data/inputs/settings.json").code == 0, "the suite of the settings"
    assert (brought_in / "data" / "inputs" / "settings.json").read_bytes() == first


def test_other_images_give_another_record(brought_in: Path, run: Run) -> None:
    before = recorded(run)
    for image in (brought_in / "VeRi" / "image_train").iterdir():
        image.write_bytes(image.read_bytes().replace(b"\xff\xd8", b"\xff\xd8\xff\xfe\x00\x04hi", 1))
    assert run("manifest", "garage", "--out", "data/garage/manifest.parquet").code == 0
    after = recorded(run)
    assert after["contents"]["train_digest"] != before["contents"]["train_digest"]


def test_where_archives_and_addresses_are(brought_in: Path, run: Run) -> None:
    describe(brought_in, "garage", layout="veri776", archive=["data/raw/a.zip", "b.zip"], tests=TESTS["veri776"])
    assert recorded(run)["source"] == {"archives": ["data/raw/a.zip", "b.zip"]}
    url, sha256 = "https://example.org/VeRi.zip", "ab" * 32
    describe(brought_in, "garage", layout="veri776", url=url, sha256=sha256, tests=TESTS["veri776"])
    assert recorded(run)["source"] == {"url": url, "sha256": sha256}


def test_a_rendered_benchmark_is_held_against_its_declared_digest(brought_in: Path, run: Run) -> None:
    digest = recorded(run)["contents"]["train_digest"]
    rendered = {"layout": "veri776", "embedded": {"preset": "tiny"}, "tests": TESTS["veri776"]}
    describe(brought_in, "garage", **rendered, train_digest=digest)
    assert recorded(run)["source"] == {"rendered": {"preset": "tiny", "split": "main"}}
    describe(brought_in, "garage", **rendered, train_digest="0" * 64)
    answer = run("record", "veri776", "--suite", "one", "--out", "data/inputs/other.json")
    assert answer.code == 2 and "train_digest is " + "0" * 64 in answer.err and digest in answer.err


@pytest.mark.parametrize("role", TESTS)
def test_no_place_known_is_a_record_that_says_where_to_ask(role: str, tmp_path: Path, run: Run) -> None:
    settings(tmp_path, {role: "wanted"})
    describe(tmp_path, "wanted", layout=role, counts="official", tests=TESTS[role])
    answer = run("record", role, "--suite", "one", "--out", "data/inputs/record.json")
    assert answer.code == 0 and "nothing says where wanted is" in answer.out
    record = json.loads(Path("data/inputs/record.json").read_text())
    assert record["benchmark"] == "wanted" and record["source"] is None and record["contents"] is None
    assert "ask for" in record["missing"] and "roots.wanted in params/config.yaml" in record["missing"]


def test_a_role_that_nothing_fills(brought_in: Path, run: Run) -> None:
    record = recorded(run, "veriwild")
    assert record["role"] == "veriwild"
    assert {value for name, value in record.items() if name != "role"} == {None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("veri77", "--suite", "one"), "did you mean 'veri776'?"),
        (("garage", "--suite", "one"), "no role is called 'garage'"),
        (("veri776", "--suite", "on"), "did you mean 'one'?"),
    ],
)
def test_misspelt(words: tuple[str, ...], said: str, brought_in: Path, run: Run) -> None:
    answer = run("record", *words, "--out", "record.json")
    assert answer.code == 2 and said in answer.err
    assert not (brought_in / "record.json").exists()


def _truncate(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes()[:-100])


def _swap(manifest: Path) -> None:
    text = manifest.with_suffix(".json").read_text()
    manifest.with_suffix(".json").write_text(text.replace('"digest": "', '"digest": "0'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda manifest: manifest.unlink(), "snakemake benchmark_veri776 --cores all"),
    "a folder": (lambda manifest: (manifest.unlink(), manifest.mkdir()), "not brought in yet"),
    "truncated": (_truncate, "not a whole Parquet file"),
    "empty": (lambda manifest: manifest.write_bytes(b""), "not a whole Parquet file"),
    "text": (lambda manifest: manifest.write_text("image,vehicle\n"), "not a whole Parquet file"),
    "no sidecar": (lambda manifest: manifest.with_suffix(".json").unlink(), "manifest.json: no such file"),
    "broken sidecar": (lambda manifest: manifest.with_suffix(".json").write_text("{"), "manifest.json: not what"),
    "a list": (lambda manifest: manifest.with_suffix(".json").write_text("[]"), "manifest.json: not what"),
    "bytes": (lambda manifest: manifest.with_suffix(".json").write_bytes(b"\xff\xfe"), "manifest.json: not what"),
    "poor sidecar": (lambda manifest: manifest.with_suffix(".json").write_text("{}"), "KeyError: 'digest'"),
    "other digest": (_swap, "the manifest's rows give"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_said_and_not_recorded(damage: str, brought_in: Path, run: Run) -> None:
    harm, said = DAMAGES[damage]
    harm(brought_in / "data" / "garage" / "manifest.parquet")
    answer = run("record", "veri776", "--suite", "one", "--out", "data/inputs/record.json")
    assert answer.code == 2 and said in answer.err, answer.err
    assert "snakemake benchmark_veri776 --cores all" in answer.err
    assert not (brought_in / "data" / "inputs").exists()


def test_a_manifest_of_another_benchmark(brought_in: Path, run: Run) -> None:
    (brought_in / "data" / "garage").rename(brought_in / "data" / "depot")
    settings(brought_in, {"veri776": "depot"})
    describe(brought_in, "depot", layout="veri776", root="VeRi", tests=TESTS["veri776"])
    answer = run("record", "veri776", "--suite", "one", "--out", "record.json")
    assert answer.code == 2 and "is a manifest of garage, not of depot" in answer.err


def test_every_role_of_the_shipped_suites_has_a_stage() -> None:
    stages = yaml.safe_load((SHIPPED.parent / "dvc.yaml").read_text())["stages"]
    assert tuple(stages["benchmark"]["foreach"]) == ROLES
    followed = {file for file in stages["tables"]["deps"] if file.startswith("data/inputs/")}
    assert followed == {f"data/inputs/{role}.json" for role in ROLES}
    for file in (SHIPPED / "suites").glob("*.yaml"):
        assert set(load_suite(file.stem, SHIPPED).benchmarks) <= set(ROLES), file
