"""Variables of MLflow in the environment of a process, put in order when a command starts."""

from __future__ import annotations

import os

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


def take_adopted_run() -> str | None:
    """The run that `mlflow run` made for this process, taken out of the environment.

    Left there, whatever this process starts would log into the same run.
    """
    return os.environ.pop("MLFLOW_RUN_ID", None)
