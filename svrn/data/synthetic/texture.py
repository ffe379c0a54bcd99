"""Procedural patterns: noise tables and what decals are made of."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from svrn.data.synthetic.identities import Decal
from svrn.data.synthetic.seeds import generator

Floats = NDArray[np.float32]
TABLE = 256


@lru_cache(maxsize=8)
def noise_table(octave: int) -> Floats:
    """A tileable table of smooth noise in 0 to 1; a higher octave is coarser."""
    raw = generator("noise", octave).random((TABLE, TABLE)).astype(np.float32)
    soft = gaussian_filter(raw, 1.0 + 2.2 * octave, mode="wrap")
    soft -= soft.min()
    return (soft / soft.max()).astype(np.float32)


def noise(x: Floats, y: Floats, scale: float, octave: int, seed: int) -> Floats:
    """Noise at points given in metres; `scale` is table cells a metre."""
    shift = (seed * 2654435761) % (TABLE * TABLE)
    i = (x * scale).astype(np.int32) + shift % TABLE
    j = (y * scale).astype(np.int32) + shift // TABLE
    table = noise_table(octave)
    return table[i & (TABLE - 1), j & (TABLE - 1)]


@lru_cache(maxsize=4096)
def linear(colour: tuple[float, float, float]) -> Floats:
    """sRGB to linear light; read-only, because it is kept."""
    value = np.asarray(colour, np.float32) ** np.float32(2.2)
    value.flags.writeable = False
    return value


def decal_pattern(decal: Decal, p: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Cover (0 to 1) [N] and linear colour [N, 3] of a decal at points p, q in -0.5 to 0.5 of its own rectangle."""
    first, second = linear(decal.colour), linear(decal.second)
    cover, mix = _PATTERNS[decal.pattern](p, q, decal.seed)
    colour = first + (second - first) * mix[:, None]
    fixed = _FIXED.get(decal.pattern)
    return cover.astype(np.float32), colour if fixed is None else np.broadcast_to(linear(fixed), colour.shape)


_FIXED = {"scratch": (0.72, 0.72, 0.7), "mud": (0.36, 0.3, 0.23), "dent": (0.1, 0.1, 0.1), "panel": (0.42, 0.42, 0.41)}


def _cells(x: Floats, count: int) -> NDArray[np.int32]:
    return np.clip(((x + 0.5) * count).astype(np.int32), 0, count - 1)


def _sticker(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    shape = seed % 4
    inner = np.float32(0.3)
    if shape == 0:
        mix = (np.abs(p) < inner) & (np.abs(q) < inner)
    elif shape == 1:
        mix = q > 0.1
    elif shape == 2:
        mix = p * p + q * q < 0.1
    else:
        mix = np.abs(p + q) < 0.16
    return np.ones_like(p), mix.astype(np.float32)


def _full(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    return np.ones_like(p), np.zeros_like(p)


def _double(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    return (np.abs(q) > 0.17).astype(np.float32), (q > 0).astype(np.float32)


def _wave(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    centre = 0.28 * np.sin(p * (9 + seed % 7) + seed % 6)
    return (np.abs(q - centre) < 0.2).astype(np.float32), (np.abs(q - centre) < 0.08).astype(np.float32)


def _checker(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    on = (_cells(p, 46) + _cells(q, 2)) % 2 == 0
    return np.ones_like(p), on.astype(np.float32)


def _text(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    rng = generator("text", seed)
    count = int(rng.integers(4, 9))
    glyphs = rng.random((count * 4, 5)) < 0.62
    glyphs[3::4] = False
    return glyphs[_cells(p, count * 4), _cells(q, 5)].astype(np.float32), np.zeros_like(p)


def _roundel(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    r = p * p + q * q
    return (r < 0.25).astype(np.float32), ((r < 0.15) & (r > 0.05 if seed % 2 else r < 0.08)).astype(np.float32)


def _logo(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    rng = generator("logo", seed)
    half = rng.random((4, 6)) < 0.55
    grid = np.concatenate([half, half[::-1]])
    tone = np.tile(rng.random((4, 6)) < 0.35, (2, 1))
    i, j = _cells(p, 8), _cells(q, 6)
    return grid[i, j].astype(np.float32), tone[i, j].astype(np.float32)


def _poster(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    rng = generator("poster", seed)
    grid = rng.random((6, 4))
    return np.ones_like(p), grid[_cells(p, 6), _cells(q, 4)].astype(np.float32)


def _scratch(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    rng = generator("scratch", seed)
    cover = np.zeros_like(p)
    for _ in range(int(rng.integers(2, 5))):
        slope, shift, width = (float(rng.uniform(*span)) for span in ((-0.5, 0.5), (-0.35, 0.35), (0.03, 0.08)))
        cover = np.maximum(cover, (np.abs(q - slope * p - shift) < width).astype(np.float32) * np.float32(0.85))
    return cover, np.zeros_like(p)


def _dent(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    r = 4 * (p * p + q * q)
    return (np.clip(1 - r, 0, 1) * np.where(q + 0.3 * p > 0, 0.75, 0.15)).astype(np.float32), np.zeros_like(p)


def _mud(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    blot = noise(p, q, 70.0, 1, seed)
    edge = np.clip(1.3 - 2.6 * np.maximum(np.abs(p), np.abs(q)), 0, 1)
    return np.clip(6 * (blot - 0.46), 0, 1) * edge * np.float32(0.9), np.zeros_like(p)


def _number(p: Floats, q: Floats, seed: int) -> tuple[Floats, Floats]:
    return _text(q, np.clip(2.2 * p, -0.5, 0.5), seed)


_PATTERNS = {
    "sticker": _sticker,
    "band": _full,
    "stripe": _full,
    "strip": _full,
    "paint": _full,
    "panel": _full,
    "sunroof": _full,
    "double": _double,
    "wave": _wave,
    "checker": _checker,
    "text": _text,
    "roundel": _roundel,
    "logo": _logo,
    "poster": _poster,
    "scratch": _scratch,
    "dent": _dent,
    "mud": _mud,
    "number": _number,
}
