"""Side information: what a method may ask for beside images and vehicles. Light, read when the workflow is parsed.

A benchmark's side information stands in `annotations.parquet` beside its manifest (camera and viewpoint in the
manifest itself); docs/side-information.md says where each kind comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class SideColumns:
    """Side information by kind: what is read of it, in the order in which a batch holds it.

    attributes: of the vehicle (`colour`, `type`, `model`). keypoints, boxes, masks: names of points and parts.
    """

    camera: bool = False
    viewpoint: bool = False
    attributes: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def union(self, other: SideColumns) -> SideColumns:
        """What either asks for."""
        both: dict[str, Any] = {}
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            both[field.name] = mine or theirs if isinstance(mine, bool) else tuple(dict.fromkeys((*mine, *theirs)))
        return SideColumns(**both)

    def names(self) -> tuple[str, ...]:
        """Each column by one name: `camera`, `viewpoint`, `attribute:colour`, `keypoint:wheel_1_left`, `mask:front`."""
        found = [name for name in ("camera", "viewpoint") if getattr(self, name)]
        for kind, title in (
            ("attributes", "attribute"),
            ("keypoints", "keypoint"),
            ("boxes", "box"),
            ("masks", "mask"),
        ):
            found += [f"{title}:{name}" for name in getattr(self, kind)]
        return tuple(found)

    def in_words(self) -> str:
        """The same for a line: `camera, attributes colour and type, 20 keypoints`."""
        found = [name for name in ("camera", "viewpoint") if getattr(self, name)]
        if self.attributes:
            found.append(f"attribute{'s' if len(self.attributes) > 1 else ''} {' and '.join(self.attributes)}")
        for kind, one in (("keypoints", "keypoint"), ("boxes", "box"), ("masks", "mask")):
            if count := len(getattr(self, kind)):
                found.append(f"{count} {kind if count > 1 else one}")
        return ", ".join(found)
