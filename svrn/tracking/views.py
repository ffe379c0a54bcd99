"""Views of the tables for MLflow's UI: which runs, which columns. They are tags of the experiment, under "Views".

The form is MLflow's own (3.17: `mlflow.sharedViewState.ID`, JSON with a deflated state); an MLflow that does not know
it shows its usual columns.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from urllib.parse import quote

from svrn.config.study import Study
from svrn.tracking.placing import LEADING, row_tag
from svrn.tracking.run_facts import TELLING, RunFacts

PREFIX = "mlflow.sharedViewState."
MOST_COLUMNS = 6
#: Runs in one comparison; MLflow's page becomes slow beyond a hundred.
MOST_COMPARED = 60
#: Has the UI show trainings; it opens for prompts and judges.
_TRAININGS = "workflowType=machine_learning"


def view_id(study: Study, table: str) -> str:
    """The name of a table's view in addresses."""
    return f"svrn-{study.name}-{table}"


def view_address(experiment: str, study: Study, table: str) -> str:
    """Where the UI shows the view, within the server's address."""
    return f"{runs_address(experiment)}&viewStateShareKey={view_id(study, table)}"


def runs_address(experiment: str) -> str:
    """Where the UI shows all runs, within the server's address."""
    return f"#/experiments/{experiment}/runs?{_TRAININGS}"


def compare_address(experiment: str, runs: Sequence[str]) -> str:
    """Where the UI compares runs (MLflow's ids), within the server's address."""
    chosen = json.dumps(list(runs[:MOST_COMPARED]), separators=(",", ":"))
    return f"#/compare-runs?runs={quote(chosen)}&experiments={quote(json.dumps([experiment]))}&{_TRAININGS}"


def view_of(study: Study, table: str, runs: Sequence[RunFacts]) -> str:
    """The view of a table as its tag's value: its runs by row, their scores, and the parameters in which they differ.

    Seeds of a row are grouped, with their mean, where there are several.
    """
    tag = row_tag(study, table)
    widths = {"attributes.`Run Name`": 240, f"tags.`{tag}`": 150}
    grouped = len({run.tags[tag] for run in runs}) < len(runs)
    widths |= dict.fromkeys((f"metrics.`{name}`" for name in LEADING), 135 if grouped else 90)  # `34 (average)`
    widths |= {f"params.`{name}`": 60 + 7 * len(name) for name in _varying(runs)}
    group = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": tag}]}
    state = {
        "searchFilter": f"tags.`{tag}` != ''",
        "orderByKey": f"tags.`{tag}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(widths)[1:],
        "columnOrder": [*widths, "runDateAndNestInfo", "duration"],
        "columnWidths": widths,
        "groupBy": group if grouped else None,
    }
    name = f"{study.name} {table}: {study.tables[table].title}"
    at = list(study.tables).index(table)  # no clock: the same tables give the same tag
    return json.dumps(
        {"name": name, "createdAt": at, "updatedAt": at, "state": _deflated(state)}, separators=(",", ":")
    )


def _varying(runs: Sequence[RunFacts]) -> list[str]:
    """Parameters that are not the same in all runs, those with most values first; the seed never."""
    names = dict.fromkeys([*TELLING, *(name for run in runs for name in run.parameters)])
    values = {name: len({run.parameters.get(name) for run in runs}) for name in names if name != "training.seed"}
    varying = [name for name, count in values.items() if count > 1]
    return sorted(varying, key=lambda name: -values[name])[:MOST_COLUMNS]


def _deflated(state: dict[str, object]) -> str:
    packed = zlib.compress(json.dumps(state, separators=(",", ":")).encode())
    return f"deflate;{base64.b64encode(packed).decode('ascii')}"
