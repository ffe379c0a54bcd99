"""params/benchmarks/*.yaml: the shipped ones load, and a mistake in one's own is named with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from svrn.config.benchmark import Benchmark, load_benchmark
from svrn.errors import UserError

PARAMS = Path(__file__).parents[2] / "params"
SHIPPED = sorted(path.stem for path in (PARAMS / "benchmarks").glob("*.yaml"))
GOOD = "layout: veri776\nroot: /data/VeRi\ntests: {test: {protocols: [veri776]}}\n"


def load(text: str, tmp_path: Path) -> Benchmark:
    file = tmp_path / "benchmarks" / "mine.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return load_benchmark("mine", tmp_path)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_benchmark_loads_in_ten_lines(name: str) -> None:
    benchmark = load_benchmark(name, PARAMS)
    assert benchmark.tests
    assert len((PARAMS / "benchmarks" / f"{name}.yaml").read_text().splitlines()) <= 10


@pytest.mark.parametrize("name", ["veri776", "vehicleid", "veriwild"])
def test_the_papers_benchmarks_demand_official_counts_and_wait_for_a_root(name: str) -> None:
    benchmark = load_benchmark(name, PARAMS)
    assert benchmark.layout == name
    assert benchmark.counts == "official"
    assert not benchmark.available


def test_a_good_one(tmp_path: Path) -> None:
    benchmark = load(GOOD, tmp_path)
    assert (benchmark.root, benchmark.counts, benchmark.available) == ("/data/VeRi", "any", True)


MISTAKES = {
    "an unknown key": (GOOD + "rooot: /x\n", "rooot", "did you mean 'root'"),
    "an unknown layout": (GOOD.replace("layout: veri776", "layout: veri"), "layout", "veri776"),
    "no layout": (GOOD.replace("layout: veri776\n", ""), "layout", ""),
    "no tests": (GOOD.splitlines()[0] + "\n", "tests", ""),
    "no protocols": (GOOD.replace("[veri776]", "[]"), "tests.test.protocols", ""),
    "a key twice": (GOOD + "root: /other\n", "mine.yaml:4", "stands twice"),
    "two sources": (GOOD + "embedded: {preset: demo}\n", "mine.yaml", "embedded goes without root"),
    "a digest of a real one": (GOOD + f"train_digest: '{'0' * 64}'\n", "mine.yaml", "embedded benchmarks alone"),
    "counts": (GOOD + "counts: some\n", "counts", "official"),
    "a checksum that is none": (GOOD + "archive: [a.zip]\nsha256: abc\n", "sha256", ""),
    "a checksum of two": (GOOD + f"archive: [a.zip, b.zip]\nsha256: '{'a' * 64}'\n", "mine.yaml", "exactly one"),
    "a list": ("- layout\n", "mine.yaml", "keys and values"),
    "no YAML": ("layout: [\n", "mine.yaml:", "not YAML"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    text, place, said = MISTAKES[case]
    with pytest.raises(UserError) as refused:
        load(text, tmp_path)
    assert "mine.yaml" in str(refused.value.where)
    assert place in str(refused.value.where)
    assert said in str(refused.value)


def test_a_name_that_is_not_there_has_a_did_you_mean() -> None:
    with pytest.raises(UserError, match="no such file") as refused:
        load_benchmark("veri767", PARAMS)
    assert refused.value.mend == "did you mean 'veri776'?"
