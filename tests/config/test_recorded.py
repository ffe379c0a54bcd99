"""A run's config.yaml: held against the key that it names, and read as it was meant at its time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from svrn.config.identity import run_key
from svrn.config.parameters import RunParameters
from svrn.config.plan import past_runs
from svrn.config.recorded import read_recorded
from svrn.errors import UserError

FROZEN = sorted((Path(__file__).parents[1] / "artefacts").glob("*/results/runs/*"))


def write_config(root: Path, tree: dict[str, Any] | None = None, **said: Any) -> Path:
    parameters = RunParameters.model_validate(tree or {})
    key = run_key(parameters, "f" * 64)
    folder = root / key
    folder.mkdir(parents=True)
    content = {"key": key, "train_digest": "f" * 64, "semantics": 1, "parameters": parameters.model_dump(mode="json")}
    (folder / "config.yaml").write_text(yaml.safe_dump(content | said))
    return folder


def change(folder: Path, before: str, after: str) -> None:
    text = (folder / "config.yaml").read_text()
    assert text.count(before) == 1
    (folder / "config.yaml").write_text(text.replace(before, after))


@pytest.mark.parametrize("folder", FROZEN, ids=lambda folder: folder.name)
def test_runs_of_earlier_versions_have_the_key_of_their_folder(folder: Path) -> None:
    said = read_recorded(folder)
    assert said.key == folder.name
    assert run_key(said.parameters, said.content["train_digest"], said.content.get("side_digest")) == folder.name


def test_a_changed_parameter_is_another_run(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    assert read_recorded(folder).key == folder.name
    change(folder, "gamma: 0.1", "gamma: 0.3")
    with pytest.raises(UserError, match=rf"are those of run [0-9a-f]{{12}}, not of {folder.name}"):
        read_recorded(folder)
    assert not list(past_runs(tmp_path)), "nothing is planned by it"


def test_what_cannot_change_a_result_may_be_changed(tmp_path: Path) -> None:
    folder = write_config(tmp_path)
    change(folder, "workers: 0", "workers: 3")
    assert read_recorded(folder).parameters.execution.workers == 3


def test_a_folder_under_another_runs_name(tmp_path: Path) -> None:
    one, two = write_config(tmp_path), write_config(tmp_path, {"training": {"seed": 1}})
    shutil.copyfile(one / "config.yaml", two / "config.yaml")
    with pytest.raises(UserError, match=f"this folder holds run {one.name}, not {two.name}"):
        read_recorded(two)
    shutil.copytree(one, tmp_path / "a copy of mine")
    assert read_recorded(tmp_path / "a copy of mine").key == one.name


def test_a_run_keeps_its_key_when_the_meaning_of_trainings_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_config(tmp_path)
    monkeypatch.setattr("svrn.config.identity.TRAINING_SEMANTICS", 2)
    assert read_recorded(folder).key == folder.name


def test_random_masks_of_before_their_chance_had_a_seed(tmp_path: Path) -> None:
    """The default became another; a file of before does not say it, and means what was done then."""
    masks = {"model": {"salience": {"scores": "random"}}}
    folder = write_config(tmp_path, {**masks, "training": {"seed": 1, "chance_by_seed": False}})
    change(folder, "    chance_by_seed: false\n", "")
    assert read_recorded(folder).parameters.training.chance_by_seed is False
    assert [past.key for past in past_runs(tmp_path)] == [folder.name]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not the configuration"),
        ("parameters: [1]", "not the configuration"),
        ("parameters: {training: null}", "not the configuration"),
        ("key: a\nkey: b", "stands twice"),
        ("parameters:\n\tmodel: {}", "not YAML"),
    ],
)
def test_what_is_no_configuration(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(UserError, match=what) as caught:
        read_recorded(tmp_path)
    assert "config.yaml" in str(caught.value)
