"""What a network is built for follows from the training images, in every process and after a stop."""

from __future__ import annotations

import numpy as np
import torch
from worlds import small_run, write_patterns

from svrn.config.side import SideColumns
from svrn.data.cache import ImageStore
from svrn.data.loading import training_images
from svrn.data.side import Side, Vocabulary
from svrn.data.side_table import SideTable
from svrn.training.session import _sizes


def test_styles_of_cameras_are_there_where_the_method_asks_and_the_same_packed_or_decoded(tmp_path):
    manifest = write_patterns(tmp_path / "images")
    images = training_images(manifest)
    told = manifest.table.set_index("image")["camera"].reindex(images.names).to_numpy().astype("int64")
    columns = SideColumns(camera=True)
    side = SideTable(columns, Side(columns, camera=torch.from_numpy(told)), None)
    run = small_run(manifest, {"method": {"name": "dcdlearn"}}).parameters
    found = []
    for folder in (None, tmp_path / "cache", tmp_path / "cache"):
        store = ImageStore(images.files, images.fingerprints, run.training.input, folder=folder)
        found.append(_sizes(run, images, store, Vocabulary((0, 1, 2, 3)), side))
    for one in found:
        assert (one.identities, one.images, one.styles.target) == (6, len(images.files), 0)
        assert torch.equal(one.styles.mean, found[0].styles.mean)
        assert torch.equal(one.styles.deviation, found[0].styles.deviation)
    pixels = torch.from_numpy(store.fetch(np.flatnonzero(told == 2))).double() / 255
    torch.testing.assert_close(found[0].styles.mean[2].double(), pixels.mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    assert _sizes(small_run(manifest).parameters, images, store, None, None).styles is None
