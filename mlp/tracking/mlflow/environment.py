"""Variables of MLflow in the environment of a process, put in order when its work starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlp.study.tracker import PieceTracker
    from mlp.tracking.mlflow.place import RecordingPlace

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    # A bar for each small file that is read, and a line for each run, would hide what matters
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # `mlflow/waiting.py` says that it waits for a server, and for how long, and makes nothing twice
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
}


def prepare_environment() -> None:
    """Set what nobody has set otherwise. Before MLflow is imported, which reads some of it then."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def lent_environment() -> Iterator[None]:
    """The environment of a command in the process of somebody else, who gets it back unchanged.

    So does MLflow's tracking store. A run that `mlflow run` made is not for what is recorded here.
    """
    former = dict(os.environ)
    os.environ.pop("MLFLOW_RUN_ID", None)
    prepare_environment()
    import mlflow

    store = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    try:
        yield
    finally:
        # Where a variable alone names it, it goes on to
        mlflow.set_tracking_uri(None if store == former.get("MLFLOW_TRACKING_URI") else store)
        for name in {"MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI", *_DEFAULTS}:
            os.environ.pop(name, None)
            if name in former:
                os.environ[name] = former[name]


def take_adopted_run() -> str | None:
    """The run that `mlflow run` made for this process, taken out of the environment.

    Left there, whatever this process starts would log into the same run.
    """
    return os.environ.pop("MLFLOW_RUN_ID", None)


def open_worker_tracker(place: RecordingPlace) -> PieceTracker:
    """A tracker for some runs of a study that another process has begun, and will end."""
    prepare_environment()
    from mlp.tracking.mlflow.recording import MlflowWorkerTracker

    return MlflowWorkerTracker(place)
