"""Where MLflow keeps the mirror, and preparing it once."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from svrn.errors import UserError
from svrn.files import atomic_write, remove_parts
from svrn.locks import file_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

EXPERIMENT = "svrn"
#: So that the UI shows trainings, not prompts; and what is said on the experiment's page.
_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "A mirror of results/runs. Under Views: each table's runs with scores and what differs.",
}


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store: its address, and the folder of its artifacts where it is ours."""

    uri: str
    folder: Path

    @property
    def local(self) -> bool:
        """Whether it is the project's own database, not a server or a database of the user's."""
        return self.uri == _local_uri(self.folder)

    @property
    def artifacts(self) -> Path:
        return self.folder.resolve() / "artifacts"


def the_store(results: Path) -> Store:
    """The store to mirror into: MLFLOW_TRACKING_URI where it is set, else results/mlflow/mlflow.db."""
    folder = results / "mlflow"
    return Store(os.environ.get("MLFLOW_TRACKING_URI") or _local_uri(folder), folder)


def _local_uri(folder: Path) -> str:
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def prepare_mlflow() -> None:
    """Set what MLflow reads when it is imported: no telemetry, and an absent server is noticed in seconds."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It prints a traceback of every error of the database that it raises as well.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def initialise(store: Store) -> str:
    """Make or upgrade the store and its experiment; the experiment's id.

    Under a lock: processes that make MLflow's tables at the same time break each other's database.

    Raises:
        UserError: the store cannot be reached or written, or is not a database.
    """
    prepare_mlflow()
    if not store.uri.startswith("sqlite:///"):
        return _experiment(store)
    with file_lock(store.folder / ".lock"):
        _upgrade(store)
        return _experiment(store)


def client(store: Store) -> MlflowClient:
    """A client of the store; nothing is asked of it yet."""
    prepare_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri)


def _upgrade(store: Store) -> None:
    import sqlalchemy.exc
    from mlflow.store.db import utils

    file = store.folder / "mlflow.db"
    try:
        if store.local and not (file.is_file() and file.stat().st_size):
            remove_parts(store.folder)
            # Whole or not at all: MLflow cannot go on with tables of which some are made.
            with atomic_write(file) as temporary, _engine(f"sqlite:///{temporary.resolve()}") as engine:
                utils._initialize_tables(engine)
            return
        with _engine(store.uri) as engine:
            if utils._is_empty_database(engine):
                utils._initialize_tables(engine)
            else:
                utils._upgrade_db(engine)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise unusable(store, error) from error


@contextmanager
def _engine(uri: str) -> Iterator[Engine]:
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(uri)
    try:
        yield engine
    finally:
        engine.dispose()


def _experiment(store: Store) -> str:
    from mlflow.exceptions import MlflowException

    try:
        mlflow = client(store)
        location = store.artifacts.as_uri() if store.local else None
        found = mlflow.get_experiment_by_name(EXPERIMENT)
        if found is not None and found.lifecycle_stage == "deleted":
            mlflow.restore_experiment(found.experiment_id)  # its name cannot be used again while it lies there
        if found is not None and location is not None and found.artifact_location != location:
            _put_away(mlflow, str(found.experiment_id))
            found = None
        if found is None:
            try:
                return str(mlflow.create_experiment(EXPERIMENT, artifact_location=location, tags=_TAGS))
            except MlflowException:
                found = mlflow.get_experiment_by_name(EXPERIMENT)  # another process was first
                if found is None:
                    raise
        for name, value in _TAGS.items():
            if found.tags.get(name) != value:
                mlflow.set_experiment_tag(found.experiment_id, name, value)
        return str(found.experiment_id)
    except (MlflowException, OSError) as error:
        raise unusable(store, error) from error


def _put_away(mlflow: MlflowClient, experiment: str) -> None:
    """The project was moved or copied: MLflow would go on writing files into the old place. The mirror is made anew."""
    mlflow.rename_experiment(experiment, f"{EXPERIMENT}, another folder's, {experiment}")
    mlflow.delete_experiment(experiment)


def unusable(store: Store, error: Exception) -> UserError:
    """What the user is told where the store fails."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    mend = (
        f"remove {store.folder}: it is rebuilt from results/runs"
        if store.local
        else "see that MLFLOW_TRACKING_URI is right and its server runs, then `svrn track sync` again: nothing is lost"
    )
    return UserError(f"the MLflow store cannot be used: {reason}", where=store.uri, mend=mend)
