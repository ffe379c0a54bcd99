"""Rendered stand-ins for the releases of VeRi-776, VehicleID and VERI-WILD, and what others made for them in their own
forms: PVEN's PNGs and poly.json, PGAN's stacks, VeRi-776's key-point files, VAMI's .mat files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.io import savemat

from svrn.data.annotations.imports.keypoints import ORIENTATIONS, POINTS
from svrn.data.annotations.names import VIEW_OF_VIEWPOINT, VIEWS
from svrn.data.annotations.table import Annotations, Column, Numbers, Texts
from svrn.data.manifest import Manifest
from svrn.data.synthetic import render_benchmark
from svrn.data.synthetic.ground_truth import NAME

PVEN_CLASSES = ("front", "back", "roof", "side")  # 1 to 4
PGAN_PARTS = ("windscreen", "rear_window", "headlight", "tail_light", "wheel", "plate", "mirror", "roof_panel")


def release(preset: str, layout: str, folder: Path) -> Path:
    """A release's folder: images and lists alone, nothing of what a renderer knows beside them."""
    render_benchmark(preset, layout, folder, workers=1)
    (folder / NAME).unlink()
    return folder


def numbers(truth: Annotations, name: str) -> npt.NDArray[np.generic]:
    column = truth.columns[name]
    assert isinstance(column, Numbers)
    return column.values


def texts(column: Column) -> list[str]:
    assert isinstance(column, Texts)
    return [str(value) for value in column.values]


def pven_masks(manifest: Manifest, truth: Annotations, folder: Path) -> Path:
    """A PNG an image, as large as it, a class a pixel: the view that covers most of a pixel's cell."""
    views = np.stack([numbers(truth, f"mask:{name}").reshape(-1, 32, 32) for name in PVEN_CLASSES], 1)
    for path, cells in zip(manifest.table["path"], views, strict=True):
        with Image.open(manifest.image_path(path)) as image:
            size = image.size
        labels = np.where(cells.max(0) > 127, cells.argmax(0) + 1, 0).astype(np.uint8)
        file = (folder / path).with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).resize(size, Image.Resampling.NEAREST).save(file)
    return folder


def pven_polygons(manifest: Manifest, file: Path) -> Path:
    """PVEN's outlines, of training images alone: here the left half is a front, the right one a side."""
    halves = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]], [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]
    items = []
    for name, path in manifest.members("train")[["image", "path"]].itertuples(index=False):
        with Image.open(manifest.image_path(path)) as image:
            width, height = image.size
        items.append(
            {"image_name": f"image_train/{name}", "shape": [height, width], "polys": halves, "classes": [1, 4]}
        )
    file.write_text(json.dumps(items))
    return file


def pgan_masks(manifest: Manifest, truth: Annotations, folder: Path) -> Path:
    """A stack [10, 14, 14] an image, of which the last eight are parts."""
    parts = np.stack([numbers(truth, f"mask:{name}").reshape(-1, 32, 32) for name in PGAN_PARTS], 1)
    places = (np.arange(14) * 32) // 14
    for path, cells in zip(manifest.table["path"], parts, strict=True):
        stack = np.zeros((10, 14, 14), np.float32)
        stack[2:] = cells[:, places][:, :, places] > 0
        file = (folder / path).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, stack)
    return folder


def veri_keypoints(manifest: Manifest, truth: Annotations, folder: Path) -> list[str]:
    """keypoint_train.txt and keypoint_test.txt: twenty points in pixels, -1 -1 unseen, and one of eight directions."""
    folder.mkdir(parents=True)
    known = [name if f"keypoint:{name}" in truth.columns else None for name in POINTS]
    found = {name: numbers(truth, f"keypoint:{name}") for name in known if name is not None}
    directions = texts(truth.columns["viewpoint"])
    lines: dict[bool, list[str]] = {True: [], False: []}
    for place, (name, path, split) in enumerate(manifest.table[["image", "path", "split"]].itertuples(index=False)):
        with Image.open(manifest.image_path(path)) as image:
            size = np.array(image.size)
        points = []
        for point in known:
            x, y, seen = (0.0, 0.0, 0.0) if point is None else found[point][place]
            inside = seen and 0 <= x < 1 and 0 <= y < 1
            points += [str(int(v)) for v in np.array([x, y]) * size] if inside else ["-1", "-1"]
        direction = ORIENTATIONS.index(directions[place])
        lines[split == "train"].append(f"VeRi/image_x/{name} {' '.join(points)} {direction}\n")
    (folder / "keypoint_train.txt").write_text("".join(lines[True]))
    (folder / "keypoint_test.txt").write_text("".join(lines[False]))
    return [str(folder / "keypoint_train.txt"), str(folder / "keypoint_test.txt")]


def vami_viewpoints(manifest: Manifest, truth: Annotations, folder: Path) -> Path:
    """VAMI's .mat files: of VeRi-776 a training list from 0, query and test lists from 1; of VehicleID names from 0."""
    folder.mkdir(parents=True)
    told = [VIEWS.index(VIEW_OF_VIEWPOINT[name]) for name in texts(truth.columns["viewpoint"])]
    view = dict(zip(truth.images, told, strict=True))
    train = list(manifest.members("train")["image"])
    records = np.zeros((1, len(train)), dtype=[("name", object), ("viewpoint", object)])
    for place, name in enumerate(train):
        records[0, place] = (name, np.array([[view[name]]], np.uint8))
    if manifest.layout == "vehicleid":
        savemat(folder / "vehicle_train_label.mat", {"vehicleid_train_label": records})
        return folder
    savemat(folder / "veri_train_id_tp_cl_vp.mat", {"train_label": records})
    for role, variable in (("query", "query_vp"), ("gallery", "test_vp")):
        listed = [[view[name] + 1] for name in sorted(manifest.members(role)["image"])]
        savemat(folder / f"{variable}.mat", {variable: np.array(listed, np.uint8)})
    return folder
