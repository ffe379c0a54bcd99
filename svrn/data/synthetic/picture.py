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

SUPERSAMPLING = 1.25


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
    hidden = occlude(picture, camera, view, shot)
    if hidden is not None:
        part = np.where(hidden, np.uint8(Part.OCCLUDER), part)
        detail = detail & ~hidden
    return Rendered(
        record(picture, camera, native, final, shot.seed), measure(part, detail, view, tracer.vehicle, final)
    )


def _native_share(camera: Camera, view: View) -> float:
    """The camera's own resolution of this crop as a share of the finished image's: far vehicles have fewer pixels."""
    angular = math.sqrt(view.width * view.height)
    return min(0.82, max(0.42, camera.pixels * angular / 0.36))


_DIMMED = {"sun": 1.0, "cloud": 0.95, "rain": 0.8, "dusk": 0.55, "night": 0.3}


def occlude(picture: Image.Image, camera: Camera, view: View, shot: Shot) -> NDArray[np.bool_] | None:
    """Draw what stands, hangs or drives in front, out of focus; the pixels that it hides, or None."""
    width, height = picture.size
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    light_share = _DIMMED[camera.weather]
    if camera.poles:
        x = (0.1 + 0.8 * ((camera.poles[0] + 2.2 * shot.blind) % 1.0)) * width
        half = 0.02 * width + 1
        grey = int(generator("pole", camera.seed).integers(70, 150))
        for step in range(6):  # a round post: lighter in its middle
            shade = int(grey * light_share * (0.6 + 0.14 * min(step, 5 - step) * 2))
            left = x - half + step * half / 3
            draw.rectangle([left, 0, left + half / 3, height], fill=(shade, shade, int(0.96 * shade), 255))
    if camera.leaves:
        rng = generator("leaves", camera.seed)
        for _ in range(60):
            cx, cy, r = (
                rng.random() * width,
                rng.random() ** 2 * camera.leaves * height,
                (0.012 + 0.03 * rng.random()) * width,
            )
            tone = light_share * (0.6 + 0.6 * rng.random())
            draw.ellipse(
                [cx - 1.6 * r, cy - r, cx + 1.6 * r, cy + r], fill=(int(46 * tone), int(66 * tone), int(34 * tone), 255)
            )
    if shot.blind < 0.12:
        _other_vehicle(draw, width, height, shot, light_share)
    if layer.getbbox() is None:
        return None
    layer = layer.filter(ImageFilter.GaussianBlur(0.011 * width))
    cover = layer.getchannel("A")
    picture.paste(layer.convert("RGB"), (0, 0), cover)
    return np.asarray(cover) > 127


def _other_vehicle(draw: ImageDraw.ImageDraw, width: int, height: int, shot: Shot, light_share: float) -> None:
    """The blurred corner of a vehicle that is nearer to the camera: paint, a window, a dark sill."""
    share = 0.1 + 1.7 * shot.blind
    tones = ((205, 206, 204), (38, 39, 42), (120, 122, 126), (82, 30, 30), (36, 52, 86), (150, 140, 118))
    paint, glass, sill = (
        tuple(int(light_share * value) for value in colour)
        for colour in (tones[shot.seed % 6], (44, 50, 56), (26, 26, 27))
    )
    if shot.blind_side == 2:
        top = height * (1 - share)
        draw.rounded_rectangle([-width, top, 2 * width, 2 * height], radius=0.08 * width, fill=(*paint, 255))
        draw.rounded_rectangle(
            [0.12 * width, top + 0.25 * share * height, 0.9 * width, 2 * height],
            radius=0.03 * width,
            fill=(*glass, 255),
        )
        return
    edge = share * width
    left, right = (-width, edge) if shot.blind_side == 0 else (width - edge, 2 * width)
    draw.rounded_rectangle([left, 0.12 * height, right, 2 * height], radius=0.1 * width, fill=(*paint, 255))
    inset = 0.18 * edge
    draw.rounded_rectangle(
        [left + inset, 0.2 * height, right - inset, 0.46 * height], radius=0.03 * width, fill=(*glass, 255)
    )
    draw.rectangle([left, 0.86 * height, right, 2 * height], fill=(*sill, 255))
