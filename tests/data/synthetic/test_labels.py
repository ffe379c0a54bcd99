"""The renderer's labels: they say what the images show, and change nothing about the images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from svrn.config.annotations import LABELS_VERSION, TRUTH
from svrn.data.annotations.names import VIEWPOINTS, VIEWS_AS_MASKS
from svrn.data.synthetic.cameras import camera
from svrn.data.synthetic.identities import vehicle_identity
from svrn.data.synthetic.labels import ImageLabels, label
from svrn.data.synthetic.models import vehicle_model
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.picture import render
from svrn.data.synthetic.planning import PlannedImage, images, viewpoint
from svrn.data.synthetic.presets import preset_named
from svrn.data.synthetic.raytrace import Tracer
from svrn.data.synthetic.shots import Shot
from svrn.data.synthetic.truth import CELLS, Truth
from svrn.data.synthetic.vehicle import build_vehicle
from svrn.data.synthetic.world import world_named

STREET = world_named("street")

# What the labels of every eighth image of tiny say. A change here means other labels: raise LABELS_VERSION in
# svrn/config/annotations.py, and say so in CHANGELOG.md.
COVERED = {
    "vehicle": 8660.1,
    "front": 2863.3,
    "back": 1595.2,
    "side": 2522.0,
    "roof": 1679.7,
    "body": 2069.9,
    "windscreen": 730.9,
    "rear_window": 293.7,
    "side_window": 588.0,
    "headlight": 73.4,
    "tail_light": 52.9,
    "wheel": 423.5,
    "plate": 77.8,
    "roof_panel": 1404.9,
    "bonnet": 918.3,
    "grille": 170.8,
    "bumper": 757.2,
    "mirror": 65.9,
    "load": 1032.8,
    "brand": 8.5,
    "details": 897.5,
}
SEEN = {
    "headlight_left": 7,
    "headlight_right": 7,
    "tail_light_left": 5,
    "tail_light_right": 5,
    "mirror_left": 13,
    "mirror_right": 12,
    "wheel_1_left": 8,
    "wheel_1_right": 1,
    "wheel_2_left": 7,
    "wheel_2_right": 2,
    "wheel_3_left": 0,
    "wheel_3_right": 0,
    "fog_lamp_left": 8,
    "fog_lamp_right": 6,
    "windscreen_foot_left": 8,
    "windscreen_foot_right": 7,
    "windscreen_head_left": 15,
    "windscreen_head_right": 14,
    "roof_end_left": 15,
    "roof_end_right": 13,
    "logo_front": 7,
    "plate_front": 7,
    "plate_rear": 4,
}
BOXED = {
    "vehicle": 15,
    "headlight_left": 10,
    "headlight_right": 8,
    "tail_light_left": 7,
    "tail_light_right": 7,
    "mirror_left": 13,
    "mirror_right": 12,
    "wheel_1_left": 11,
    "wheel_1_right": 5,
    "wheel_2_left": 13,
    "wheel_2_right": 6,
    "wheel_3_left": 0,
    "wheel_3_right": 0,
    "side_window_left": 12,
    "side_window_right": 10,
    "windscreen": 13,
    "rear_window": 9,
    "roof_panel": 15,
    "bonnet": 12,
    "grille": 8,
    "brand": 7,
    "load": 3,
    "bumper_front": 11,
    "bumper_rear": 10,
    "plate_front": 7,
    "plate_rear": 4,
}


@pytest.fixture(scope="module")
def labelled() -> list[tuple[PlannedImage, ImageLabels, Truth]]:
    """Images of tiny of every viewpoint that it has, with what the renderer itself wrote into them."""
    found = {}
    for image in images(preset_named("tiny")):
        found.setdefault((viewpoint(image.camera, image.shot), image.vehicle.identity.model.type), image)
    result = []
    for image in found.values():
        tracer = Tracer(build_vehicle(image.vehicle.identity))
        result.append((image, label(tracer, image), render(tracer, image.camera, image.shot, 72).truth))
    assert len(result) >= 8
    return result


def mask(labels: ImageLabels, name: str) -> np.ndarray:
    return labels.masks[TRUTH.masks.index(name)].reshape(32, 32).astype(float) / 255


def box(labels: ImageLabels, name: str) -> list[float]:
    return labels.boxes[TRUTH.boxes.index(name)].tolist()


def point(labels: ImageLabels, name: str) -> list[float]:
    return labels.keypoints[TRUTH.keypoints.index(name)].tolist()


def test_masks_are_the_parts_of_the_images_own_truth(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    """The image's own map says the part of each of 16 x 16 cells: where a mask fills such a cell, it is that part."""
    parts = {part: {Part.ROOF: "roof_panel"}.get(part, part.name.lower()) for part in Part}
    agreed = counted = 0
    for _, labels, truth in labelled:
        for part, name in parts.items():
            if name not in TRUTH.masks:
                continue
            full = mask(labels, name).reshape(CELLS, 2, CELLS, 2).min((1, 3)) > 0.9
            agreed += int((truth.part_map[full] == part).sum())
            counted += int(full.sum())
    assert counted > 200
    assert agreed / counted > 0.97


def test_boxes_of_one_thing_lie_in_its_kinds_box(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    apart = []
    for _, labels, truth in labelled:
        for kind in ("headlight", "tail_light", "mirror"):
            sides = [np.array(box(labels, f"{kind}_{side}")) for side in ("left", "right")]
            shown = [b for b in sides if b.any()]
            if not shown or kind not in truth.parts:
                continue
            joined = np.concatenate([np.min(shown, 0)[:2], np.max(shown, 0)[2:]])
            apart.append(float(np.abs(joined - truth.parts[kind]).max()))
    assert len(apart) > 20
    assert np.median(apart) < 0.02, "the two together are the kind's box, up to a pixel"
    assert np.mean(np.array(apart) > 0.05) < 0.1, "but for slivers that one of the two resolutions does not show"


def test_views_share_out_the_vehicle(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    for image, labels, _ in labelled:
        views = sum(mask(labels, name) for name in VIEWS_AS_MASKS)
        assert np.abs(views - mask(labels, "vehicle")).max() < 0.02, "each pixel of the vehicle has one view"
        seen = viewpoint(image.camera, image.shot)
        front, back = mask(labels, "front").sum(), mask(labels, "back").sum()
        if seen.startswith("front"):
            assert front > 4 * back
        elif seen.startswith("rear"):
            assert back > 4 * front
        if "left" in seen or "right" in seen:
            assert mask(labels, "side").sum() > 20


def test_points_are_seen_from_the_right_sides(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    for image, labels, truth in labelled:
        seen = viewpoint(image.camera, image.shot)
        for name in ("headlight_left", "plate_rear", "wheel_1_left", "windscreen_head_right"):
            x, y, _ = point(labels, name)
            if image.vehicle.identity.model.type != "truck":
                assert (x, y) == pytest.approx(truth.keypoints[name], abs=1e-4), "where the image's own truth has it"
        hidden = {
            "front": ("plate_rear", "tail_light_left", "tail_light_right"),
            "rear": ("plate_front", "logo_front", "headlight_left", "headlight_right", "fog_lamp_left"),
            "left": ("wheel_1_right", "wheel_2_right"),
            "right": ("wheel_1_left", "wheel_2_left"),
        }
        for side, names in hidden.items():
            if seen == side or (side in ("left", "right") and seen.endswith(side)):
                assert not any(point(labels, name)[2] for name in names), (seen, names)
        if seen.endswith(("left", "right")):
            own = seen.rpartition("_")[2]
            visible = [point(labels, f"wheel_{n}_{own}")[2] for n in (1, 2)]
            covered = mask(labels, "vehicle")[28:].sum()
            assert any(visible) or not covered


def test_the_brand_is_a_small_mark_of_the_front(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    marked = 0
    for image, labels, _ in labelled:
        area = mask(labels, "brand").sum()
        if viewpoint(image.camera, image.shot) == "rear":
            assert area == 0
            assert box(labels, "brand") == [0, 0, 0, 0]
        if point(labels, "logo_front")[2]:
            left, top, right, bottom = box(labels, "brand")
            x, y, _ = point(labels, "logo_front")
            assert left - 0.05 < x < right + 0.05
            assert top - 0.05 < y < bottom + 0.05
            assert 0 < area < 12
            marked += 1
    assert marked >= 3


def test_the_same_labels_twice(labelled: list[tuple[PlannedImage, ImageLabels, Truth]]) -> None:
    image, before, _ = labelled[0]
    again = label(Tracer(build_vehicle(image.vehicle.identity)), image)
    for name in ("keypoints", "boxes", "masks"):
        assert (getattr(again, name) == getattr(before, name)).all()


def test_what_hides_the_vehicle_hides_its_labels() -> None:
    planned = images(preset_named("tiny"))[0]
    tracer = Tracer(build_vehicle(planned.vehicle.identity))
    clear = replace(
        planned, camera=replace(planned.camera, poles=(), leaves=0.0), shot=replace(planned.shot, blind=0.9)
    )
    blind = replace(clear, shot=replace(planned.shot, blind=0.11, blind_side=2))
    free, covered = label(tracer, clear), label(tracer, blind)
    assert mask(covered, "vehicle").sum() < 0.9 * mask(free, "vehicle").sum()
    assert covered.keypoints[:, 2].sum() < free.keypoints[:, 2].sum()
    assert (covered.keypoints[:, :2] == free.keypoints[:, :2]).all()


@pytest.mark.parametrize("kind", list(STREET.shapes))
def test_every_body_type_has_labels(kind: str) -> None:
    models = (vehicle_model(index, "seen", 5, STREET) for index in range(64))
    model = next(model for model in models if model.type == kind)
    tracer = Tracer(build_vehicle(vehicle_identity(model, "red", (0.52, 0.05, 0.05), ("labels", kind), STREET)))
    spot = replace(camera(3, 5, STREET), poles=(), leaves=0.0)
    planned = images(preset_named("tiny"))[0]
    for lane in (0, 1):
        shot = Shot(lane, sum(spot.zone) / 2, 0.1, 1.0, (0.05, 0.05, 0.05, 0.05), 1.0, 0.9, 0, 77)
        labels = label(tracer, replace(planned, camera=spot, shot=shot))
        seen = viewpoint(spot, shot)
        assert seen in VIEWPOINTS
        assert labels.keypoints[:, 2].sum() >= 4
        side = seen.rpartition("_")[2]
        left, top, right, bottom = box(labels, f"mirror_{side}")
        if right > left:  # the mirror's point lies in its box
            x, y, _ = point(labels, f"mirror_{side}")
            assert left - 0.03 < x < right + 0.03
            assert top - 0.03 < y < bottom + 0.03


def test_labels_are_those_of_their_version() -> None:
    """Coverage in cells within a hundredth, points and boxes to one image: rounding may differ between processors."""
    covered, seen, boxed = np.zeros(len(TRUTH.masks)), np.zeros(len(TRUTH.keypoints)), np.zeros(len(TRUTH.boxes))
    for image in images(preset_named("tiny"))[::8]:
        labels = label(Tracer(build_vehicle(image.vehicle.identity)), image)
        covered += labels.masks.sum(1) / 255
        seen += labels.keypoints[:, 2]
        boxed += labels.boxes[:, 2] > 0
    assert LABELS_VERSION == 1
    for name, cells in zip(TRUTH.masks, covered, strict=True):
        assert cells == pytest.approx(COVERED[name], rel=0.01, abs=0.5), name
    for names, found, wanted in ((TRUTH.keypoints, seen, SEEN), (TRUTH.boxes, boxed, BOXED)):
        for name, count in zip(names, found, strict=True):
            assert abs(count - wanted[name]) <= 1, name
