"""The plan of the embedded benchmark: sizes, splits, digests, without drawing an image."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.synthetic import make_preset, plan, preset_named, presets, train_digest
from svrn.data.synthetic.cameras import camera
from svrn.data.synthetic.planning import images, parts, plan_digest, vehicles, viewpoint
from svrn.data.synthetic.seeds import canonical
from svrn.data.synthetic.shots import Shot
from svrn.data.synthetic.world import world_named
from svrn.errors import UserError

# A change here means other images: raise GENERATOR_VERSION, and say so in CHANGELOG.md.
TINY = "8ced367af0884deb"
TINY_TRAIN = "0fb128f1021100cfa70dfa14c8429ee713ea1656ce0d14b774cb075cf4896b25"


@pytest.fixture(scope="module")
def tiny():
    return plan("tiny")


def test_the_plan_is_the_same_everywhere(tiny):
    assert plan_digest(tiny) == TINY
    assert train_digest("tiny") == TINY_TRAIN


def test_planning_imports_no_renderer():
    code = (
        "import sys; from svrn.data.synthetic import plan; plan('tiny');"
        "print([name for name in ('embreex', 'trimesh', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["tiny", "demo"])
def test_groups_share_model_and_colour_and_never_straddle_splits(name):
    table = plan(name)
    groups = table.groupby("group")
    assert (groups["model"].nunique() == 1).all()
    assert (groups["colour"].nunique() == 1).all()
    assert (groups["split"].nunique() == 1).all()
    assert (groups["vehicle"].nunique() == preset_named(name).identities_per_group).all()
    assert (table.groupby("vehicle")["group"].nunique() == 1).all()


@pytest.mark.parametrize("name", ["tiny", "demo"])
def test_models_of_the_second_test_split_never_occur_in_training(name):
    models = {split: set(rows["model"]) for split, rows in plan(name).groupby("split")}
    assert not models["unseen"] & (models["train"] | models["main"])
    assert models["main"] <= models["train"]


def test_what_is_held_out_are_training_vehicles_by_whole_groups_that_are_not_trained_on():
    planned = images(preset_named("demo"))
    known = {image.vehicle.number for image in planned if image.vehicle.split == "train"}
    made = parts(planned, "held-out")
    train, test = ({image.vehicle.number for image in part} for part in (made.train, made.test))
    assert not train & test and train | test == known
    assert not {i.vehicle.group for i in made.train} & {i.vehicle.group for i in made.test}
    assert 0.2 < len(test) / len(known) < 0.3
    passes = Counter((image.vehicle.number, image.camera.number) for image in made.test if image.query)
    assert set(passes.values()) == {1} and {vehicle for vehicle, _ in passes} == test
    assert not any(image.query for image in made.train)


def test_holding_out_of_too_few_groups_is_refused():
    with pytest.raises(UserError, match="none can be held out"):
        parts(images(preset_named("tiny")), "held-out")


def test_groups_of_one_model_and_split_have_colours_of_their_own():
    table = plan("demo").drop_duplicates("group")
    assert not table.duplicated(["split", "model", "colour"]).any()


def test_every_identity_passes_different_cameras_several_frames_each(tiny):
    preset = preset_named("tiny")
    assert (tiny.groupby("vehicle")["camera"].nunique() == preset.passes).all()
    assert (tiny.groupby("track").size() == preset.frames).all()
    assert (tiny.groupby("track")["camera"].nunique() == 1).all()
    assert tiny["digest"].is_unique
    assert tiny["key"].is_unique


def test_one_query_for_every_test_vehicle_and_camera(tiny):
    tested = tiny[tiny["split"] != "train"]
    assert (tested.groupby(["vehicle", "camera"])["query"].sum() == 1).all()
    assert not tiny.loc[tiny["split"] == "train", "query"].any()


def test_near_duplicates_differ_in_several_details_on_every_side():
    members = {}
    for image in images(preset_named("tiny")):
        members.setdefault(image.vehicle.group, {})[image.vehicle.number] = image.vehicle.identity
    for group in members.values():
        for one, other in combinations(group.values(), 2):
            assert canonical(one.decals) != canonical(other.decals)
            assert canonical(one.items) != canonical(other.items)
        for identity in group.values():
            faces = {decal.face for decal in identity.decals}
            assert {"windscreen", "tail"} <= faces
            assert len(identity.decals) + len(identity.items) >= 4


def test_more_drawings_add_decals_and_change_nothing_else():
    values = preset_named("tiny").model_dump()
    plain, more = (vehicles(make_preset(**{**values, "drawings": number})) for number in (1, 3))
    for one, other in zip(plain, more, strict=True):
        kept = len(one.identity.decals)
        assert other.identity.decals[:kept] == one.identity.decals
        assert replace(other.identity, decals=one.identity.decals) == one.identity
    assert sum(len(v.identity.decals) for v in more) > 2.5 * sum(len(v.identity.decals) for v in plain)


def test_another_seed_or_size_is_another_world(tiny):
    values = preset_named("tiny").model_dump()
    for change in ({"seed": 33}, {"pixels": 73}):
        other = plan(make_preset(**{**values, **change}))
        assert not set(other["digest"]) & set(tiny["digest"])


def test_a_larger_benchmark_keeps_what_a_smaller_one_has():
    values = preset_named("tiny").model_dump()
    more = plan(make_preset(**{**values, "train_groups": 4}))
    small = plan("tiny")
    kept = small[small["split"] == "train"]
    assert set(kept["digest"]) <= set(more["digest"])


def test_sizes_of_the_presets():
    full, demo = preset_named("full"), preset_named("demo")
    assert full.identities["train"] >= 576
    assert full.identities["main"] >= 200
    assert 45_000 <= full.images <= 55_000
    assert full.cameras >= 20
    assert full.pixels == 256
    assert demo.identities["train"] == 192
    assert demo.identities["main"] == 96
    assert 2300 <= demo.images <= 2600
    assert len(plan("demo")) == demo.images
    detailed, synthetic = preset_named("detailed"), preset_named("synthetic")
    assert detailed == synthetic.model_copy(update={"name": "detailed", "drawings": 3})
    assert all(4 <= preset.identities_per_group <= 6 for preset in presets().values())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"passes": 7}, "cameras"),
        ({"train_groups": 0}, "train_groups"),
        ({"frames": 1}, "frames"),
        ({"pixels": 8}, "pixels"),
        ({"pixels": "many"}, "pixels"),
        ({"identities_per_group": 1}, "identities_per_group"),
        ({"drawings": 0}, "drawings"),
        ({"wheels": 3}, "wheels"),
        ({"name": "No Name"}, "name"),
    ],
)
def test_an_impossible_preset_is_refused_by_name(change, named):
    with pytest.raises(UserError, match=named):
        make_preset(**{**preset_named("tiny").model_dump(), **change})


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(UserError, match="demo, detailed, full, parsing, synthetic, tiny"):
        plan("huge")


@given(
    number=st.integers(1, 60),
    lane=st.integers(0, 1),
    x=st.floats(-20, 20),
    y=st.floats(-0.4, 0.4),
)
def test_viewpoints_agree_with_the_angle(number, lane, x, y):
    spot = camera(number, 3, world_named("street"))
    shot = Shot(lane, x, y, 0.0, (0, 0, 0, 0), 1.0, 1.0, 0, 0)
    heading = math.pi if lane == 0 else 0.0
    towards = math.atan2(-(spot.lanes[lane] + y), -x) - heading  # of the camera, as the vehicle sees it
    sector = (math.degrees(towards) % 360 + 22.5) / 45
    if abs(sector - round(sector)) < 1e-3:
        return  # on the very border between two
    assert viewpoint(spot, shot) == VIEWPOINTS[int(sector) % 8]
