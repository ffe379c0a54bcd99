"""How long an image of the embedded benchmark takes a core, and what its visibility costs beside a rasteriser in numpy.

    python -m benchmarks.rendering [--vehicles 8]

The time holds everything: building the vehicle and its scene (shared by its images, as in a real render), tracing,
sensor, JPEG. Visibility alone is measured for the same meshes and views by embree's rays and by a z-buffer in numpy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import Row, record, row
from svrn.data.synthetic.images import draw
from svrn.data.synthetic.planning import PlannedImage, images
from svrn.data.synthetic.presets import preset_named
from svrn.data.synthetic.raytrace import Tracer
from svrn.data.synthetic.shots import View, view_of
from svrn.data.synthetic.vehicle import Vehicle, build_vehicle

GOALS = {144: 0.055, 256: 0.10}
Floats = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vehicles", type=int, default=8)
    chosen = parser.parse_args()
    planned = _some(chosen.vehicles)
    rows = [_images(planned, pixels) for pixels in GOALS]
    record([*rows, _visibility(planned, 256)])


def _some(count: int) -> list[PlannedImage]:
    """All images of vehicles spread over the demo preset."""
    by_vehicle: dict[int, list[PlannedImage]] = defaultdict(list)
    for image in images(preset_named("demo")):
        by_vehicle[image.vehicle.number].append(image)
    numbers = np.linspace(1, len(by_vehicle), count).round().astype(int)
    return [image for number in numbers for image in by_vehicle[int(number)]]


def _images(planned: list[PlannedImage], pixels: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        draw(planned[:1], pixels, Path(folder) / "warm", 1)
        start = time.process_time()
        draw(planned, pixels, Path(folder) / "timed", 1)
        spent = (time.process_time() - start) / len(planned)
    return row(
        f"rendering one image, {pixels} px", spent, "s of one core", limit=("goal", GOALS[pixels]), goal="ratio <= 1"
    )


def _visibility(planned: list[PlannedImage], pixels: int) -> Row:
    """Which triangle each pixel shows: embree against a z-buffer, on the same views."""
    views = []
    for image in planned[::8]:
        vehicle = build_vehicle(image.vehicle.identity)
        views.append((vehicle, Tracer(vehicle), view_of(image.camera, image.shot, vehicle.vertices)))
    start = time.process_time()
    traced = [tracer.visible(view, pixels, pixels) for _, tracer, view in views]
    rays = (time.process_time() - start) / len(views)
    start = time.process_time()
    drawn = [rasterised(vehicle, view, pixels) for vehicle, _, view in views]
    raster = (time.process_time() - start) / len(views)
    agree = float(np.mean([(a >= 0) == (b >= 0) for a, b in zip(traced, drawn, strict=True)]))
    if agree < 0.99:
        raise SystemExit(f"embree and the rasteriser agree on {agree:.3f} of the pixels only")
    return row(f"visibility, {pixels} px", rays, "s of one core", peer=("z-buffer in numpy", raster))


def rasterised(vehicle: Vehicle, view: View, pixels: int) -> npt.NDArray[np.int32]:
    """The nearest triangle at each pixel [pixels * pixels] (-1: none), by a z-buffer, triangle by triangle."""
    spots = view.project(vehicle.vertices) * pixels
    depth = (vehicle.vertices - view.origin) @ view.forward
    buffer = np.full((pixels, pixels), np.inf, np.float32)
    shown = np.full((pixels, pixels), -1, np.int32)
    corners, far = spots[vehicle.faces], depth[vehicle.faces]
    low = np.maximum(np.ceil(corners.min(1) - 0.5), 0).astype(int)
    high = np.minimum(np.floor(corners.max(1) - 0.5), pixels - 1).astype(int)
    for face in np.flatnonzero((high >= low).all(1)):
        (x0, y0), (x1, y1) = low[face], high[face]
        x, y = np.arange(x0, x1 + 1) + 0.5, (np.arange(y0, y1 + 1) + 0.5)[:, None]
        (ax, ay), (bx, by), (cx, cy) = corners[face]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
        c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
        z = far[face, 0] + b * (far[face, 1] - far[face, 0]) + c * (far[face, 2] - far[face, 0])
        window = np.s_[y0 : y1 + 1, x0 : x1 + 1]
        nearer = (b >= 0) & (c >= 0) & (b + c <= 1) & (z < buffer[window])
        buffer[window][nearer] = z[nearer]
        shown[window][nearer] = face
    return shown.ravel()


if __name__ == "__main__":
    main()
