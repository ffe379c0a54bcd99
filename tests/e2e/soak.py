"""An hour of everything at once, bounded: `make soak`, or `make soak MINUTES=1`.

Several workers call the pipeline of their own project again and again, each holding one of two fake devices while it
runs; the runs of all are mirrored into one MLflow store. At random a worker is killed, its disk fills up (from some
call on every one fails), or the mirror is killed. At the end each project is run to its end, and must hold the bytes
of one never disturbed; no ticket and nothing half-written is left, and the mirror comes to its end.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(1, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1] / "training"))

from failing_calls import Calls, Failure
from fault_project import make_project, results_of, run_pipeline
from worlds import processes, start

WORKERS = 3
DEVICES = "a,b"
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENOLCK, errno.EROFS)


def leased(project: Path, failure: Failure | None) -> None:
    """The pipeline with a device of its own, its calls failing as `failure` says."""
    from svrn.cli.ending import explained
    from svrn.errors import UserError
    from svrn.training.leases import lease

    try:
        with lease(1, holder=project.name), Calls(project, failure):
            run_pipeline(project)
    except UserError:
        raise
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        raise told from error


def mirror(project: Path) -> None:
    """Mirror the project's finished runs."""
    os.chdir(project)
    from svrn.config.study import load_study
    from svrn.tracking.mirror import sync
    from svrn.tracking.store import the_store

    sync(the_store(project.parent / "mirror"), project / "results", [load_study("faults")])


def begin(function: Callable[..., None], *arguments: Any) -> Any:
    context = processes()
    context.set_forkserver_preload(["torch", "fault_project", "worlds", "failing_calls"])
    return start(function, *arguments, context=context)


def disturb(folder: Path, minutes: float, chance: random.Random) -> Counter[str]:
    """Let the workers work, and disturb them, until the time is up; what happened, counted."""
    happened: Counter[str] = Counter()
    end = time.monotonic() + 60 * minutes
    running: dict[Path, Any] = {}
    projects = [folder / f"project{number}" for number in range(WORKERS)]
    while time.monotonic() < end:
        for project in projects:
            child = running.get(project)
            if child is not None and child.is_alive():
                continue
            if child is not None:
                happened[{0: "done", 2: "said", -9: "killed"}.get(child.exitcode, f"exit {child.exitcode}")] += 1
            if child is not None and child.exitcode == 0 and chance.random() < 0.7:
                shutil.rmtree(chance.choice(sorted((project / "results" / "runs").iterdir())))
            failure = None
            if chance.random() < 0.5:
                failure = Failure(chance.randrange(1, 600), chance.choice(_ERRORS), lasting=chance.random() < 0.5)
            running[project] = begin(leased, project, failure)
        time.sleep(chance.random())
        if chance.random() < 0.3:
            victim = chance.choice(projects)
            running[victim].kill()
        if chance.random() < 0.1:
            child = begin(mirror, chance.choice(projects))
            child.join(timeout=chance.random() * 8)
            happened["mirror killed" if child.is_alive() else "mirrored"] += 1
            child.kill()
            child.join()
    for child in running.values():
        child.kill()
        child.join()
    return happened


def check(folder: Path, wanted: dict[str, bytes]) -> None:
    """Run everything to its end, undisturbed; assert what must hold."""
    for project in sorted(folder.glob("project*")):
        child = begin(leased, project, None)
        child.join()
        assert child.exitcode == 0, f"{project.name} does not come to its end"
        found = results_of(project)
        different = [name for name in wanted if found.get(name) != wanted[name]]
        assert found.keys() == wanted.keys() and not different, f"{project.name}: {different}"
        left = [str(path) for path in project.rglob("*.part*") if "cache" not in path.parts]
        assert not left and not list(project.glob("results/runs/*/checkpoints")), left
        mirrored = begin(mirror, project)
        mirrored.join()
        assert mirrored.exitcode == 0, "the mirror does not come to its end"
    assert not list((folder / "leases" / "queue").iterdir()), "a ticket is left"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of what is disturbed; by the clock where left out")
    asked = parser.parse_args()
    seed = time.time_ns() % 10**6 if asked.seed is None else asked.seed
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        os.environ["SVRN_FAKE_DEVICES"], os.environ["SVRN_LEASES"] = DEVICES, str(folder / "leases")
        undisturbed = folder / "undisturbed"
        make_project(undisturbed)
        child = begin(run_pipeline, undisturbed)
        child.join()
        assert child.exitcode == 0
        for number in range(WORKERS):
            make_project(folder / f"project{number}")
        happened = disturb(folder, asked.minutes, random.Random(seed))
        wrong = {name: count for name, count in happened.items() if name.startswith("exit")}
        check(folder, results_of(undisturbed))
        print(f"seed {seed}: {dict(happened)}")
        assert not wrong, f"ways to end that are none: {wrong}"


if __name__ == "__main__":
    main()
