"""Trained networks as MLflow 3 sees models: a LoggedModel each, its files left in results/runs; the best by an alias.

mlflow.search_logged_models(filter_string="metrics.mAP > 40 AND params.`model.stages.count` = '3'")
models:/svrn-demo@best
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from svrn.config.best import Best, best_of
from svrn.config.study import Cell, Study
from svrn.errors import UserError
from svrn.tracking.run_facts import RunFacts

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

ALIAS = "best"
#: What MLflow calls a model whose files are not in its own store.
_EXTERNAL = "mlflow.model.isExternal"


class Models:
    """The LoggedModels of one experiment."""

    def __init__(self, mlflow: MlflowClient, experiment: str) -> None:
        self.mlflow, self.experiment = mlflow, experiment

    def find(self, key: str) -> LoggedModel | None:
        """The model of run `key`; where an interrupted sync left several, the first, and the others go."""
        order = [{"field_name": "creation_timestamp", "ascending": True}]
        found = self.mlflow.search_logged_models([self.experiment], f"tags.`svrn.run_key` = '{key}'", order_by=order)
        for extra in found[1:]:
            self.mlflow.delete_logged_model(extra.model_id)
        return found[0] if found else None

    def forget(self, key: str) -> None:
        """Delete the model of run `key`, where there is one."""
        found = self.find(key)
        if found is not None:
            self.mlflow.delete_logged_model(found.model_id)

    def of_run(self, facts: RunFacts, run_id: str) -> str:
        """The id of a run's model, made where it is not there or is another run's; its files are named, not copied."""
        from mlflow.entities import LoggedModelOutput

        found = self.find(facts.key)
        if found is not None and found.source_run_id == run_id:
            return str(found.model_id)
        if found is not None:
            self.mlflow.delete_logged_model(found.model_id)
        made = self.mlflow.create_logged_model(
            self.experiment,
            name=re.sub(r"[^\w-]+", "-", facts.name).strip("-"),
            source_run_id=run_id,
            model_type="embedding",
            params=facts.parameters,
            tags={
                _EXTERNAL: "true",
                "svrn.run_key": facts.key,
                "svrn.model_digest": facts.tags["svrn.model_digest"],
                "svrn.files": facts.folder.resolve().as_uri(),
                "svrn.benchmark": facts.dataset[0],
            },
        )
        self.mlflow.log_outputs(run_id, [LoggedModelOutput(made.model_id, 0)])
        self.mlflow.finalize_logged_model(made.model_id, "READY")
        return str(made.model_id)

    def register(self, study: Study, facts: dict[str, RunFacts]) -> Best | None:
        """Give the run that stands for the best row of the suite's first table the alias `best` in the registry.

        facts: of the mirrored runs, by key. None where no row is complete, or no run of it is mirrored.
        """
        try:
            best = best_of(study, lambda cell: _mean(cell, facts))
        except UserError:
            return None
        model = self.find(best.run)
        if model is None:
            return None
        name = f"svrn-{study.name}"
        versions = self.mlflow.search_model_versions(f"name = '{name}'")
        version = next((str(v.version) for v in versions if v.tags.get("svrn.run_key") == best.run), None)
        if version is None:
            version = self._new_version(name, model, best)
        registered = self.mlflow.get_registered_model(name)
        if registered.aliases.get(ALIAS) != version:
            self.mlflow.set_registered_model_alias(name, ALIAS, version)
        return best

    def _new_version(self, name: str, model: LoggedModel, best: Best) -> str:
        from mlflow.exceptions import MlflowException
        from mlflow.models.utils import get_external_mlflow_model_spec

        try:
            self.mlflow.get_registered_model(name)
        except MlflowException:
            self.mlflow.create_registered_model(name, description=f"The best row of {best.table}, suite {best.suite}.")
        with tempfile.TemporaryDirectory() as folder:  # what the registry wants to see of a model that lies elsewhere
            get_external_mlflow_model_spec(model).save(str(Path(folder, "MLmodel")))
            self.mlflow.log_model_artifacts(model.model_id, folder)
        made = self.mlflow.create_model_version(
            name,
            source=model.artifact_location,
            run_id=model.source_run_id,
            model_id=model.model_id,
            description=f"{best.table}, {best.row}: {best.column} {best.mean:.1f}, mean of {best.seeds} seeds",
            tags={"svrn.run_key": best.run, "svrn.files": model.tags["svrn.files"]},
        )
        return str(made.version)


def _mean(cell: Cell, facts: dict[str, RunFacts]) -> float | None:
    """A cell's mean over its seeds, where all of them are mirrored with their score."""
    metric = cell.metric.replace("@", "-")
    values = []
    for one in cell.evaluations:
        run = facts.get(one.run)
        value = run.finals.get(f"{one.embedding.benchmark}/{one.test}/{one.protocol}/{metric}") if run else None
        if value is None:
            return None
        values.append(value)
    return sum(values) / len(values)
