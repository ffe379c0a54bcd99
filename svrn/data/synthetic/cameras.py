"""Fixed cameras: where each stands, what it sees behind the vehicles, its light and its sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from svrn.data.synthetic.seeds import generator, pick, uniform
from svrn.data.synthetic.world import World

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Camera:
    """One camera. It stands at (0, 0, height); the road runs along x at y = its lanes; metres and degrees."""

    number: int
    height: float
    lanes: tuple[float, float]
    """y of the middle of each lane; traffic runs towards -x on the first and towards +x on the second"""
    zone: tuple[float, float]
    """between which x vehicles are taken"""
    roll: float
    pixels: float
    """focal length in pixels of its sensor at full preset size"""
    weather: str
    sun_azimuth: float
    sun_elevation: float
    exposure: float
    white: Rgb
    saturation: float
    contrast: float
    blur: float
    noise: float
    jpeg: int
    sharpen: float
    ground: str
    verge: str
    backdrop: str
    backdrop_distance: float
    marking: str
    poles: tuple[float, ...]
    """x of posts that stand between the camera and the road, as shares of the zone"""
    leaves: float
    """how much foliage hangs into the upper part of the picture"""
    seed: int


def camera(number: int, seed: int, world: World) -> Camera:
    """Camera `number` (1, 2, ...) of the world `seed`; the first ones cover every kind of place and weather."""
    rng = generator("camera", seed, number)
    places, skies = world.places, world.skies
    place, weather = places[(number - 1) % len(places)], skies[(number - 1) % len(skies)]
    low, high = {"gantry": (5.0, 7.0), "corner": (3.2, 6.0), "roadside": (2.2, 4.2)}[place]
    near = {"gantry": uniform(rng, -3.5, -0.5), "corner": uniform(rng, 4.0, 8.0), "roadside": uniform(rng, 6.5, 9.5)}[
        place
    ]
    start, stretch = {
        "gantry": (uniform(rng, 11, 17), 5.0),
        "corner": (uniform(rng, 5.0, 11.0), 4.0),
        "roadside": (uniform(rng, -4.0, 1.5), 4.0),
    }[place]
    mirrored = 1.0 if rng.random() < 0.5 else -1.0
    lanes = (near, near + uniform(rng, 3.2, 3.8))
    return Camera(
        number=number,
        height=uniform(rng, low, high),
        lanes=(round(mirrored * lanes[0], 5), round(mirrored * lanes[1], 5)),
        zone=(start, round(start + stretch, 5)),
        roll=uniform(rng, -2.5, 2.5),
        pixels=uniform(rng, 1.3, 2.3) if place == "gantry" else uniform(rng, 0.62, 1.15),
        weather=weather,
        sun_azimuth=uniform(rng, 0, 360),
        sun_elevation=uniform(rng, 14, 26) if weather == "dusk" else uniform(rng, 32, 66),
        exposure=uniform(rng, 0.8, 1.3),
        white=(uniform(rng, 0.9, 1.12), 1.0, uniform(rng, 0.88, 1.14)),
        saturation=uniform(rng, 0.62, 1.12),
        contrast=uniform(rng, 0.0, 0.55),
        blur=uniform(rng, 0.25, 1.05),
        noise=uniform(rng, 0.004, 0.02) * (1.8 if weather in ("night", "dusk") else 1.0),
        jpeg=int(rng.integers(38, 88)),
        sharpen=uniform(rng, 0.0, 0.9),
        ground=pick(rng, {"asphalt": 1.0, "concrete": 0.5, "patched": 0.5}),
        verge=pick(rng, {"grass": 1.0, "pavers": 1.0, "slabs": 0.6}),
        backdrop=pick(rng, {"facade": 1.0, "hedge": 0.8, "wall": 0.6, "trees": 0.8}),
        backdrop_distance=uniform(rng, 6.0, 14.0),
        marking=pick(rng, {"dashed": 1.0, "solid": 0.6, "zebra": 0.35, "box": 0.25}),
        poles=tuple(uniform(rng, 0.0, 1.0) for _ in range(int(rng.random() < 0.25))),
        leaves=uniform(rng, 0.15, 0.4) if rng.random() < 0.15 else 0.0,
        seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class Light:
    """The light at a camera: unit vector to the sun (world), and linear radiances."""

    sun: tuple[float, float, float]
    sun_light: Rgb
    sky: Rgb
    horizon: Rgb
    softness: float
    """how far the sun's direction spreads, 0 for no shadow from it at all at night"""
    lamps: bool
    wet: bool


def light(of: Camera) -> Light:
    """The light that belongs to a camera's weather and hour."""
    azimuth, elevation = np.radians(of.sun_azimuth), np.radians(of.sun_elevation)
    sun = (
        float(np.cos(elevation) * np.cos(azimuth)),
        float(np.cos(elevation) * np.sin(azimuth)),
        float(np.sin(elevation)),
    )
    table: dict[str, tuple[Rgb, Rgb, Rgb, float, bool]] = {
        "sun": ((1.5, 1.38, 1.18), (0.42, 0.52, 0.68), (0.75, 0.78, 0.8), 0.02, False),
        "cloud": ((0.4, 0.4, 0.4), (0.72, 0.75, 0.78), (0.82, 0.83, 0.85), 0.3, False),
        "rain": ((0.2, 0.2, 0.21), (0.5, 0.54, 0.58), (0.55, 0.58, 0.6), 0.4, True),
        "dusk": ((0.85, 0.55, 0.3), (0.26, 0.28, 0.4), (0.6, 0.42, 0.3), 0.05, True),
        "night": ((0.55, 0.42, 0.24), (0.035, 0.04, 0.06), (0.09, 0.08, 0.06), 0.06, True),
    }
    sun_light, sky, horizon, softness, lamps = table[of.weather]
    return Light(sun, sun_light, sky, horizon, softness, lamps, of.weather == "rain")
