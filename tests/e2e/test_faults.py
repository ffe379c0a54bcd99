"""kill -9 at any moment, again and again, and the results are those of a pipeline never disturbed, byte for byte.

Kills fall into training, embedding, evaluation and the writing of tables. `make campaign` runs the long form.
"""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
sys.path.insert(0, str(Path(__file__).parent))

from fault_project import STAGES, make_project, records_of, results_of, run_pipeline, stage_of, steps_done
from worlds import processes, start

#: Tries a round and stage. The later stages are short: some tries find them finished.
A_ROUND = {"training": 12, "embedding": 2, "evaluation": 2, "tables": 2}


class Undisturbed:
    """What the pipeline gives when nothing happens, and how long its stages take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_project(folder)
        run_to_the_end(folder)  # imports and caches are warm after it
        self.results = results_of(folder)
        again = folder.parent / "timed"
        make_project(again)
        child = start(run_pipeline, again, context=context())
        began: dict[str, float] = {}
        while child.is_alive():
            began.setdefault(stage_of(again) or "before", time.monotonic())
            time.sleep(0.002)
        began["done"] = time.monotonic()
        order = [*STAGES, "done"]
        self.seconds = {
            stage: max(0.005, began.get(after, began["done"]) - began.get(stage, began["done"]))
            for stage, after in itertools.pairwise(order)
        }
        assert results_of(again) == self.results


def context():
    made = processes()
    made.set_forkserver_preload(["torch", "fault_project", "worlds"])
    return made


def run_to_the_end(folder: Path) -> None:
    child = start(run_pipeline, folder, context=context())
    child.join()
    assert child.exitcode == 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("faults") / "undisturbed")


def kill_during(folder: Path, stage: str, seconds: float, chance: random.Random) -> str | None:
    """Start the pipeline and kill it in `stage`, which takes about `seconds`: where it died, None where it ended.

    A training is killed some checkpoints on and then at any moment of a step, so that it always gets somewhere.
    """
    (folder / "stage").unlink(missing_ok=True)
    child = start(run_pipeline, folder, context=context())
    later = (*STAGES[STAGES.index(stage) + 1 :], "done")
    while child.is_alive() and stage_of(folder) not in (stage, *later):
        time.sleep(0.002)
    if stage == "training":
        goal = steps_done(folder) + chance.randrange(4)
        while child.is_alive() and stage_of(folder) == stage and steps_done(folder) < goal:
            time.sleep(0.002)
        child.join(timeout=chance.random() * 0.08)
    else:
        child.join(timeout=chance.random() * 0.8 * seconds)
    died = stage_of(folder)
    alive = child.exitcode is None
    child.kill()
    child.join()
    assert child.exitcode in (0, -9), f"the pipeline failed in {died}"
    return died if alive else None


def campaign(undisturbed: Undisturbed, folder: Path, kills: int, seed: int) -> Counter[str]:
    """Rounds of kills until there were `kills`; each round ends with a comparison of every file."""
    chance = random.Random(seed)
    deaths: Counter[str] = Counter()
    rounds = 0
    while deaths.total() < kills:
        project = folder / f"round{rounds}"
        rounds += 1
        make_project(project)
        here: Counter[str] = Counter()
        for stage, number in A_ROUND.items():
            for _ in range(number):
                died = kill_during(project, stage, undisturbed.seconds[stage], chance)
                if died in STAGES:
                    here[died] += 1
        run_to_the_end(project)
        found = results_of(project)
        assert found.keys() == undisturbed.results.keys()
        different = [name for name, content in found.items() if content != undisturbed.results[name]]
        assert not different, f"after {dict(here)}"
        assert not list(project.glob("results/runs/*/checkpoints"))
        assert not list(project.glob("results/runs/*/.*.part*"))
        assert sum(record["restarts"] for record in records_of(project).values()) <= here["training"]
        deaths += here
        assert rounds < kills, "the kills do not land"
    return deaths


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_fifty_kills(undisturbed, tmp_path):
    deaths = campaign(undisturbed, tmp_path, 50, seed=1)
    assert deaths.total() >= 50
    assert all(deaths[stage] > 0 for stage in STAGES), dict(deaths)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_two_hundred_kills(undisturbed, tmp_path):
    deaths = campaign(undisturbed, tmp_path, 200, seed=time.time_ns())
    assert all(deaths[stage] > 5 for stage in STAGES), dict(deaths)


@pytest.mark.e2e
def test_the_undisturbed_results_are_all_there(undisturbed):
    names = {Path(name).name for name in undisturbed.results}
    assert {"model.safetensors", "train.parquet", "metrics.json", "queries.parquet", "cells.parquet"} <= names
    assert {"table2.csv", "table2.tex"} <= names
    assert len([name for name in undisturbed.results if name.endswith("model.safetensors")]) == 2
