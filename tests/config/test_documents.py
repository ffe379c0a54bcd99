"""Parameter files as people write them, and what is none: every mistake is one message with its file."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from pathlib import Path

import pytest

from svrn.cli.examination import examine
from svrn.config.benchmark import Benchmark
from svrn.config.documents import read_tree, validate
from svrn.config.places import PARAMS
from svrn.config.products import check_command_line
from svrn.config.study import load_study
from svrn.config.suite import Suite, load_settings, load_suite
from svrn.data.benchmarks.obtain import find_benchmark
from svrn.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped parameters in a project of the test's own."""
    shutil.copytree(ROOT / "params", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    return Path("params")


NOT_READ: dict[str, tuple[bytes, str]] = {
    "a key twice": (b"a: 1\na: 2\n", "key 'a' stands twice"),
    "a key that is a list": (b"? [1, 2]\n: 3\n", "a key that is no text"),
    "a key that is a mapping": (b"? {a: b}\n: 3\n", "a key that is no text"),
    "an open bracket": (b"a: [1, 2\n", "not YAML"),
    "a tab": (b"a:\n\t- 1\n", "not YAML"),
    "a control character": (b"a: \x07\n", "not YAML: unacceptable character"),
    "a month 13": (b"a: 2024-13-45\n", "not YAML: month must be"),
    "a number of 5000 digits": (b"a: " + b"9" * 5000 + b"\n", "not YAML"),
    "an object of Python": (
        b"a: !!python/object/apply:os.system [ls]\n",
        "not YAML: could not determine a constructor",
    ),
    "an alias of nothing": (b"a: *b\n", "not YAML: found undefined alias"),
    "aliases of aliases": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((i + 1, i + 1) + (i,) * 7) for i in range(97, 110)),
        "more than 100,000 values",
    ),
    "an alias within itself": (b"a: &a [*a]\n", "nested more than 50 levels"),
    "a mapping within itself": (b"a: &a {b: *a}\n", "nested more than 50 levels"),
    "brackets without end": (b"a: " + b"[" * 100_000, "nested more than 50 levels|not YAML"),
    "Latin-1": (b"a: caf\xe9\n", "cannot be read"),
    "a list": (b"- 1\n- 2\n", "wanted keys and values, got list"),
    "two documents": (b"a: 1\n---\nb: 2\n", "not YAML"),
    "17 MB": (b"#" * (1 << 24) + b"\na: 1\n", "at most 16,777,216 are read"),
    "bytes that are none": (b"a: !!binary xyz\n", "not YAML"),
    "half of a letter": (b'a: "\\ud800"\n', "half of a letter"),
    "a merge of a number": (b"a:\n  <<: 3\n", "not YAML"),
}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_no_parameter_file_is_named(name: str, tmp_path: Path) -> None:
    data, reason = NOT_READ[name]
    file = tmp_path / "x.yaml"
    file.write_bytes(data)
    with pytest.raises(UserError, match=reason) as refused:
        read_tree(file)
    assert str(refused.value.where).startswith(str(file))


@pytest.mark.timeout(30)
def test_files_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name, reason in (("pipe", "a named pipe"), ("zero", "a device"), ("folder", "Is a directory")):
        with pytest.raises(UserError, match=reason):
            read_tree(tmp_path / f"{name}.yaml")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_tree(tmp_path / "bom.yaml") == {"a": 1}
    (tmp_path / "empty.yaml").write_bytes(b"# nothing\n")
    assert read_tree(tmp_path / "empty.yaml") == {}


@pytest.mark.parametrize("text", ["", "suite: demo", "[1]", "null", "{"])
def test_settings_in_the_environment_that_are_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVRN_SETTINGS", text)
    with pytest.raises(UserError, match="SVRN_SETTINGS holds no settings") as refused:
        load_settings(PARAMS)
    assert refused.value.where == "environment"
    monkeypatch.setenv("SVRN_SETTINGS", '{"suit": "demo"}')
    with pytest.raises(UserError, match="unknown key 'suit'"):
        load_settings(PARAMS)


@pytest.mark.parametrize("value", ["2024_01", "007", "3.5", "2024-01-01", "yes", "off", "0x10"])
def test_names_that_yaml_makes_something_else_of_are_to_be_quoted(value: str, params: Path) -> None:
    file = params / "config.yaml"
    file.write_text(f"suite: {value}\n")
    with pytest.raises(UserError, match="valid string, got") as refused:
        load_settings(params)
    assert "put it in quotes" in str(refused.value.mend)
    file.write_text(f'suite: "{value}"\n')
    assert load_settings(params).suite == value
    with pytest.raises(UserError, match="valid string") as refused:
        validate(
            Suite, {"description": "x", "benchmarks": {"veri776": 202401}, "seeds": [0], "tables": ["t"]}, where="s"
        )
    assert "put it in quotes" in str(refused.value.mend)


@pytest.mark.parametrize(
    ("names", "value", "meant"),
    [
        (["2024_01", "7"], 202401, "2024_01"),
        (["007"], 7, "007"),
        (["1e3"], 1000.0, "1e3"),
        (["3.5"], 3.5, "3.5"),
        (["2024-01-01"], datetime.date(2024, 1, 1), "2024-01-01"),
        (["yes"], True, "yes"),
        (["7", "007"], 7, None),
        (["demo"], 7, None),
        (["1"], True, None),
    ],
)
def test_a_suite_typed_on_the_command_line_keeps_its_name(
    names: list[str], value: object, meant: str | None, tmp_path: Path
) -> None:
    (tmp_path / "suites").mkdir()
    for name in names:
        (tmp_path / "suites" / f"{name}.yaml").write_text("")
    config = {"suite": value}
    if meant is None:
        with pytest.raises(UserError, match="was read as") as refused:
            check_command_line(config, tmp_path)
        assert "!!str NAME" in str(refused.value.mend)
    else:
        check_command_line(config, tmp_path)
        assert config == {"suite": meant}


@pytest.mark.parametrize("name", ["my suite", "../smoke", "-n", "", "größer"])
def test_suites_tables_and_models_have_names_that_files_can_have(name: str, params: Path) -> None:
    with pytest.raises(UserError, match="cannot be the name of a suite"):
        load_suite(name, params)
    text = (params / "suites/smoke.yaml").read_text()
    (params / "suites/own.yaml").write_text(
        text.replace("[table1, table2, table3, table7, table8]", json.dumps([name]))
    )
    with pytest.raises(UserError, match="cannot be the name of a table"):
        load_study("own")
    (params / "suites/own.yaml").write_text(text.replace("veri776: tiny-veri776", f"veri776: {json.dumps(name)}"))
    with pytest.raises(UserError, match="cannot be the name of a benchmark"):
        load_study("own")


def test_a_yml_is_pointed_at(params: Path) -> None:
    (params / "suites/smoke.yaml").rename(params / "suites/mine.yml")
    with pytest.raises(UserError, match="no suite is called 'mine'") as refused:
        load_suite("mine", params)
    assert "mine.yml is there: rename it mine.yaml" in str(refused.value.mend)


# One way of reading roots.


@pytest.mark.parametrize("text", ["~/VeRi", "$DATASETS/VeRi", "${DATASETS}/VeRi"])
def test_a_root_is_read_in_one_way(text: str, params: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATASETS", str(tmp_path / "home"))
    (tmp_path / "home" / "VeRi").mkdir(parents=True)
    file = params / "config.yaml"
    file.write_text(file.read_text().replace("veri776: null", f"veri776: {text}"))
    wanted = tmp_path / "home" / "VeRi"
    assert find_benchmark("veri776", params).benchmark.place == wanted
    assert load_study("paper").benchmarks["veri776"].place == wanted
    (finding,) = [one for one in examine("paper") if one.subject == "benchmark veri776"]
    assert finding.state == "fine"
    shutil.rmtree(wanted)
    (finding,) = [one for one in examine("paper") if one.subject == "benchmark veri776"]
    assert finding.state == "wrong" and str(wanted) in finding.seen


def test_roots_that_lead_nowhere_are_said(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    benchmark = Benchmark.model_validate({"layout": "list", "root": "$NOT_SET/a.csv", "tests": {}})
    with pytest.raises(UserError, match=r"\$NOT_SET is not set"):
        _ = benchmark.place
    assert Benchmark(layout="list", root="~nobody-of-that-name/x", tests={}).place == Path("~nobody-of-that-name/x")
    file = params / "config.yaml"
    file.write_text(file.read_text().replace("veri776: null", "veri77: /data"))
    with pytest.raises(UserError, match="there is no benchmark 'veri77'") as refused:
        load_study("smoke")
    assert "did you mean 'veri776'?" in str(refused.value.mend)


# What stands beside a manifest.


def own_suite(params: Path, sidecar: str) -> None:
    text = "layout: list\nroot: /data/own.csv\ntests: {test: {protocols: [veri776, plain]}}\n"
    (params / "benchmarks/own.yaml").write_text(text)
    suite = (params / "suites/smoke.yaml").read_text().replace("veri776: tiny-veri776", "veri776: own")
    (params / "suites/own.yaml").write_text(suite.replace("[table1, table2, table3, table7, table8]", "[table2]"))
    Path("data/own").mkdir(parents=True, exist_ok=True)
    Path("data/own/manifest.json").write_text(sidecar)


DIGESTS = {"train_digest": "1" * 64, "digest": "2" * 64, "root": "/data", "train_images": 100}


def test_a_protocol_that_does_not_fit_is_said_by_the_plan(params: Path) -> None:
    own_suite(params, json.dumps(DIGESTS))  # of before this was written down
    assert len(load_study("own").runs) > 0
    misfits = {"test": {"veri776": "protocol 'veri776' rests on cameras, 4 of 4 images have none"}}
    own_suite(params, json.dumps(DIGESTS | {"misfits": misfits}))
    with pytest.raises(UserError, match="own: protocol 'veri776' rests on cameras") as refused:
        load_study("own")
    assert str(refused.value.where).endswith("own.yaml: tests.test.protocols")
    file = params / "benchmarks/own.yaml"
    file.write_text(file.read_text().replace("[veri776, plain]", "[plain]"))
    assert len(load_study("own").runs) > 0


@pytest.mark.parametrize("torn", ["", "{", "[]", "null", '{"digest": 1}', '"text"', "[" * 100_000, "\x00"])
def test_a_torn_file_beside_a_manifest_is_named(torn: str, params: Path) -> None:
    own_suite(params, torn)
    with pytest.raises(UserError, match="not what stands beside a manifest") as refused:
        load_study("own")
    assert "remove data/own/manifest.json and manifest.parquet" in str(refused.value.mend)


def test_the_doctor_sees_that_data_was_moved(params: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    own_suite(params, json.dumps(DIGESTS | {"root": str(tmp_path / "d")}))
    file = params / "benchmarks/own.yaml"
    file.write_text(file.read_text().replace("/data/own.csv", str(tmp_path)))
    (finding,) = [one for one in examine("own") if one.subject == "benchmark own"]
    assert finding.state == "fine"
    (tmp_path / "d").rename(tmp_path / "e")
    (finding,) = [one for one in examine("own") if one.subject == "benchmark own"]
    assert finding.state == "wrong" and f"{tmp_path}/d, which is not there" in finding.seen
    assert "data/own/manifest.json" in str(finding.mend)
