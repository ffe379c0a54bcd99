"""The names in side information: viewpoints, views, key-points, and which left name becomes which right one."""

from __future__ import annotations

import re

VIEWPOINTS = ("front", "front_left", "left", "rear_left", "rear", "rear_right", "right", "front_right")
"""The eight sides from which a vehicle is seen, in order around it; left is the vehicle's own left."""
VIEW_OF_VIEWPOINT = {
    "front": "front",
    "front_left": "front_side",
    "left": "side",
    "rear_left": "rear_side",
    "rear": "rear",
    "rear_right": "rear_side",
    "right": "side",
    "front_right": "front_side",
}
"""The five views of those who do not tell left from right; they are the attribute `view`."""
VIEWS = ("front", "rear", "side", "front_side", "rear_side")
VIEWS_AS_MASKS = ("front", "back", "side", "roof")
"""The four sides of a vehicle that masks of its views show."""
ATTRIBUTES = ("colour", "type", "model", "view")
_PAIRED = ("headlight", "fog_lamp", "tail_light", "windscreen_foot", "windscreen_head", "roof_end", "mirror")
KEYPOINTS = (
    *(f"{name}_{side}" for name in (*_PAIRED, "wheel_1", "wheel_2", "wheel_3") for side in ("left", "right")),
    *("logo_front", "logo_rear", "plate_front", "plate_rear"),
)
"""Every key-point by its fixed name. Wheels are counted from the front; windscreen heads are the roof's front corners,
roof ends its rear ones."""
REGION = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What a box or a mask may be called."""


def mirrored_name(name: str) -> str:
    """What a name becomes in a mirrored image: `_left` and `_right` change places.

    >>> mirrored_name("wheel_1_left"), mirrored_name("rear_right"), mirrored_name("left"), mirrored_name("roof")
    ('wheel_1_right', 'rear_left', 'right', 'roof')
    """
    words = name.split("_")
    return "_".join({"left": "right", "right": "left"}.get(word, word) for word in words)
