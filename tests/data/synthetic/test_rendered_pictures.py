"""Single pictures: the same twice, every body type, and ground truth that tells the truth."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from svrn.data.synthetic.cameras import camera, light
from svrn.data.synthetic.identities import vehicle_identity
from svrn.data.synthetic.models import vehicle_model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.picture import render
from svrn.data.synthetic.planning import viewpoint
from svrn.data.synthetic.raytrace import Tracer
from svrn.data.synthetic.shots import Shot, view_of
from svrn.data.synthetic.truth import decode, encode
from svrn.data.synthetic.vehicle import build_vehicle
from svrn.data.synthetic.world import world_named

STREET = world_named("street")


def _identity(kind: str, member: int = 0):
    models = (vehicle_model(index, "seen", 5, STREET) for index in range(64))
    model = next(model for model in models if model.type == kind)
    return vehicle_identity(model, "red", (0.52, 0.05, 0.05), ("picture", kind, member), STREET)


def _shot(lane: int, x: float) -> Shot:
    return Shot(lane, x, 0.1, 1.0, (0.05, 0.05, 0.05, 0.05), 1.0, 0.9, 0, 77)


@pytest.fixture(scope="module")
def spot():
    """A clear camera that sees vehicles from a corner."""
    return replace(camera(3, 5, STREET), poles=(), leaves=0.0, weather="cloud")


@pytest.mark.parametrize("kind", list(STREET.shapes))
@pytest.mark.parametrize("lane", [0, 1])
def test_every_body_type_shows_its_parts(kind, lane, spot):
    tracer = Tracer(build_vehicle(_identity(kind)))
    shot = _shot(lane, sum(spot.zone) / 2)
    truth = render(tracer, spot, shot, 112).truth
    assert {"body", "wheel", "side_window"} <= set(truth.parts)
    ahead = viewpoint(spot, shot).startswith("front")
    assert ("windscreen" if ahead else "tail_light") in truth.parts
    if ahead:
        assert {"headlight", "plate"} <= set(truth.parts)
    left, top, right, bottom = truth.box
    assert -0.05 <= left < right <= 1.05
    assert -0.05 <= top < bottom <= 1.05
    assert (right - left) * (bottom - top) > 0.35, "the vehicle fills its crop"


def test_the_same_pixels_twice(spot):
    shot = _shot(0, sum(spot.zone) / 2)
    pictures = [render(Tracer(build_vehicle(_identity("suv"))), spot, shot, 96) for _ in range(2)]
    tracer = Tracer(build_vehicle(_identity("suv")))
    render(tracer, spot, _shot(1, spot.zone[0]), 96)  # what was drawn before must not matter
    pictures.append(render(tracer, spot, shot, 96))
    for other in pictures[1:]:
        assert np.array_equal(np.asarray(pictures[0].picture), np.asarray(other.picture))
        assert encode(pictures[0].truth) == encode(other.truth)


def test_ground_truth_survives_the_file(spot):
    done = render(Tracer(build_vehicle(_identity("sedan"))), spot, _shot(0, sum(spot.zone) / 2), 96)
    buffer = io.BytesIO()
    done.picture.save(buffer, "JPEG", comment=encode(done.truth))
    with Image.open(buffer) as again:
        read = decode(again.info["comment"])
        assert (read.width, read.height) == again.size
    assert read.parts == done.truth.parts
    assert read.keypoints == done.truth.keypoints
    assert np.array_equal(read.part_map, done.truth.part_map)
    assert np.array_equal(read.detail_map, done.truth.detail_map)


def test_area_is_what_was_asked_for(spot):
    picture = render(Tracer(build_vehicle(_identity("bus"))), spot, _shot(0, sum(spot.zone) / 2), 120).picture
    assert picture.width * picture.height == pytest.approx(120 * 120, rel=0.03)


@pytest.mark.parametrize("kind", ["sedan", "van", "pickup"])
def test_what_is_called_a_detail_is_what_differs(kind, spot):
    """Without its own things a vehicle looks different where ground truth says so, and hardly anywhere else."""
    identity = replace(_identity(kind), dirt=0.0)
    bare = replace(identity, decals=(), items=())
    shot = _shot(0, sum(spot.zone) / 2)
    own, plain = Tracer(build_vehicle(identity)), Tracer(build_vehicle(bare))
    view = view_of(spot, shot, own.vehicle.vertices)
    frame = own.trace(view, spot, light(spot), 150, 120, 1)
    other = plain.trace(view, spot, light(spot), 150, 120, 1)
    differs = np.abs(frame.radiance - other.radiance).max(2) > 0.25
    assert differs.sum() > 40
    near = binary_dilation(frame.detail | other.detail, iterations=3)
    assert differs[near].sum() / differs.sum() > 0.8
    assert other.detail.sum() < frame.detail.sum()


def test_keypoints_lie_on_their_parts(spot):
    tracer = Tracer(build_vehicle(_identity("sedan")))
    shot = next(
        s
        for s in (_shot(0, sum(spot.zone) / 2), _shot(1, sum(spot.zone) / 2))
        if viewpoint(spot, s).startswith("front")
    )
    truth = render(tracer, spot, shot, 128).truth
    for point, part in (
        ("plate_front", "plate"),
        ("windscreen_head_left", "windscreen"),
        ("windscreen_foot_right", "windscreen"),
    ):
        left, top, right, bottom = truth.parts[part]
        x, y = truth.keypoints[point]
        assert left - 0.06 <= x <= right + 0.06, point
        assert top - 0.06 <= y <= bottom + 0.06, point


def test_an_occluder_hides_parts_and_details(spot):
    tracer = Tracer(build_vehicle(_identity("hatchback")))
    clear = _shot(0, sum(spot.zone) / 2)
    hidden = replace(clear, blind=0.1)
    free, covered = (render(tracer, spot, shot, 96).truth for shot in (clear, hidden))
    assert "occluder" in covered.parts
    assert "occluder" not in free.parts
    assert (covered.part_map == Part.OCCLUDER).sum() > 10
    assert covered.detail_map.sum() <= free.detail_map.sum()
    assert covered.box == free.box, "the box is the whole vehicle's"
