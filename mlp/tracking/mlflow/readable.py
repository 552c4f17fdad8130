"""Recorded runs whose files reports and registrations can still read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow
import pyarrow.parquet
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from mlp.model.seal import SEAL
from mlp.tracking.mlflow.store import Store

PREDICTIONS = "predictions.parquet"
_COLUMNS = {"id", "label", "probabilities"}
_NETWORKS = "artifacts/"  # in a model
_MODEL = ("MLmodel", "input_example.json")
_AT_ONCE = 8  # questions to a server


def problems(store: Store, runs: Sequence[Run]) -> dict[str, str]:
    """Say why finished runs cannot be used again, by id: which files are gone or unreadable.

    On this machine the predictions are read and the other files only looked for, 0.2 ms a run;
    of a server's the lists are asked for, two calls a run.
    """

    def problem(run: Run) -> str:
        missing = _missing_here if is_local_uri(run.info.artifact_uri) else _missing_there
        return missing(store, run) or ("" if _models(run) else "it has no model")

    with ThreadPoolExecutor(_AT_ONCE) as asking:
        found = zip(runs, asking.map(problem, runs), strict=True)
        return {run.info.run_id: said for run, said in found if said}


def _missing_here(store: Store, run: Run) -> str:
    folder = Path(local_file_uri_to_path(run.info.artifact_uri))
    try:
        table = pyarrow.parquet.ParquetFile(folder / PREDICTIONS).read(use_threads=False)
        if not set(table.column_names) >= _COLUMNS:
            return f"{PREDICTIONS} has other columns"
    except FileNotFoundError:
        return f"{PREDICTIONS} is not there"
    except (OSError, pyarrow.ArrowException) as error:
        return f"{PREDICTIONS} cannot be read ({error})"
    for model_id in _models(run):
        # Where MLflow puts it; a copied run's is in the experiment that it was copied from
        place = folder.parents[1] / "models" / model_id / "artifacts"
        try:
            if not place.is_dir():
                location = store.client.get_logged_model(model_id).artifact_location
                place = Path(local_file_uri_to_path(location))
            sealed = json.loads((place / SEAL).read_text(encoding="utf-8"))
            for name in (*_MODEL, *(name for name in sealed if name.startswith(_NETWORKS))):
                if not (place / name).stat().st_size:
                    return f"{name} of its model is empty"
        except (OSError, MlflowException):
            return "its model is not there"
        except ValueError:
            return f"{SEAL} of its model cannot be read"
    return ""


def _missing_there(store: Store, run: Run) -> str:
    try:
        files = {file.path: file.file_size for file in store.client.list_artifacts(run.info.run_id)}
        if not files.get(PREDICTIONS):
            return f"{PREDICTIONS} is not there"
        for model_id in _models(run):
            if not store.client.list_logged_model_artifacts(model_id, _NETWORKS + "ensemble"):
                return "its model is not there"
    except MlflowException as error:
        return f"its files cannot be listed ({error.message})"
    return ""


def _models(run: Run) -> list[str]:
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    return [output.model_id for output in outputs]
