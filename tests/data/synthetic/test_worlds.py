"""Worlds are data: those of the project stay as they were, a user's own is drawn from her file, mistakes are named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from svrn.config import places
from svrn.data.synthetic import plan, preset_named, presets, train_digest
from svrn.data.synthetic.cameras import camera
from svrn.data.synthetic.planning import images, plan_digest, vehicles
from svrn.data.synthetic.seeds import canonical
from svrn.data.synthetic.world import world_named
from svrn.errors import UserError

#: Of the plans as they were when the tables were literals in the code, with the seeds of then.
PLANS = {("tiny", 32): "8ced367af0884deb", ("demo", 7): "7c56f854f061e203"}
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("name", "seed"), PLANS)
def test_the_presets_plans_are_what_they_were(name: str, seed: int) -> None:
    assert plan_digest(plan(preset_named(name).model_copy(update={"seed": seed}))) == PLANS[name, seed]


def test_another_seeds_world_has_no_vehicle_model_or_camera_of_this_one() -> None:
    """What the demo's tables say of the weights that they start from: of a world that shares the look alone."""

    def facts(name: str) -> dict[str, set[str]]:
        preset = preset_named(name)
        world = world_named(preset.look)
        made = vehicles(preset)
        return {
            "vehicles": {canonical(one.identity) for one in made},
            "models": {canonical(replace(one.identity.model, name="")) for one in made},
            "cameras": {canonical(camera(number, preset.seed, world)) for number in range(1, preset.cameras + 1)},
        }

    demo, full, synthetic = facts("demo"), facts("full"), facts("synthetic")
    assert {kind: len(demo[kind] & full[kind]) for kind in demo} == {"vehicles": 0, "models": 0, "cameras": 0}
    assert synthetic["models"] & full["models"] and synthetic["cameras"] & full["cameras"], "of one seed"


def test_every_preset_and_look_is_valid() -> None:
    assert {"tiny", "demo", "synthetic", "detailed", "full"} <= set(presets())
    for file in (ROOT / "params" / "looks").glob("*.yaml"):
        world_named(file.stem)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose params/ hold nothing but a look and a world of the user's own: yellow saloons in the rain."""
    look = yaml.safe_load((ROOT / "params" / "looks" / "street.yaml").read_text())
    look["round"], look["skies"] = ["sedan"], ["rain"]
    look["colours"] = {"yellow": {"weight": 1.0, "shades": [[0.78, 0.6, 0.07]]}}
    world = yaml.safe_load((ROOT / "params" / "worlds" / "tiny.yaml").read_text()) | {"look": "taxis"}
    for folder, name, content in (("looks", "taxis", look), ("worlds", "rank", world)):
        (tmp_path / "params" / folder).mkdir(parents=True)
        (tmp_path / "params" / folder / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_users_own_world(mine: Path) -> None:
    table = plan("rank")
    assert set(table["type"]) == {"sedan"} and set(table["colour"]) == {"yellow"}
    assert {image.camera.weather for image in images(preset_named("rank"))} == {"rain"}
    assert train_digest("rank") != train_digest("tiny")
    assert not set(table["digest"]) & set(plan("tiny")["digest"]), "no picture is taken for another world's"


def test_a_look_that_was_edited_is_read_again(mine: Path) -> None:
    before = plan_digest(plan("rank"))
    file = mine / "params" / "looks" / "taxis.yaml"
    tree = yaml.safe_load(file.read_text())
    tree["colours"]["yellow"]["shades"] = [[0.5, 0.6, 0.07]]
    file.write_text(yaml.safe_dump(tree, sort_keys=False))
    assert plan_digest(plan("rank")) != before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("round:", "rounds:", "did you mean 'round'"),
        ("- sedan\n", "- tank\n", "round"),
        ("- rain\n", "- snow\n", "skies"),
        ("weight: 1.0", "weight: 0", "weight"),
        ("- 4.35\n    - 5.0", "- 5.0\n    - 4.35", "no range"),
    ],
)
def test_mistakes_are_named_with_their_place(mine: Path, before: str, after: str, said: str) -> None:
    file = mine / "params" / "looks" / "taxis.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    with pytest.raises(UserError) as error:
        plan("rank")
    assert "taxis.yaml" in str(error.value) and said in str(error.value)


def test_a_preset_that_there_is_not_is_named(mine: Path) -> None:
    with pytest.raises(UserError, match="no preset 'rnak'"):
        preset_named("rnak")
    shutil.copy(mine / "params/worlds/rank.yaml", mine / "params/worlds/other.yaml")
    file = mine / "params/worlds/other.yaml"
    file.write_text(file.read_text().replace("passes: 3", "passes: 30"))
    with pytest.raises(UserError, match="passes 30 is more than"):
        preset_named("other")
    assert places.names(Path("params/worlds"))[0] == "demo"
