"""A suite's reproducibility summary and the answers that a conference's checklist asks for, from records alone.

What no record says is answered so; nothing here is typed by hand for a study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from svrn.config.chosen import Chosen, chosen_file, load_chosen
from svrn.config.methods import About
from svrn.config.places import PARAMS, find
from svrn.config.spaces import Distribution, load_spaces
from svrn.config.study import Run
from svrn.config.tables import TIMINGS
from svrn.files import write_text
from svrn.reporting.cells import COMPLETE, NOT_RUN
from svrn.reporting.devices import spread_of
from svrn.reporting.markdown import table
from svrn.reporting.suite import SuiteReport

NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Trained:
    """A run of the suite that is done, with what it left of itself."""

    run: Run
    record: Mapping[str, Any]
    environment: Mapping[str, Any]

    def number(self, name: str) -> float | None:
        """A number of its record; None where it has none."""
        value = self.record.get(name)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Checklist:
    """What the answers are made from."""

    report: SuiteReport
    params: Path = PARAMS

    @cached_property
    def trained(self) -> list[Trained]:
        """The runs that left a record."""
        records = self.report.records
        runs = [(run, records.run(run)) for run in self.report.study.runs.values()]
        return [Trained(run, record, records.environment(run)) for run, record in runs if record]

    @cached_property
    def methods(self) -> dict[str, About]:
        """The methods of the suite's runs by name."""
        return {run.parameters.method.about.title: run.parameters.method.about for run in self._runs()}

    def _runs(self) -> Iterable[Run]:
        return self.report.study.runs.values()

    @cached_property
    def chosen(self) -> Chosen | None:
        """The search that the suite's settings come from, or the suite's own choice where it is a search."""
        study = self.report.study
        name = study.suite.settings or (study.name if study.suite.search else None)
        if name is None or not find(chosen_file(self.params, name)).is_file():
            return None
        return load_chosen(name, self.params, f"suite {study.name}")


def write_checklist(report: SuiteReport) -> Path:
    """Write results/SUITE/checklist.md; the same records give the same bytes."""
    path = report.folder / "checklist.md"
    write_text(path, as_markdown(Checklist(report)))
    return path


def as_markdown(of: Checklist) -> str:
    """The summary and the answers."""
    name = of.report.study.name
    parts = [
        f"# Reproducibility of suite {name}",
        f"Made by `svrn report checklist --suite {name}` from the suite's records; do not edit.",
        "## Summary",
        *(f"**{head}.** {text}" for head, text in _summary(of)),
        "## Checklist",
        table(["Asked", "Answer"], list(_answers(of))),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(of: Checklist) -> Iterable[tuple[str, str]]:
    report, suite = of.report, of.report.study.suite
    states = Counter(r.state for r in report.results)
    counted = ", ".join(f"{count} {state}" for state, count in states.items())
    readings = sum(len(about.readings) for about in of.methods.values())
    restarts = [int(number) for one in of.trained if (number := one.number("restarts"))]
    yield "Scope", suite.description
    yield (
        "Method",
        f"{_count(len(of.methods), 'method')} ({', '.join(of.methods)}) as rows of"
        f" {_count(len(report.study.tables), 'table')}, seeds"
        f" {', '.join(map(str, suite.seeds))}, in one code base with the same data, batches and evaluation.",
    )
    yield "Results", f"{counted} cells. {' '.join(_results(of)) or 'No table has a baseline to compare with yet.'}"
    easy = sum(not about.readings for about in of.methods.values())
    yield (
        "What was easy",
        f"{len(of.trained) - len(restarts)} of {_count(len(of.trained), 'training')} ended without being stopped;"
        f" methods that needed no reading of ours: {easy}.",
    )
    hard = f"readings of ours where the sources leave a decision open: {readings} (`svrn methods NAME`)"
    missing = states[NOT_RUN]
    yield (
        "What was hard",
        f"{hard}; trainings that were stopped and gone on with: {len(restarts)}, {sum(restarts)} times in all; cells"
        f" that are not there yet: {missing}.",
    )
    yield "Cost", _cost(of)


def _count(number: int, of: str) -> str:
    return f"{number} {of}{'' if number == 1 else 's'}"


def _results(of: Checklist) -> Iterable[str]:
    for name in of.report.study.tables:
        found = of.report.statistics(name).comparisons
        if found:
            counts = Counter(one.verdict for one in found)
            said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
            yield f"{name}: {len(found)} comparisons with the baseline, corrected for their number: {said}."


def _cost(of: Checklist) -> str:
    seconds = [number for one in of.trained if (number := one.number("device_seconds")) is not None]
    devices = Counter(str(one.record.get("device", NOT_RECORDED)) for one in of.trained)
    where = ", ".join(f"{count} on {device}" for device, count in devices.items())
    return f"{sum(seconds) / 3600:.2f} device-hours for {len(seconds)} trainings ({where or 'none'}). {_energy(of)}"


def _energy(of: Checklist) -> str:
    joules = [number for one in of.trained if (number := one.number("energy_joules")) is not None]
    if not joules:
        return "Energy: not measured, these devices do not say."
    return f"Energy: {sum(joules) / 3.6e6:.3f} kWh, measured in {len(joules)} of {len(of.trained)} trainings."


def _answers(of: Checklist) -> Iterable[list[str]]:
    report, study = of.report, of.report.study
    wanted, there = len(study.runs), len(of.trained)
    complete = [r for r in report.results if r.state == COMPLETE and r.cell.metric not in TIMINGS]
    yield ["Methods and their sources", "; ".join(f"{title}: {about.source}" for title, about in of.methods.items())]
    yield ["What of them is our reading", _readings(of)]
    yield ["Data", "; ".join(_data(of)) or "none"]
    yield ["What is left out of a score", "; ".join(_protocols(of)) or NOT_RECORDED]
    yield ["Runs of each row", f"{len(study.suite.seeds)} (seeds {', '.join(map(str, study.suite.seeds))})"]
    yield ["Trainings done", f"{there} of {wanted}"]
    yield [
        "Intervals and what they cover",
        f"{len(complete)} complete cells: standard deviation over seeds, and a 95% bootstrap interval over test"
        " vehicles, each with all its queries, of the mean over these seeds. Differences: 95% over seeds and vehicles"
        " together, p-values corrected by Holm within a table (docs/evidence.md).",
    ]
    yield ["Spread over devices", _devices(of)]
    yield ["Ranges searched", "; ".join(_ranges(of)) or "none recorded: parameters are those of the suite's file"]
    yield ["Rule of selection", _rule(of)]
    yield ["Device-hours", _cost(of)]
    yield ["Memory", _memory(of)]
    yield ["Code", _code(of)]
    yield ["Licences", "; ".join(_licences(of))]


def _devices(of: Checklist) -> str:
    """Said of mAP alone: other metrics of the same runs tell the same."""
    found = [one for one in spread_of(of.report.results, of.report.records) if one.cell.endswith("mAP")]
    return "; ".join(map(str, found)) or "none: every row's trainings are of one class of device"


def _readings(of: Checklist) -> str:
    return (
        "; ".join(f"{title}: {len(about.readings)}" for title, about in of.methods.items()) + " (`svrn methods NAME`)"
    )


def _data(of: Checklist) -> Iterable[str]:
    for name, benchmark in of.report.study.benchmarks.items():
        manifest = of.report.records.manifest(name)
        made = "rendered" if benchmark.embedded else "read from the user's own copy"
        counts = NOT_RECORDED if manifest is None else f"{len(manifest.table)} images, digest {manifest.digest[:12]}"
        yield f"{name}, {made}: {counts}"


def _protocols(of: Checklist) -> Iterable[str]:
    used = dict.fromkeys((c.benchmark, c.protocol) for c in of.report.study.cells if c.benchmark and c.protocol)
    for benchmark, protocol in used:
        yield f"{benchmark}: by protocol {protocol}"


def _ranges(of: Checklist) -> Iterable[str]:
    if of.chosen is None:
        return
    spaces = load_spaces(of.params)
    for model in of.chosen.models:
        if model in spaces.models:
            ranges = ", ".join(f"{place} {_range(one)}" for place, one in spaces.of(model).items())
            yield f"{model}: {ranges}"


def _range(one: Distribution) -> str:
    if one.low is None or one.high is None:
        return f"of {', '.join(map(str, one.values))}"
    return f"{one.distribution} {one.low:g} to {one.high:g}"


def _rule(of: Checklist) -> str:
    if of.chosen is None:
        return "none recorded: nothing was chosen by a search"
    draws = next(iter(of.chosen.models.values())).draws
    return f"{of.chosen.rule}; {draws} draws of each model in suite {of.chosen.suite}, record {of.chosen.record[:12]}"


def _memory(of: Checklist) -> str:
    peaks = [number for one in of.trained if (number := one.number("peak_memory_bytes"))]
    return f"at most {max(peaks) / 2**30:.2f} GiB in a training" if peaks else NOT_RECORDED


def _code(of: Checklist) -> str:
    commits: Counter[str] = Counter()
    dirty = 0
    for one in of.trained:
        code = one.environment.get("code")
        code = code if isinstance(code, Mapping) else {}
        commits[str(code.get("commit", NOT_RECORDED))[:12]] += 1
        dirty += code.get("dirty") is True
    torch = sorted({str(one.environment.get("torch", NOT_RECORDED)) for one in of.trained})
    listed = ", ".join(f"{commit} ({count})" for commit, count in sorted(commits.items()))
    changed = f"{dirty} with changes on top, kept in env.json" if dirty else "no changes on top"
    return f"commits and trainings: {listed or 'none'}; {changed}; torch {', '.join(torch) or NOT_RECORDED}"


def _licences(of: Checklist) -> Iterable[str]:
    found = metadata.metadata("svrn").json
    yield f"code: {found.get('license_expression') or found.get('license') or NOT_RECORDED}"
    own = [name for name, benchmark in of.report.study.benchmarks.items() if benchmark.embedded]
    if own:
        yield f"{', '.join(own)}: rendered by the code"
    others = [name for name in of.report.study.benchmarks if name not in own]
    if others:
        yield f"{', '.join(others)}: the user's agreement with their makers, {NOT_RECORDED}"
    weights = {run.parameters.model.backbone.weights for run in of.report.study.runs.values()} - {"random"}
    if weights:
        yield f"weights that trainings start from ({', '.join(sorted(weights))}): {NOT_RECORDED}"
