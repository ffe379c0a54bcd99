"""A finished image with its ground truth: trace, develop, record."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from svrn.data.synthetic.cameras import Camera, light
from svrn.data.synthetic.parts import Part
from svrn.data.synthetic.raytrace import Tracer
from svrn.data.synthetic.seeds import generator
from svrn.data.synthetic.sensor import develop, record
from svrn.data.synthetic.shots import Shot, View, view_of
from svrn.data.synthetic.truth import Truth, measure

SUPERSAMPLING = 1.3


@dataclass(frozen=True)
class Rendered:
    """A finished picture and what it truly shows."""

    picture: Image.Image
    truth: Truth


def render(tracer: Tracer, camera: Camera, shot: Shot, size: int) -> Rendered:
    """One image of about size x size pixels' area, in its box's shape."""
    view = view_of(camera, shot, tracer.vehicle.vertices)
    ratio = view.width / view.height
    final = (max(16, round(size * math.sqrt(ratio))), max(16, round(size / math.sqrt(ratio))))
    share = _native_share(camera, view)
    native = (max(12, round(share * final[0])), max(12, round(share * final[1])))
    columns, rows = (max(16, round(SUPERSAMPLING * n)) for n in native)
    frame = tracer.trace(view, camera, light(camera), columns, rows, shot.seed)
    part, detail = frame.part, frame.detail
    picture = develop(frame.radiance, camera, shot.exposure)
    hidden = _occlude(picture, camera, view, shot)
    if hidden is not None:
        part = np.where(hidden, np.uint8(Part.OCCLUDER), part)
        detail = detail & ~hidden
    return Rendered(record(picture, camera, native, final, shot.seed), measure(part, detail, view, tracer.vehicle, final))


def _native_share(camera: Camera, view: View) -> float:
    """The camera's own resolution of this crop as a share of the finished image's: far vehicles have fewer pixels."""
    angular = math.sqrt(view.width * view.height)
    return min(1.0, max(0.42, camera.pixels * angular / 0.36))


def _occlude(picture: Image.Image, camera: Camera, view: View, shot: Shot) -> NDArray[np.bool_] | None:
    """Draw what stands or hangs in front, out of focus; the pixels that it hides, or None."""
    width, height = picture.size
    mask = Image.new("L", picture.size, 0)
    draw = ImageDraw.Draw(mask)
    tone = (70, 74, 72)
    rng = generator("occluder", camera.seed)
    if camera.poles and shot.blind < 0.9:
        x = (0.15 + 0.7 * ((camera.poles[0] + 2.2 * shot.blind) % 1.0)) * width
        half = 0.022 * width + 1
        draw.polygon([(x - half, 0), (x + half, 0), (x + half, height), (x - half, height)], fill=255)
        tone = tuple(int(v) for v in rng.integers(60, 150, 3))
    if camera.leaves:
        for _ in range(42):
            cx, cy, r = rng.random() * width, rng.random() ** 2 * camera.leaves * height, (0.015 + 0.03 * rng.random()) * width
            draw.ellipse([cx - 1.6 * r, cy - r, cx + 1.6 * r, cy + r], fill=255)
        tone = (44, 62, 34)
    if shot.blind < 0.12:  # another vehicle or a sign in front
        share = 0.12 + 1.6 * shot.blind
        edges = [(0, 0, share * width, height), (width * (1 - share), 0, width, height), (0, height * (1 - share), width, height)]
        draw.rounded_rectangle(edges[shot.blind_side % 3], radius=0.06 * width, fill=255)
        tone = tuple(int(v) for v in generator("front", shot.blind_side, camera.seed).integers(30, 190, 3))
    if mask.getbbox() is None:
        return None
    soft = mask.filter(ImageFilter.GaussianBlur(0.012 * width))
    shade = np.linspace(1.15, 0.75, width)[None, :, None] * np.asarray(tone)[None, None]
    cover = Image.fromarray(np.broadcast_to(np.clip(shade, 0, 255), (height, width, 3)).astype(np.uint8))
    picture.paste(cover, (0, 0), soft)
    return np.asarray(soft) > 127
