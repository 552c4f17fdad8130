"""The beginning of a command that trains: what earlier ones left behind is put in order."""

from __future__ import annotations

from pathlib import Path

from mlp import console
from mlp.config import TrackingConfig
from mlp.tracking.outbox import FOLDER, send_left
from mlp.tracking.store import Store, open_store


def open_to_record(config: TrackingConfig) -> Store:
    """Open the store; send what a process that died could not, and end its runs as KILLED.

    Raises MlflowException, ServerAway.
    """
    store = open_store(config.experiment_name, config.patience)
    send_left(store, Path(config.runs_dir) / FOLDER)
    stale = store.end_stale_runs()
    if stale:
        note = f"Note: {stale} runs of a process that died were ended as KILLED"
        console.err(note)
    return store
