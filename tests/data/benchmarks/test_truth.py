"""Rendered benchmarks: the manifest takes the renderer's word for what the images show, and checks it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from releases import jpeg, shots, wild_key, write_vehicleid, write_veri776, write_veriwild

from svrn.data.benchmarks.build import build_manifest
from svrn.data.benchmarks.verify import Verdict, verify
from svrn.data.manifest import Manifest
from svrn.errors import UserError

Progress = Callable[[int], object]
MADE = shots()
NAMES = {
    "veri776": lambda shot: shot.veri,
    "vehicleid": lambda shot: f"{shot.number:07d}.jpg",
    "veriwild": lambda shot: f"{wild_key(shot)}.jpg",
}
WRITERS = {"veri776": write_veri776, "vehicleid": write_vehicleid, "veriwild": write_veriwild}


def truth(layout: str) -> pd.DataFrame:
    """Ground truth of every image, with columns that a manifest does not want."""
    return pd.DataFrame(
        [
            {
                "image": NAMES[layout](shot),
                "digest": f"rendered-{shot.number}",
                "vehicle": shot.vehicle,
                "camera": shot.camera,
                "track": f"{shot.vehicle}-{shot.camera}",
                "frame": shot.number,
                "colour": "teal",
                "type": "van",
                "viewpoint": "rear",
                "part_map": [0] * 16,
            }
            for shot in MADE.train + MADE.test
        ]
    )


def rendered(layout: str, root: Path, content: pd.DataFrame | None = None) -> Path:
    WRITERS[layout](root)
    (truth(layout) if content is None else content).to_parquet(root / "ground_truth.parquet")
    return root


def build(layout: str, root: Path, silent: Progress, **more: object) -> Manifest:
    return build_manifest("made", layout, root, official=False, progress=silent, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("layout", WRITERS)
def test_the_renderers_word_is_taken(layout: str, tmp_path: Path, silent: Progress) -> None:
    table = build(layout, rendered(layout, tmp_path / "r"), silent).table.set_index("image")
    for shot in MADE.train + MADE.test:
        row = table.loc[NAMES[layout](shot)]
        assert row["digest"] == f"rendered-{shot.number}"
        assert (row["colour"], row["type"], row["viewpoint"], row["frame"]) == ("teal", "van", "rear", shot.number)
        assert row["track"] == f"{shot.vehicle}-{shot.camera}"


@pytest.mark.parametrize("layout", WRITERS)
def test_the_manifest_does_not_rest_on_pixels(layout: str, tmp_path: Path, silent: Progress) -> None:
    """Another machine's JPEG encoder writes other bytes of the same picture."""
    root = rendered(layout, tmp_path / "r")
    before = build(layout, root, silent)
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.write_bytes(jpeg(5000 + number))
    for copy in (root / "image_query").glob("*") if layout == "veri776" else ():
        copy.write_bytes((root / "image_test" / copy.name).read_bytes())
    after = build(layout, root, silent)
    assert (after.digest, after.train_digest) == (before.digest, before.train_digest)


def test_all_layouts_share_one_training_digest(tmp_path: Path, silent: Progress) -> None:
    digests = {build(layout, rendered(layout, tmp_path / layout), silent).train_digest for layout in WRITERS}
    assert len(digests) == 1


def test_the_declared_digest_is_compared(tmp_path: Path, silent: Progress) -> None:
    root = rendered("veri776", tmp_path / "r")
    right = build("veri776", root, silent).train_digest
    build("veri776", root, silent, train_digest=right)
    with pytest.raises(UserError, match=right) as refused:
        build("veri776", root, silent, train_digest="0" * 64)
    assert "train_digest" in str(refused.value.where)


DAMAGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "an image lacks": lambda frame: frame.iloc[1:],
    "another vehicle": lambda frame: frame.assign(vehicle=[99, *frame["vehicle"][1:]]),
    "another camera": lambda frame: frame.assign(camera=[99, *frame["camera"][1:]]),
    "other names": lambda frame: frame.assign(image="x" + frame["image"]),
}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("case", DAMAGES)
def test_a_disagreement_is_an_error(case: str, layout: str, tmp_path: Path, silent: Progress) -> None:
    root = rendered(layout, tmp_path / "r", DAMAGES[case](truth(layout)))
    report = verify("made", layout, root, official=False, progress=silent)  # type: ignore[arg-type]
    if case == "another camera" and layout == "vehicleid":  # whose lists have no cameras to disagree with
        assert report.verdict is Verdict.FINE
        return
    assert {finding.kind.code for finding in report.findings.all()} >= {"truth-mismatch"}
    with pytest.raises(UserError, match=r"ground_truth\.parquet"):
        build(layout, root, silent)


@pytest.mark.parametrize("column", ["image", "vehicle", "digest", "viewpoint"])
def test_a_column_that_lacks_is_named(column: str, tmp_path: Path, silent: Progress) -> None:
    root = rendered("veri776", tmp_path / "r", truth("veri776").drop(columns=column))
    with pytest.raises(UserError, match=column) as refused:
        build("veri776", root, silent)
    assert str(refused.value.where).endswith("ground_truth.parquet")


def test_a_cut_file_is_named(tmp_path: Path, silent: Progress) -> None:
    root = rendered("veri776", tmp_path / "r")
    file = root / "ground_truth.parquet"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(UserError, match="not a whole Parquet file"):
        build("veri776", root, silent)
    assert verify("made", "veri776", root, official=False, progress=silent).verdict == 2  # type: ignore[arg-type]
