"""The on-disk layouts of the three real benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from svrn.data.synthetic.layouts import vehicleid, veri776, veriwild
from svrn.data.synthetic.layouts.common import Placed
from svrn.data.synthetic.planning import PlannedImage

Writer = Callable[[list[PlannedImage], list[PlannedImage], Path], list[Placed]]
LAYOUTS: dict[str, Writer] = {"veri776": veri776.write, "vehicleid": vehicleid.write, "veriwild": veriwild.write}
"""Each writes the lists and labels of training and test images into a folder and says where the images belong."""
