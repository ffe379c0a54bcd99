"""Meshes: the lofted body shell and the simple solids that the rest of a vehicle is put together from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """Vertices [V, 3] in metres, faces [F, 3], unit normals [V, 3] and per-vertex surface parameters [V, 4]."""

    vertices: Floats
    faces: Ints
    normals: Floats
    params: Floats


def dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Row by row inner products of [N, 3] with [N, 3]."""
    product: NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
    return product


def to_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the rows of [N, 3] to length 1, in place."""
    vectors /= np.maximum(np.sqrt(dot(vectors, vectors)), 1e-6)[:, None]
    return vectors


def corner_cut(points: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """Chaikin's corner cutting of an open polyline along axis 0; both ends stay where they are."""
    for _ in range(rounds):
        near, far = points[:-1], points[1:]
        cut = np.empty((2 * len(near), *points.shape[1:]))
        cut[0::2], cut[1::2] = 0.75 * near + 0.25 * far, 0.25 * near + 0.75 * far
        points = np.concatenate([points[:1], cut[1:-1], points[-1:]])
    return points


def smooth(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], params: NDArray[np.floating] | None = None
) -> Mesh:
    """A mesh with area-weighted vertex normals."""
    v = np.asarray(vertices, np.float64)
    f = np.asarray(faces, np.int32)
    cross = np.cross(v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]])
    corners = f.T.ravel()
    normals: NDArray[np.float64] = np.stack(
        [np.bincount(corners, np.tile(cross[:, axis], 3), len(v)) for axis in range(3)], 1
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    extra = np.zeros((len(v), 4)) if params is None else params
    return Mesh(v.astype(np.float32), f, normals.astype(np.float32), np.asarray(extra, np.float32))


def grid_faces(rows: int, columns: int) -> Ints:
    """Two triangles for every cell of a rows x columns grid of vertices."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


_QUADS = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
_CORNERS = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], float)
_BOX_FACES = np.array(
    [[4 * i + a, 4 * i + b, 4 * i + c] for i in range(6) for a, b, c in ((0, 1, 2), (0, 2, 3))], np.int32
)
_BOX_NORMALS = np.repeat(
    np.array([[0, 0, -1], [0, 0, 1], [0, -1, 0], [0, 1, 0], [-1, 0, 0], [1, 0, 0]], np.float32), 4, axis=0
)
_NO_PARAMS = np.zeros((24, 4), np.float32)


def box(centre: tuple[float, float, float], size: tuple[float, float, float], taper: float = 1.0) -> Mesh:
    """A box with flat sides; `taper` scales its top."""
    corners = _CORNERS * np.array(size) / 2
    corners[4:, :2] *= taper
    corners += np.array(centre)
    return Mesh(corners[np.array(_QUADS).ravel()].astype(np.float32), _BOX_FACES, _BOX_NORMALS, _NO_PARAMS)


def ellipsoid(centre: tuple[float, float, float], size: tuple[float, float, float], steps: int = 9) -> Mesh:
    """An ellipsoid of the given diameters."""
    theta = np.linspace(0, np.pi, steps)[:, None]
    phi = np.linspace(0, 2 * np.pi, 2 * steps)[None]
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) * np.ones_like(phi)], -1)
    mesh = smooth(points.reshape(-1, 3) * np.array(size) / 2 + np.array(centre), grid_faces(steps, 2 * steps))
    normals = points.reshape(-1, 3) / np.array(size)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(mesh.vertices, mesh.faces, normals.astype(np.float32), mesh.params)


def wheel(centre: tuple[float, float, float], radius: float, width: float, side: float, steps: int = 26) -> Mesh:
    """A wheel on the y axis, turned from a profile; its outer face looks to `side`. Parameters: radius share, angle."""
    profile = np.array(
        [
            [0.0, 0.36],
            [0.3, 0.4],
            [0.62, 0.34],
            [0.66, 0.45],
            [0.74, 0.5],
            [0.9, 0.47],
            [1.0, 0.32],
            [1.0, -0.32],
            [0.9, -0.5],
            [0.0, -0.5],
        ]
    )
    angle = np.linspace(0, 2 * np.pi, steps)
    r = profile[:, :1] * radius
    points = np.stack([r * np.cos(angle), side * profile[:, 1:] * width * np.ones_like(angle), r * np.sin(angle)], -1)
    share = np.broadcast_to(profile[:, :1], (len(profile), steps))
    outer = np.broadcast_to(profile[:, 1:] > 0, (len(profile), steps))
    params = np.stack([share, np.broadcast_to(angle, share.shape), outer, np.zeros_like(share)], -1)
    faces = grid_faces(len(profile), steps)
    if side > 0:
        faces = faces[:, ::-1]
    return smooth(points.reshape(-1, 3) + np.array(centre), faces, params.reshape(-1, 4))


def rod(start: tuple[float, float, float], end: tuple[float, float, float], thickness: float) -> Mesh:
    """A thin square rod between two points."""
    a, b = np.array(start, float), np.array(end, float)
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-9)
    helper = np.array([0.0, 0.0, 1.0]) if abs(along[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(along, helper)
    u /= np.linalg.norm(u)
    v = np.cross(along, u)
    ring = [thickness / 2 * (s * u + t * v) for s, t in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    corners = np.array([a + r for r in ring] + [b + r for r in ring])
    quads = [(0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7), (3, 2, 1, 0), (4, 5, 6, 7)]
    vertices = np.concatenate([corners[list(quad)] for quad in quads])
    faces = np.array([[4 * i + p, 4 * i + q, 4 * i + s] for i in range(6) for p, q, s in ((0, 1, 2), (0, 2, 3))])
    return smooth(vertices, faces)
