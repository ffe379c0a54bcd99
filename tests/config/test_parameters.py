"""Parameter files: every mistake is named with its file, key and mend; generated files agree with the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from worlds_of_parameters import BASELINE, parameters

from svrn.config.documents import merge, read_tree, validate
from svrn.config.generate import SCHEMAS, base_yaml, schema_json
from svrn.config.parameters import RunParameters
from svrn.config.suite import load_settings, load_suite
from svrn.errors import UserError

ROOT = Path(__file__).parents[2]
PARAMS = ROOT / "params"


@pytest.mark.parametrize(
    ("tree", "says", "mend"),
    [
        ({"modle": {}}, "unknown key 'modle'", "model"),
        ({"training": {"optimisation": {"learning_rate": 1}}}, "unknown key 'learning_rate'", None),
        ({"training": {"optimisation": {"epoch": 3}}}, "unknown key 'epoch'", "epochs"),
        ({"training": {"losses": {"vcc": {"wieght": 1}}}}, "unknown key 'wieght'", "weight"),
        ({"training": {"optimisation": {"lr": "fast"}}}, "'fast'", None),
        ({"training": {"optimisation": {"lr": -1}}}, "greater than 0", None),
        ({"model": {"stages": {"count": 7}}}, "less than or equal to 4", None),
        ({"model": {"stages": {"starts": [1, 4, 3]}}}, "stage starts", None),
        ({"model": {"salience": {"alphas": [1.5, 0.1]}}}, "alpha must be in [0, 1)", None),
        ({"model": {"salience": {"alphas": [0.1]}}}, "need 2 alphas", None),
        ({"model": {"backbone": {"weights": "file"}}}, "backbone.file is given exactly when", None),
        ({"model": {"unified": {"enabled": False}}}, "act on G", None),
        ({"model": {"stages": {"count": 1}}}, "icc compares the stages", None),
        ({"training": {"input": {"size": 32}}}, "does not fit", None),
    ],
)
def test_a_mistake_is_named(tree: dict[str, Any], says: str, mend: str | None) -> None:
    with pytest.raises(UserError) as caught:
        validate(RunParameters, tree, where="params/models/mine.yaml")
    assert says in str(caught.value) and "params/models/mine.yaml" in str(caught.value)
    assert "\n" not in caught.value.what
    if mend:
        assert caught.value.mend == f"did you mean {mend!r}?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "key 'a' stands twice"),
        ("a: [1\n", "not YAML"),
        ("- 1\n", "wanted keys and values, got list"),
        ("a: {b: 1, b: 2}\n", "key 'b' stands twice"),
    ],
)
def test_what_is_no_tree_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        read_tree(file)
    assert says in str(caught.value) and "bad.yaml" in str(caught.value)


def test_a_missing_file_is_told_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "smoke.yaml").write_text("{}")
    with pytest.raises(UserError) as caught:
        load_suite("smok", PARAMS)
    assert caught.value.mend == "did you mean 'smoke'?"
    with pytest.raises(UserError) as caught:
        read_tree(tmp_path / "smoky.yaml")
    assert caught.value.mend == "did you mean 'smoke'?"


def test_merging_replaces_leaves_and_keeps_the_rest() -> None:
    below = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge(below, {"a": {"c": [3]}}, {"d": {"e": 2}}) == {"a": {"b": 1, "c": [3]}, "d": {"e": 2}}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": 1}, "nothing is changed in place"


def test_base_yaml_is_the_code_s_defaults() -> None:
    assert (PARAMS / "base.yaml").read_text(encoding="utf-8") == base_yaml(), "run `make schemas`"
    assert validate(RunParameters, read_tree(PARAMS / "base.yaml"), where="base.yaml") == RunParameters()


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_those_of_the_code(name: str) -> None:
    file = ROOT / "workflow" / "schemas" / f"{name}.schema.json"
    assert file.read_text(encoding="utf-8") == schema_json(SCHEMAS[name]), "run `make schemas`"


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("suite", sorted((PARAMS / "suites").glob("*.yaml"))),
        ("table", sorted((PARAMS / "tables").glob("*.yaml"))),
        ("benchmark", sorted((PARAMS / "benchmarks").glob("*.yaml"))),
        ("config", [PARAMS / "config.yaml"]),
        ("parameters", [PARAMS / "base.yaml"]),
    ],
)
def test_shipped_files_fit_their_schemas(schema: str, files: list[Path]) -> None:
    checker = jsonschema.Draft202012Validator(json.loads(schema_json(SCHEMAS[schema])))
    assert files
    for file in files:
        assert list(checker.iter_errors(yaml.safe_load(file.read_text()))) == [], file
    typo = yaml.safe_load(files[0].read_text()) | {"typo": 1}
    assert any("typo" in error.message for error in checker.iter_errors(typo))


def test_settings_name_a_suite_that_is_there() -> None:
    assert (PARAMS / "suites" / f"{load_settings(PARAMS).suite}.yaml").is_file()


def test_the_baseline_is_the_one_stage_case() -> None:
    assert parameters(BASELINE).model.stages.count == 1
