"""The beginning of a command that trains: what earlier ones left behind is put in order."""

from __future__ import annotations

import os
from pathlib import Path

from mlp import console
from mlp.errors import SettingsError
from mlp.settings.study import TrackingConfig
from mlp.tracking.mlflow.outbox import send_left
from mlp.tracking.mlflow.place import OUTBOX
from mlp.tracking.mlflow.store import Store, open_store


def open_to_record(config: TrackingConfig, adopted: str | None) -> Store:
    """Open the store; send what a process that died could not, and end its runs as KILLED.

    `adopted`: the run that `mlflow run` made for this process.
    Raises MlflowException, ServerAway, SettingsError.
    """
    check_runs_dir(config.runs_dir)
    store = open_store(config.experiment_name, config.patience, adopted)
    send_left(store, Path(config.runs_dir) / OUTBOX)
    stale = store.end_stale_runs()
    if stale:
        console.err(f"Note: {stale} runs of a process that died were ended as KILLED")
    return store


def check_runs_dir(runs_dir: str) -> None:
    """Make the folder of the TensorBoard events. Raises SettingsError where that cannot be."""
    try:
        Path(runs_dir).mkdir(parents=True, exist_ok=True)
        why = "" if os.access(runs_dir, os.W_OK) else "nothing may be written there"
    except FileExistsError:
        why = "it is a file"
    except (OSError, ValueError) as error:
        why = str(error)
    if why:
        raise SettingsError(f"runs_dir: {runs_dir!r} cannot be a folder for events: {why}")
