"""What a benchmark's side information is known by, before anything heavy is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from svrn.config.annotations import TRUTH, benchmark_side_digest, check_side, side_digest
from svrn.config.benchmark import Benchmark
from svrn.config.side import SideColumns
from svrn.errors import UserError


def sidecar(folder: Path, **missing: int) -> Path:
    """An annotations.json of 200 training and 100 test images; `missing` of each column's training images."""
    columns = {}
    for name in ("camera", "viewpoint", "attribute:colour", "mask:front", "mask:back"):
        lacking = missing.get(name.replace(":", "_"), 0)
        columns[name] = {
            "train": {"digest": f"d-{name}", "known": 200 - lacking, "missing": lacking},
            "test": {"digest": f"e-{name}", "known": 100, "missing": 0},
        }
    folder.mkdir(exist_ok=True)
    file = folder / "annotations.json"
    file.write_text(json.dumps({"benchmark": "garage", "columns": columns}))
    return file


def test_the_digest_is_of_exactly_the_columns(tmp_path: Path) -> None:
    file = sidecar(tmp_path)
    asked = [SideColumns(camera=True), SideColumns(masks=("front",)), SideColumns(camera=True, masks=("front",))]
    found = {side_digest(file, columns, part) for columns in asked for part in ("train", "test")}  # type: ignore[arg-type]
    assert len(found) == 6
    assert None not in found
    before = side_digest(file, asked[1], "train")
    content = json.loads(file.read_text())
    content["columns"]["mask:back"]["train"]["digest"] = "other"
    file.write_text(json.dumps(content))
    assert side_digest(file, asked[1], "train") == before


def test_nothing_asked_and_nothing_made_is_none(tmp_path: Path) -> None:
    assert side_digest(sidecar(tmp_path), SideColumns(), "train") is None
    assert side_digest(tmp_path / "none" / "annotations.json", SideColumns(camera=True), "train") is None


@pytest.mark.parametrize(
    ("columns", "missing", "said"),
    [
        (SideColumns(camera=True), {"camera": 200}, "garage lacks camera: 200 of its 200 training images lack it"),
        (SideColumns(viewpoint=True), {"viewpoint": 3}, "garage lacks viewpoint: 3 of its 200 training images"),
        (SideColumns(masks=("front",)), {"mask_front": 3}, "garage lacks mask front: 3 of its 200"),
        (SideColumns(attributes=("colour",)), {"attribute_colour": 200}, "garage lacks attribute colour: 200 of"),
        (SideColumns(masks=("roof",)), {}, "garage lacks mask roof: its side information has no such column"),
        (SideColumns(boxes=("grille",)), {}, "garage lacks box grille"),
    ],
)
def test_what_lacks_is_said_with_its_count(
    tmp_path: Path, columns: SideColumns, missing: dict[str, int], said: str
) -> None:
    file = sidecar(tmp_path, **missing)
    with pytest.raises(UserError, match=said) as refused:
        check_side(file, columns, "train")
    assert refused.value.where == str(file)
    assert refused.value.mend


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        (SideColumns(viewpoint=True), {"viewpoint": 2}),  # one in a hundred, as VeRi-776's files lack some
        (SideColumns(attributes=("colour",)), {"attribute_colour": 199}),
    ],
)
def test_what_may_lack_does(tmp_path: Path, columns: SideColumns, missing: dict[str, int]) -> None:
    assert side_digest(sidecar(tmp_path, **missing), columns, "train") is not None


def test_an_attribute_that_labels_do_not_tell_is_mended_by_those_that_they_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="garage lacks attribute type") as refused:
        check_side(sidecar(tmp_path), SideColumns(attributes=("colour", "type")), "train")
    assert refused.value.mend == "its labels tell colour: name those under method.attributes in the model's overlay"
    with pytest.raises(UserError, match="garage lacks attribute view") as refused:
        check_side(sidecar(tmp_path), SideColumns(attributes=("view",)), "train")
    assert "side-information.md" in str(refused.value.mend) or "did you mean" in str(refused.value.mend)


def test_side_columns_in_words() -> None:
    asked = SideColumns(
        camera=True, attributes=("colour", "type"), keypoints=("logo_front", "logo_rear"), masks=("roof",)
    )
    assert asked.in_words() == "camera, attributes colour and type, 2 keypoints, 1 mask"
    assert SideColumns(attributes=("view",)).in_words() == "attribute view"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"columns": {"a": {}}}', '{"columns": []}', "null"])
def test_a_broken_sidecar_is_one_message(tmp_path: Path, content: str) -> None:
    file = tmp_path / "annotations.json"
    file.write_text(content)
    with pytest.raises(UserError, match="not what stands beside annotations") as refused:
        side_digest(file, SideColumns(camera=True), "train")
    assert "svrn data annotate" in str(refused.value.mend)


def embedded(layout: str = "veri776") -> Benchmark:
    return Benchmark.model_validate(
        {"layout": layout, "embedded": {"preset": "tiny"}, "train_digest": "ab" * 32, "tests": {}}
    )


def test_an_embedded_benchmarks_truth_is_known_beforehand(tmp_path: Path) -> None:
    asked = SideColumns(viewpoint=True, attributes=("model",), masks=("front", "wheel"))
    train, test = (benchmark_side_digest("b", embedded(), asked, part, tmp_path) for part in ("train", "test"))  # type: ignore[arg-type]
    assert train is not None
    assert train != test
    assert train == benchmark_side_digest("c", embedded("vehicleid"), asked, "train", tmp_path)
    assert benchmark_side_digest("b", embedded(), TRUTH, "train", tmp_path) not in (train, None)
    assert benchmark_side_digest("b", embedded(), SideColumns(), "train", tmp_path) is None


def test_an_embedded_benchmark_may_lack_something_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="b lacks camera: none of its images has one"):
        benchmark_side_digest("b", embedded("vehicleid"), SideColumns(camera=True), "train", tmp_path)
    with pytest.raises(UserError, match="b lacks mask wheels: the renderer") as refused:
        benchmark_side_digest("b", embedded(), SideColumns(masks=("wheels",)), "train", tmp_path)
    assert refused.value.mend == "did you mean 'mask:wheel'?"


def test_a_benchmark_that_is_not_read_yet_is_not_known(tmp_path: Path) -> None:
    real = Benchmark.model_validate({"layout": "veri776", "root": "/x", "tests": {}})
    assert benchmark_side_digest("b", real, SideColumns(camera=True), "train", tmp_path) is None
    file = sidecar(tmp_path / "b")
    assert benchmark_side_digest("b", real, SideColumns(camera=True), "train", tmp_path) == side_digest(
        file, SideColumns(camera=True), "train"
    )


def test_a_file_of_ones_own_is_declared_by_its_name() -> None:
    tree = {"layout": "list", "root": "x.csv", "tests": {}, "annotations": "~/own.parquet"}
    declared = Benchmark.model_validate(tree).annotations
    assert declared is not None
    assert declared.file == "~/own.parquet"


def stale(folder: Path, **content: object) -> Path:
    file = sidecar(folder)
    file.write_text(json.dumps(json.loads(file.read_text()) | content))
    return file


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"manifest": "old"}, "was made from another manifest"),
        ({"manifest": "new", "labels": 0}, "labels of version 0 of the renderer"),
    ],
)
def test_what_is_out_of_date_is_made_again(tmp_path: Path, content: dict[str, object], said: str) -> None:
    """The workflow sees it as not made yet; whoever reads it by hand is told."""
    file = stale(tmp_path / "b", **content)
    (tmp_path / "b" / "manifest.json").write_text(json.dumps({"digest": "new"}))
    asked = SideColumns(masks=("front",))
    with pytest.raises(UserError, match=said) as refused:
        side_digest(file, asked, "train")
    assert refused.value.mend == "svrn data annotate b"
    real = Benchmark.model_validate({"layout": "veri776", "root": "/x", "tests": {}})
    assert benchmark_side_digest("b", real, asked, "train", tmp_path) is None
    beforehand = benchmark_side_digest("b", embedded(), asked, "train", tmp_path)
    assert beforehand == benchmark_side_digest("not-made", embedded(), asked, "train", tmp_path)
    stale(tmp_path / "b", manifest="new", labels=None)
    assert benchmark_side_digest("b", real, asked, "train", tmp_path) == side_digest(file, asked, "train")


def test_what_a_column_says_of_one_part_it_does_not_say_of_another(tmp_path: Path) -> None:
    """Two columns with the same values are two columns."""
    file = sidecar(tmp_path)
    content = json.loads(file.read_text())
    for part in ("train", "test"):
        content["columns"]["mask:back"][part] = content["columns"]["mask:front"][part]
    file.write_text(json.dumps(content))
    front, back = (side_digest(file, SideColumns(masks=(name,)), "train") for name in ("front", "back"))
    assert front != back
