"""Runs that are recorded already: finding those whose files can be read, and copying them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pyarrow
import pyarrow.parquet
from mlflow.entities import LifecycleStage, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from mlflow.utils.uri import is_local_uri

from mlp.model.seal import SEAL
from mlp.study.tracker import Outcome, RunSpec
from mlp.tracking import results
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.pages import run_page
from mlp.tracking.mlflow.store import Store

_FEW = 16  # runs that are asked for one by one
_AT_ONCE = 8  # questions to a server
_NETWORKS = "artifacts/"  # in a model
_MODEL = ("MLmodel", "input_example.json")


def find(
    store: Store, specs: Sequence[RunSpec], study: str, since: int = 0, models: bool = True
) -> tuple[dict[str, Run], dict[str, str]]:
    """The runs of the whole store that ended for good, by identity; those of `study` first.

    Then, of the identities of which no recorded run can be read any more, what is wrong with it.
    `since`: only runs that ended later, in milliseconds of the epoch; `models`: only with a model.
    """
    wanted = {spec.identity for spec in specs}
    filters = {f"tags.`{names.DATA}` = '{spec.data_digest}'" for spec in specs}
    if len(specs) <= _FEW:
        filters = {f"tags.`{names.IDENTITY}` = '{identity}'" for identity in wanted}
    later = f" and attributes.end_time >= {since}" if since else ""
    every = [
        run
        for chosen in filters
        for run in store.search(f"{chosen} and tags.`{names.KIND}` = 'run'{later}", everywhere=True)
    ]

    @cache
    def is_deleted(study: str | None) -> bool:
        """Tell if a person deleted a study: MLflow leaves its runs as they are."""
        try:
            run = store.client.get_run(study) if study else None
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return True  # for good, by `mlflow gc`
        return run is not None and run.info.lifecycle_stage == LifecycleStage.DELETED

    def rank(run: Run) -> tuple[bool, int]:
        # Of this study the newest, which may have taken the place of one that cannot be read; of
        # others the oldest, or copies would be copied
        own = run.data.tags.get(names.STUDY) == study
        return not own, -run.info.start_time if own else run.info.start_time

    candidates: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(every, key=rank):
        identity, parent = run.data.tags.get(names.IDENTITY), run.data.tags.get(names.PARENT)
        if ended_for_good(run) and identity in wanted and not is_deleted(parent):
            candidates[identity].append(run)
    found: dict[str, Run] = {}
    lost: dict[str, str] = {}
    while candidates:
        best = {identity: runs.pop(0) for identity, runs in candidates.items()}
        finished = [run for run in best.values() if run.info.status == "FINISHED"]
        unreadable = problems(store, finished, models)
        for identity, run in best.items():
            if run.info.run_id in unreadable:
                lost.setdefault(identity, unreadable[run.info.run_id])
            else:
                found[identity] = run
        candidates = {i: runs for i, runs in candidates.items() if runs and i not in found}
    return found, {identity: said for identity, said in lost.items() if identity not in found}


def problems(store: Store, runs: Sequence[Run], models: bool = True) -> dict[str, str]:
    """Say why finished runs cannot be used again, by id: which files are gone or unreadable.

    Those of their models count where `models` are needed.

    On this machine the predictions are read and the other files only looked for, 0.2 ms a run;
    of a server's the lists are asked for, two calls a run.
    """

    def problem(run: Run) -> str:
        missing = _missing_here if is_local_uri(run.info.artifact_uri) else _missing_there
        wanted = _models(run) if models else []
        return missing(store, run, wanted) or (
            "" if wanted or not models else "its model was not kept"
        )

    with ThreadPoolExecutor(_AT_ONCE) as asking:
        found = zip(runs, asking.map(problem, runs), strict=True)
        return {run.info.run_id: said for run, said in found if said}


def _missing_here(store: Store, run: Run, models: Sequence[str]) -> str:
    folder = Path(local_file_uri_to_path(run.info.artifact_uri))
    try:
        table = pyarrow.parquet.ParquetFile(folder / results.PREDICTIONS).read(use_threads=False)
        if not set(table.column_names) >= results.COLUMNS:
            return f"{results.PREDICTIONS} has other columns"
    except FileNotFoundError:
        return f"{results.PREDICTIONS} is not there"
    except (OSError, pyarrow.ArrowException) as error:
        return f"{results.PREDICTIONS} cannot be read ({error})"
    for model_id in models:
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


def _missing_there(store: Store, run: Run, models: Sequence[str]) -> str:
    try:
        files = {file.path: file.file_size for file in store.client.list_artifacts(run.info.run_id)}
        if not files.get(results.PREDICTIONS):
            return f"{results.PREDICTIONS} is not there"
        for model_id in models:
            if not store.client.list_logged_model_artifacts(model_id, _NETWORKS + "ensemble"):
                return "its model is not there"
    except MlflowException as error:
        return f"its files cannot be listed ({error.message})"
    return ""


def _models(run: Run) -> list[str]:
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    return [output.model_id for output in outputs]


def is_diverged(run: Run) -> bool:
    """Tell if a run failed in a way in which it would fail again."""
    return run.info.status == "FAILED" and names.DIVERGED in run.data.tags


def ended_for_good(run: Run) -> bool:
    """Tell if a run would end the same way again."""
    return run.info.status == "FINISHED" or is_diverged(run)


def outcome(run: Run, spec: RunSpec, run_id: str) -> Outcome:
    """The end of a recorded run, as that of a spec; `run_id` is the run to refer to."""
    if is_diverged(run):
        return Outcome.of(spec, "FAILED", run_id, reason=run.data.tags[names.DIVERGED])
    numbers = run.data.metrics.items()
    scores = {name: value for name, value in numbers if name.startswith("final/")}
    facts = {name: value for name, value in numbers if name.startswith("facts/")}
    return Outcome.of(spec, "FINISHED", run_id, scores=scores, facts=facts)


def copy_contents(store: Store, run: Run, run_id: str, events: Path) -> None:
    """Give a new run the metrics, files and model of a recorded one; `events` gets its curves."""
    client = store.client
    source_id = run.info.run_id
    metrics = [
        Metric(m.key, m.value, m.timestamp, m.step)
        for name in run.data.metrics
        for m in client.get_metric_history(source_id, name)
    ]
    client.log_batch(run_id, metrics=metrics)
    with tempfile.TemporaryDirectory(prefix="mlp-copy-") as name:
        files = Path(client.download_artifacts(source_id, "", name))
        # A single training is a study too: what is said of that is not the run's
        for own in (names.PLAN, *names.REPORT):
            path = files / own
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        client.log_artifacts(run_id, str(files))
        shutil.rmtree(events, ignore_errors=True)
        if (files / "tensorboard").is_dir():
            shutil.copytree(files / "tensorboard", events)
    if run.outputs is not None and run.outputs.model_outputs:
        client.log_outputs(run_id, run.outputs.model_outputs)
    for tag in (names.DIVERGED, MLFLOW_LOGGED_IMAGES):
        if tag in run.data.tags:
            client.set_tag(run_id, tag, run.data.tags[tag])
    source = f"[this run]({run_page(run.info.experiment_id, source_id)})"
    why = "with the same settings, seed, data and code: not trained again."
    client.set_tag(run_id, names.NOTE, f"{names.COPIED}{source}, {why}")
