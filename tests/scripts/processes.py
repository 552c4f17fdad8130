"""Commands in processes of their own, and what they recorded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

ROOT = Path(__file__).parents[2]


def start_command(module: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command in a process of its own, with a folder of its own."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # Without it, the store is made in the working directory, as for a user
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def runs(folder: Path, kind: str) -> list[Run]:
    """The runs of a kind that are recorded in a folder, newest first."""
    client = MlflowClient(f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}")
    experiment = client.get_experiment_by_name("mlp")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], f"tags.`mlp.kind` = '{kind}'")
