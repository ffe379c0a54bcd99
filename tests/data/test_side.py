"""Side information in batches: it moves with the image that it speaks of, whatever way the image goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svrn.config.parameters import Batches, Input, Optimisation, Training
from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS, mirrored_name
from svrn.data.annotations.table import Annotations, Numbers, Texts, write_annotations
from svrn.data.augmentation import augment, draws, move
from svrn.data.cache import ImageStore
from svrn.data.loading import TrainingBatches, evaluation_batches, training_images
from svrn.data.manifest import Manifest
from svrn.data.side import Side, Vocabulary
from svrn.data.side_table import learn_vocabulary, side_table
from svrn.errors import UserError
from tests.data.annotations.annotation_worlds import manifest_in

GRID = 32
NAMES = ("wheel_1_left", "wheel_1_right", "plate_front")
COLUMNS = SideColumns(
    camera=True, viewpoint=True, attributes=("colour",), keypoints=NAMES, boxes=NAMES, masks=("side_left", "side_right")
)


def a_side(seed: int, count: int = 3, grid: int = GRID) -> Side:
    """Side information of every kind, some of it absent."""
    rng = np.random.default_rng(seed)
    boxes = np.sort(rng.random((count, 3, 2, 2)), 2).reshape(count, 3, 4)
    boxes[rng.random((count, 3)) < 0.3] = np.nan
    points = np.concatenate([rng.random((count, 3, 2)), rng.integers(0, 2, (count, 3, 1))], -1)
    return Side(
        COLUMNS,
        camera=torch.from_numpy(rng.integers(-1, 4, count)),
        viewpoint=torch.from_numpy(rng.integers(-1, 8, count)),
        attributes=torch.from_numpy(rng.integers(-1, 3, (count, 1))),
        keypoints=torch.from_numpy(points.astype(np.float32)),
        boxes=torch.from_numpy(boxes.astype(np.float32)),
        masks=torch.from_numpy(rng.random((count, 2, grid, grid), dtype=np.float32)),
    )


def same(one: Side, other: Side, tolerance: float = 1e-6) -> bool:
    return all(
        torch.allclose(tensor, other.tensors()[name], atol=tolerance, rtol=0, equal_nan=True)
        for name, tensor in one.tensors().items()
    )


@given(seed=st.integers(0, 10_000))
def test_a_mirrored_image_has_a_mirrored_side(seed: int) -> None:
    """Against a literal walk over names and places."""
    side = a_side(seed)
    turned = side.mirrored()
    for image in range(3):
        view = int(side.viewpoint[image])  # type: ignore[index]
        wanted = -1 if view < 0 else VIEWPOINTS.index(mirrored_name(VIEWPOINTS[view]))
        assert int(turned.viewpoint[image]) == wanted  # type: ignore[index]
        for place, name in enumerate(NAMES):
            partner = NAMES.index(mirrored_name(name))
            x, y, seen = side.keypoints[image, partner].tolist()  # type: ignore[index]
            assert turned.keypoints[image, place].tolist() == pytest.approx([1 - x, y, seen])  # type: ignore[index]
            left, top, right, bottom = side.boxes[image, partner].tolist()  # type: ignore[index]
            found = turned.boxes[image, place].tolist()  # type: ignore[index]
            assert found == pytest.approx([1 - right, top, 1 - left, bottom], nan_ok=True)
        for place in range(2):
            assert torch.equal(turned.masks[image, place], side.masks[image, 1 - place].flip(1))  # type: ignore[index]
    assert torch.equal(turned.camera, side.camera) and torch.equal(turned.attributes, side.attributes)  # type: ignore[arg-type]
    assert same(turned.mirrored(), side)


@given(seed=st.integers(0, 10_000), which=st.lists(st.booleans(), min_size=3, max_size=3))
def test_only_the_chosen_images_are_mirrored(seed: int, which: list[bool]) -> None:
    side = a_side(seed)
    mixed, turned = side.mirrored(torch.tensor(which)), side.mirrored()
    for image, flipped in enumerate(which):
        part = slice(image, image + 1)
        assert same(mixed[part], (turned if flipped else side)[part])


@given(seed=st.integers(0, 10_000), down=st.integers(-40, 40), right=st.integers(-40, 40))
def test_masks_move_as_a_picture_of_even_cells(seed: int, down: int, right: int) -> None:
    """A shift by pixels of an image of 4 x 4 pixels a cell, and the mean over each cell: the literal twin."""
    side = a_side(seed, count=1, grid=8)
    fine = side.masks[0].repeat_interleave(4, 1).repeat_interleave(4, 2).numpy()  # type: ignore[index]
    moved = np.zeros_like(fine)
    for y in range(32):
        for x in range(32):
            if 0 <= y - down < 32 and 0 <= x - right < 32:
                moved[:, y, x] = fine[:, y - down, x - right]
    wanted = moved.reshape(2, 8, 4, 8, 4).mean((2, 4))
    found = side.shifted(torch.tensor([down / 32]), torch.tensor([right / 32])).masks
    assert np.allclose(found[0].numpy(), wanted, atol=1e-5)  # type: ignore[index]


@given(seed=st.integers(0, 10_000), down=st.floats(-0.5, 0.5), right=st.floats(-0.5, 0.5))
def test_points_and_boxes_that_leave_the_image_are_not_there(seed: int, down: float, right: float) -> None:
    side = a_side(seed)
    moved = side.shifted(torch.full((3,), down), torch.full((3,), right))
    for image in range(3):
        for place in range(3):
            x, y, seen = side.keypoints[image, place].double().tolist()  # type: ignore[index]
            found = moved.keypoints[image, place].tolist()  # type: ignore[index]
            assert found[:2] == pytest.approx([x + right, y + down], abs=1e-5)
            if min(x + right, y + down, 1 - x - right, 1 - y - down) > 1e-4:
                assert found[2] == seen
            elif min(x + right, y + down, 1 - x - right, 1 - y - down) < -1e-4:
                assert found[2] == 0
            box = side.boxes[image, place] + torch.tensor([right, down, right, down])  # type: ignore[index]
            cut = box.clamp(0, 1)
            area = float((cut[2] - cut[0]).clamp(min=0) * (cut[3] - cut[1]).clamp(min=0))
            if area > 1e-6:
                assert torch.allclose(moved.boxes[image, place], cut, atol=1e-6)  # type: ignore[index]
            elif area == 0 or np.isnan(area):
                assert moved.boxes[image, place].isnan().all()  # type: ignore[index]


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("pad", [0, 8])
def test_side_information_moves_as_its_image_does(flip: float, pad: int) -> None:
    """An image that shows its own mask: after augmentation it shows the moved mask."""
    options = Input(size=64, flip=flip, erasing=0, pad_crop=pad)
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 2, (12, 1, GRID, GRID)).astype(np.float32)
    shown = SideColumns(masks=("vehicle",), keypoints=("plate_front",))
    points = np.concatenate([rng.random((12, 1, 2)) * 0.5 + 0.25, np.ones((12, 1, 1))], -1).astype(np.float32)
    pixels = (255 * cells).repeat(2, 2).repeat(2, 3).repeat(3, 1).astype(np.uint8)
    for image, (x, y, _) in enumerate(points[:, 0]):
        pixels[image, :, int(y * 64), int(x * 64)] = 128  # the point is the one grey pixel
    chance = np.stack([draws(0, 0, image, 0) for image in range(12)])
    side = move(Side(shown, masks=torch.from_numpy(cells), keypoints=torch.from_numpy(points)), chance, options)
    red = augment(pixels, chance, options)[:, 0] * 58.395 + 123.675
    grey = (red - 128).abs() < 1
    seen = red.where(~grey, torch.zeros(())).reshape(12, GRID, 2, GRID, 2).mean((2, 4)) / 255
    there = grey.reshape(12, GRID, 2, GRID, 2).any(-1).any(2)
    assert ((seen - side.masks[:, 0]).abs()[~there] < 0.01).all()  # type: ignore[index]
    for image in range(12):
        x, y, visible = side.keypoints[image, 0].tolist()  # type: ignore[index]
        assert visible == 1
        at = grey[image].nonzero()[0].tolist()
        assert abs(y * 64 - at[0] - 0.5) < 1.01
        assert abs(x * 64 - at[1] - 0.5) < 1.01


def test_erasing_leaves_it() -> None:
    side, chance = a_side(1), np.stack([draws(0, 0, image, 0) for image in range(3)])
    assert same(move(side, chance, Input(flip=0, erasing=1.0, colour_jitter=0.3)), side)


def annotated(root: Path) -> tuple[Manifest, Annotations]:
    """A benchmark whose annotations have what COLUMNS asks for."""
    manifest = manifest_in(root)
    rng = np.random.default_rng(0)
    count = len(manifest.table)
    known = np.ones(count, bool)
    columns: dict[str, Texts | Numbers] = {
        "viewpoint": Texts(np.array([VIEWPOINTS[i % 8] for i in range(count)], object)),
        "attribute:colour": Texts(
            np.array([["red", "blue", None][i % 3] for i in range(count - 1)] + ["teal"], object)
        ),
    }
    for name in NAMES:
        points = np.concatenate([rng.random((count, 2)), np.ones((count, 1))], 1)
        columns[f"keypoint:{name}"] = Numbers(points.astype(np.float32), known)
        boxes = np.sort(rng.random((count, 2, 2)), 1).reshape(count, 4).astype(np.float32)
        boxes[::4] = 0
        columns[f"box:{name}"] = Numbers(boxes, known)
    for name in COLUMNS.masks:
        columns[f"mask:{name}"] = Numbers(rng.integers(0, 256, (count, GRID * GRID)).astype(np.uint8), known)
    images = manifest.table["image"].to_numpy(dtype=object)
    return manifest, Annotations(images, columns, dict.fromkeys(columns, "release"))


def test_a_table_gives_rows_in_any_order(tmp_path: Path) -> None:
    manifest, made = annotated(tmp_path / "b")
    write_annotations(made, manifest, tmp_path / "b")
    vocabulary = learn_vocabulary(manifest, tmp_path / "b", COLUMNS)
    assert vocabulary == Vocabulary((1, 2, 3), {"colour": ("blue", "red")}), "`teal` is a test image's"
    assert Vocabulary.from_plain(vocabulary.as_plain()) == vocabulary
    assert vocabulary.sizes() == {"camera": 3, "colour": 2}
    names = list(manifest.table["image"][::-1])
    side = side_table(manifest, tmp_path / "b", names, COLUMNS, vocabulary, part="train").rows([0, 9, 3])
    for place, number in enumerate([9, 0, 6]):  # of the manifest's rows
        assert int(side.camera[place]) == number % 3  # type: ignore[index]
        assert int(side.viewpoint[place]) == number % 8  # type: ignore[index]
        wanted = -1 if number == 9 else {0: 1, 1: 0, 2: -1}[number % 3]
        assert int(side.attributes[place, 0]) == wanted  # type: ignore[index]
        for kind, tensor in (("keypoint", side.keypoints), ("box", side.boxes)):
            for order, name in enumerate(NAMES):
                told = made.columns[f"{kind}:{name}"].values[number]
                if kind == "box" and not told.any():
                    told = np.full(4, np.nan)
                assert np.allclose(tensor[place, order].numpy(), told, equal_nan=True)  # type: ignore[index]
        told = made.columns["mask:side_left"].values[number].reshape(GRID, GRID) / 255
        assert np.allclose(side.masks[place, 0].numpy(), told, atol=1e-6)  # type: ignore[index]


def test_training_batches_carry_it_however_they_are_shared(tmp_path: Path) -> None:
    manifest, made = annotated(tmp_path / "b")
    write_annotations(made, manifest, tmp_path / "b")
    vocabulary = learn_vocabulary(manifest, tmp_path / "b", COLUMNS)
    images = training_images(manifest)
    table = side_table(manifest, tmp_path / "b", images.names, COLUMNS, vocabulary)
    options = Training(
        input=Input(size=32, pad_crop=2),
        batches=Batches(identities=2, images=2),
        optimisation=Optimisation(batches_per_epoch=2),
    )
    store = ImageStore(images.files, images.fingerprints, options.input)
    whole = TrainingBatches(images, store, options, side=table).batch(1)
    parts = [TrainingBatches(images, store, options, rank=r, world=2, side=table).batch(1) for r in range(2)]
    assert whole.side is not None
    for part, half in zip(parts, (whole.side[:2], whole.side[2:]), strict=True):
        assert part.side is not None
        assert same(part.side, half, 0)
    assert TrainingBatches(images, store, options).batch(1).side is None


def test_evaluation_batches_carry_it(tmp_path: Path) -> None:
    manifest, made = annotated(tmp_path / "b")
    write_annotations(made, manifest, tmp_path / "b")
    rows = manifest.members("gallery")
    columns = SideColumns(camera=True)
    table = side_table(manifest, tmp_path / "b", list(rows["image"]), columns, Vocabulary((1, 3)))
    batches = list(evaluation_batches(manifest, rows, Input(size=32), 2, side=table))
    cameras = [int(value) for _, _, side in batches for value in side.camera]  # type: ignore[union-attr]
    assert cameras == [{1: 0, 2: -1, 3: 1}[int(camera)] for camera in rows["camera"]]


def test_what_cannot_be_is_one_message(tmp_path: Path) -> None:
    manifest, made = annotated(tmp_path / "b")
    folder, names = tmp_path / "b", list(manifest.table["image"])
    with pytest.raises(UserError, match="no side information yet"):
        side_table(manifest, folder, names, SideColumns(viewpoint=True), Vocabulary())
    write_annotations(made, manifest, folder)
    with pytest.raises(UserError, match="asked for without 'wheel_1_right'"):
        side_table(manifest, folder, names, SideColumns(keypoints=("wheel_1_left",)), Vocabulary())
    with pytest.raises(UserError, match="has no column 'mask:roof'"):
        side_table(manifest, folder, names, SideColumns(masks=("roof",)), Vocabulary())
    with pytest.raises(UserError, match=r"strange\.jpg is not in it \(1 images are not\)"):
        side_table(manifest, folder, [*names, "strange.jpg"], SideColumns(viewpoint=True), Vocabulary())
    sidecar = folder / "annotations.json"
    sidecar.write_text(sidecar.read_text().replace('"content": "', '"content": "0'))
    with pytest.raises(UserError, match=r"annotations\.json beside it is another file's"):
        side_table(manifest, folder, names, SideColumns(viewpoint=True), Vocabulary())
