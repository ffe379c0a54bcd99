"""What a study makes, file by file, and what each file follows from: the rules' questions answered.

Light, as all of svrn.config: the workflow asks when it is parsed, and again on every cluster node.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from svrn import __version__
from svrn.config.annotations import LABELS_VERSION, SIDECAR
from svrn.config.benchmark import Benchmark
from svrn.config.documents import suggestion, validate
from svrn.config.identity import EVALUATION_SEMANTICS as EVALUATION_SEMANTICS
from svrn.config.identity import effective_inference, key_of, run_identity
from svrn.config.places import PARAMS_VARIABLE, SETTINGS_VARIABLE, SOURCE_VARIABLE, installed_from, names
from svrn.config.plateau import LENGTHS
from svrn.config.schedule import positions, priorities
from svrn.config.study import DATA, PARAMS, Cell, Embedding, Evaluation, Run, Study, digests_of, load_study
from svrn.config.suite import ROLES, Settings
from svrn.errors import UserError

_NOTHING = "(?!)"  # a pattern that no name fits


def any_of(names: Iterable[str]) -> str:
    """A pattern for exactly these names."""
    return "|".join(re.escape(name) for name in names) or _NOTHING


def check_command_line(config: dict[str, Any], params: Path = PARAMS) -> None:
    """Refuse what `--config` cannot mean: it chooses the suite, everything else stands in params/.

    A suite's name that was read as a number (2024_01, 007) becomes the name again where one suite alone reads so.

    Raises:
        UserError: an unknown key, with the nearest known one; a name that was read as a number of no suite, or of two.
    """
    for key in config:
        if key not in Settings.model_fields:
            raise UserError(
                f"unknown key {key!r}",
                where="--config or params/config.yaml",
                mend=suggestion(str(key), list(Settings.model_fields)),
            )
    suite = config.setdefault("suite", Settings().suite)
    if not isinstance(suite, str):
        config["suite"] = _name_read_as(suite, params)


def _name_read_as(value: Any, params: Path) -> str:
    """The suite whose name YAML or the command line made a number, a date or a yes of; UserError where none is sure."""
    there = names(params / "suites")
    meant = [name for name in there if any(type(one) is type(value) and one == value for one in _readings(name))]
    if len(meant) == 1:
        return meant[0]
    raise UserError(
        f"the suite's name was read as {value!r}, a {type(value).__name__}, "
        + (f"which is {' or '.join(meant)}" if meant else f"and no suite's name reads so (there: {', '.join(there)})"),
        where="--config or params/config.yaml",
        mend='say that it is text: --config "suite=!!str NAME", or in params/config.yaml suite: "NAME"',
    )


def _readings(name: str) -> Iterator[Any]:
    """What Snakemake's command line and YAML make of a name."""
    for reading in (int, float, yaml.safe_load):
        with contextlib.suppress(ValueError, yaml.YAMLError):
            yield reading(name)


def settings_of(config: dict[str, Any]) -> Settings:
    """Snakemake's configuration, a calling workflow's included, as settings.

    Raises:
        UserError: a setting of a wrong type.
    """
    return validate(Settings, config, where="--config or the calling workflow's config")


def environment(settings: Settings, repository: Path | None) -> dict[str, str]:
    """What the commands of the rules must know of the workflow that calls them, as environment variables.

    repository: the folder that the workflow is part of, where it is on disk; else parameters and package are those
    that are installed.
    """
    known = {SETTINGS_VARIABLE: settings.model_dump_json()}
    if repository is None:
        return {**known, SOURCE_VARIABLE: installed_from()}
    return {**known, PARAMS_VARIABLE: str(repository / "params"), SOURCE_VARIABLE: str(repository)}


def check_module(version: str, prefix: object) -> None:
    """Refuse a workflow and a package of different versions, and a prefix before the workflow's files.

    Raises:
        UserError: either; the package's commands write below the working folder and know no prefix.
    """
    if version != __version__:
        raise UserError(
            f"this workflow is of version {version}, the package svrn that it calls of {__version__}",
            where=str(Path(__file__).parents[1]),
            mend=f"install svrn {version}, or name the tag v{__version__} in the module's `snakefile:`",
        )
    if prefix:
        raise UserError(
            f"the files of this workflow cannot be put below {prefix!r}",
            where="module: prefix",
            mend="leave `prefix` out; `snakemake --directory` chooses the folder of the whole",
        )


class CurrentStudy:
    """The suite resolved, and resolved anew when a manifest that its keys follow from has been made."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.now: Study = load_study(suite)
        self._seen = self._sidecars()
        self._order()

    def _order(self) -> None:
        self._positions, self._priorities = positions(self.now), priorities(self.now)

    def refresh(self) -> None:
        """Resolve again where a manifest has come or changed since."""
        seen = self._sidecars()
        if seen != self._seen:
            self._seen, self.now = seen, load_study(self.suite)
            self._order()

    def run(self, key: str) -> Run:
        """A run by its key; UserError where the suite has none of that key."""
        return _find(self.now.runs, key, "run", self.suite)

    def embedding(self, run: str, name: str) -> Embedding:
        """An embedding by its run and name."""
        return _find(self.now.embeddings, (run, name), "embedding", self.suite)

    def first_of_the_same_images(self, embedding: Embedding) -> Embedding | None:
        """The suite's first embedding, of the same run in the same way, of the same rendered images in another layout.

        None where there is none before `embedding`, or its method reads more of an image than its pixels.
        """
        world = self.benchmark(embedding.benchmark).embedded
        if world is None or embedding.annotations is not None:
            return None
        for other in self.now.embeddings.values():
            if other == embedding:
                return None
            alike = (other.run, other.inference) == (embedding.run, embedding.inference)
            if alike and self.benchmark(other.benchmark).embedded == world:
                return other
        return None

    def evaluation(self, key: str) -> Evaluation:
        """A scoring by its key."""
        return _find(self.now.evaluations, key, "evaluation", self.suite)

    def benchmark(self, name: str) -> Benchmark:
        """A benchmark of the suite by its name."""
        return self.now.benchmarks[name]

    def position(self, run: str) -> str:
        """A run's place in the queue: `3 of 21`."""
        return self._positions.get(run, "")

    def priority(self, run: str) -> int:
        """Snakemake's priority of a training: longer ones first."""
        return self._priorities.get(run, 1)

    def embedded(self) -> list[str]:
        """The benchmarks that are rendered, and whose training images are known before they are."""
        return [name for name, one in self.now.benchmarks.items() if one.embedded and one.train_digest]

    def read(self) -> list[str]:
        """The benchmarks whose runs' keys follow from what is read: folders, archives, worlds of the user's own."""
        known = self.embedded()
        return [name for name, one in self.now.benchmarks.items() if one.available and name not in known]

    def unlabelled(self) -> list[str]:
        """Benchmarks of the user's own whose side information some method reads and nobody has gathered yet."""
        pending = dict.fromkeys(cell.benchmark for cell in self.now.cells if cell.kind == "pending")
        return [name for name in self.read() if name in pending and self.data_digest(name) is not None]

    def archived(self) -> list[str]:
        """The benchmarks that are unpacked from the user's archives."""
        return [name for name in self.read() if archives(self.now, name)]

    def data_digest(self, name: str) -> str | None:
        """The digest of all of a benchmark's images; None before its manifest is made."""
        digests = digests_of(name, self.now.benchmarks[name])
        return digests.whole if digests else None

    @property
    def rungs(self) -> int:
        """Lengths that rows of a plateau suite are trained at, as far as is known now; 0 of any other suite."""
        climbs = self.now.ladder.climbs.values() if self.now.ladder else ()
        return max((one.wanted for one in climbs), default=0)

    def rung_files(self, rung: int) -> list[str]:
        """The scorings that decide whether rows are trained longer than at a rung: its own and those before."""
        return [str(file) for evaluation in self._rung_scorings(rung).values() for file in outputs(evaluation)]

    def decision(self, rung: int) -> str:
        """A name for what is decided at a rung, by the scorings that it rests on: other ones are another decision.

        So is one whose scorings were lost since: Snakemake takes a decision that is there for made.
        """
        scorings, folder = self._rung_scorings(rung), self.now.folder / "rungs"
        name = key_of(list(scorings))
        whole = all((one.folder / "metrics.json").is_file() for one in scorings.values())
        if whole or not (folder / f"{rung}-{name}.json").is_file():
            return name
        return key_of([name, len(list(folder.glob(f"{rung}-*.json")))])

    def _rung_scorings(self, rung: int) -> dict[str, Evaluation]:
        climbs = self.now.ladder.climbs.values() if self.now.ladder else ()
        rows = {one.row_at(below) for one in climbs for below in range(min(rung + 1, one.wanted))}
        return {e.key: e for cell in _cells(self.now, LENGTHS) if cell.row in rows for e in cell.evaluations}

    def _sidecars(self) -> dict[str, int | None]:
        stamps: dict[str, int | None] = {}
        files = [DATA / name / one for name in self.now.benchmarks for one in ("manifest.json", SIDECAR)]
        files += [e.folder / "metrics.json" for c in _cells(self.now, LENGTHS) for e in c.evaluations]
        for file in files:
            stamps[str(file)] = file.stat().st_mtime_ns if file.is_file() else None
        return stamps


def _find(there: Any, key: Any, kind: str, suite: str) -> Any:
    try:
        return there[key]
    except KeyError:
        name = key if isinstance(key, str) else "/".join(key)
        raise UserError(
            f"suite {suite!r} has no {kind} {name}",
            mend="`svrn plan` lists the runs; --config suite=… chooses the suite",
        ) from None


def roles(study: Study) -> list[str]:
    """Every role there is, and those that the suite adds: each can be brought in by itself."""
    return list(dict.fromkeys([*ROLES, *study.suite.benchmarks]))


def manifests(study: Study, role: str) -> list[str]:
    """The manifest of what fills a role; none where nothing does, or its place is not known."""
    name = study.suite.benchmarks.get(role)
    if name is None or not study.benchmarks[name].available:
        return []
    return [str(DATA / name / "manifest.parquet")]


def render_options(study: Study, name: str) -> str:
    """The options of `svrn data render` for an embedded benchmark."""
    benchmark = study.benchmarks[name]
    assert benchmark.embedded is not None
    preset, split = benchmark.embedded.preset, benchmark.embedded.split
    only = f" --split {split}" if split != "main" else ""
    return f"--preset {preset} --layout {benchmark.layout} --images data/embedded/{preset}{only}"


def archives(study: Study, name: str) -> list[str]:
    """The archives that a benchmark is unpacked from; none where it has a root or an address."""
    benchmark = study.benchmarks[name]
    named = [] if benchmark.root or benchmark.url else benchmark.archive
    return [str(Path(os.path.expandvars(text)).expanduser()) for text in named]


def source(study: Study, name: str) -> str:
    """What a read benchmark's manifest follows from: where it is, how it lies, which counts it must have."""
    return key_of(study.benchmarks[name].model_dump(mode="json", exclude={"annotations"}))


def annotation_sources(study: Study, name: str) -> str:
    """What a benchmark's side information follows from beside its manifest: imported files, the renderer's labels."""
    benchmark = study.benchmarks[name]
    declared = benchmark.annotations
    files = declared.model_dump(mode="json") if declared else None
    return key_of({"annotations": files, "labels": LABELS_VERSION if benchmark.embedded else None})


def wanted(file: Path | str, *, by: Iterable[Path], after: Path | None = None) -> list[str]:
    """An input as the workflow should see it: left out where it is gone and nothing asks for it any more.

    Snakemake repeats a step whose input it has to make anew. A manifest or an embedding that was deleted to free
    space must not train or score again what is already there.

    by: the files made from it. after: what those must not be older than to count as there.
    """
    made = list(by)
    settled = all(one.is_file() for one in made)
    if settled and after is not None:
        settled = after.is_file() and all(one.stat().st_mtime_ns >= after.stat().st_mtime_ns for one in made)
    return [] if settled and not Path(file).is_file() else [str(file)]


def run_outputs(run: Run) -> list[Path]:
    """What a training leaves."""
    return [run.folder / name for name in ("model.safetensors", "train.parquet", "run.json")]


def outputs(evaluation: Evaluation) -> list[Path]:
    """What a scoring leaves: metrics and per-query results."""
    return [evaluation.folder / name for name in ("metrics.json", "queries.parquet")]


def table_names(study: Study) -> list[str]:
    """The study's tables, and those of its suite that follow when a plateau suite's rows have their lengths."""
    return list(dict.fromkeys([*study.tables, *study.suite.tables]))


def evaluation_files(study: Study, table: str | None = None) -> list[str]:
    """Metrics and per-query results of every scoring, or of those that a table shows."""
    scorings = {evaluation.key: evaluation for cell in _cells(study, table) for evaluation in cell.evaluations}
    return [str(file) for evaluation in scorings.values() for file in outputs(evaluation)]


def evidence(study: Study) -> list[str]:
    """Every file that a number rests on: runs, embeddings, scorings."""
    runs = [str(file) for run in study.runs.values() for file in run_outputs(run)]
    return runs + [str(embedding.file) for embedding in study.embeddings.values()] + evaluation_files(study)


def timed(study: Study, table: str | None = None) -> bool:
    """Whether a table (or any) has times to measure."""
    return any(cell.kind == "timing" for cell in _cells(study, table))


def timing_fingerprint(study: Study) -> str:
    """Changes when what table 7 measures changes: its networks and their input."""
    measured = [
        [cell.row, *([run_identity(one, "timing"), effective_inference(one)] for one in cell.parameters)]
        for cell in study.cells
        if cell.kind == "timing"
    ]
    return key_of(measured)


def cells_fingerprint(study: Study) -> str:
    """Changes when a cell's name, reported number or evidence changes."""
    return key_of([_cell_identity(cell) for cell in study.cells])


def table_fingerprint(study: Study, table: str) -> str:
    """Changes when a table's own text, rows or evidence change, and with nothing else."""
    document = study.tables[table].model_dump(mode="json")
    return key_of([document, [_cell_identity(cell) for cell in _cells(study, table)]])


def _cells(study: Study, table: str | None) -> list[Cell]:
    return [cell for cell in study.cells if table is None or cell.table == table]


def _cell_identity(cell: Cell) -> list[Any]:
    return [
        cell.table,
        cell.row,
        cell.column,
        cell.metric,
        cell.benchmark,
        cell.test,
        cell.protocol,
        cell.reported,
        cell.kind,
        [evaluation.key for evaluation in cell.evaluations],
    ]


def mirror_attempt(sign: str) -> int:
    """Which attempt at the MLflow mirror is due, from the file that the last one left: `synced N` or `failed N`.

    A parameter of the rule, so that a failed mirror is tried again and a mirror that was made is not: the number is
    the last attempt's own where it was made, one more where it failed. Asking changes nothing on disk.
    """
    file = Path(sign)
    words = file.read_text(encoding="utf-8").split() if file.is_file() else []
    last = int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0
    return last + 1 if words[:1] == ["failed"] else last
