"""A study as it was recorded: everything a report is made of, read from MLflow alone."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from tqdm import tqdm

from mlp.data.audit.remarks import Remark
from mlp.errors import NoSuchStudy
from mlp.escaping import from_cell
from mlp.metrics import Evaluation
from mlp.settings.training import RunConfig
from mlp.study.record import RecordedRun, RecordedStudy
from mlp.tracking.mlflow.pages import shared_view
from mlp.tracking.mlflow.quoting import unquoted
from mlp.tracking.mlflow.readable import PREDICTIONS
from mlp.tracking.mlflow.reuse import is_diverged
from mlp.tracking.mlflow.store import (
    COPIED,
    DIVERGED,
    IDENTITY,
    KIND,
    NOTE,
    PARENT,
    PLAN,
    REASON,
    SPLIT,
    STUDY,
    Store,
)

StudyRun = Run  # MLflow's record of the run of a study
Floats = NDArray[np.float64]

_REFUSED = r"[^\w./ -]"  # in the name of a metric, by MLflow, whereas arms may be called a=1,b=2
_READERS = 4  # runs that are read at once: each takes a server some calls
_HISTORIES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "time/epoch_seconds")


def find_study(store: Store, which: str) -> Run:
    """The run of a study or of a single training: by its id, or the one that was begun last.

    The latter is called `latest`. Raises NoSuchStudy.
    """
    if which == "latest":
        single = f"tags.`{KIND}` = 'run' and tags.`{PARENT}` IS NULL"
        filters = f"tags.`{KIND}` = 'study'", single, f"tags.`{KIND}` = 'reference'"
        runs = [run for chosen in filters for run in store.search(chosen, everywhere=True)]
        if not runs:
            raise NoSuchStudy(
                f"nothing is recorded in {store.address} yet; run train, ablation or init first"
            )
        return max(runs, key=lambda run: run.info.start_time)
    try:
        run = store.client.get_run(which)
    except MlflowException:
        raise NoSuchStudy(
            f"no run {which!r} in {store.address}; give the id of a study's run, or 'latest'"
        ) from None
    kind, parent = run.data.tags.get(KIND), run.data.tags.get(PARENT)
    if not (kind in ("study", "reference") or (kind == "run" and parent is None)):
        hint = f"; its study is {parent}" if parent else ""
        raise NoSuchStudy(f"run {which} is no study but {kind or 'of another project'}{hint}")
    return run


def read_study(store: Store, parent: Run) -> RecordedStudy:
    """Everything that is recorded of a study. Raises NoSuchStudy when its plan is not."""
    client, run_id = store.client, parent.info.run_id
    with tempfile.TemporaryDirectory(prefix="mlp-report-") as folder:
        try:
            path = client.download_artifacts(run_id, PLAN, folder)
        except (MlflowException, OSError):
            raise NoSuchStudy(
                f"run {run_id} has no {PLAN} in {parent.info.artifact_uri}: it was cut off before "
                "its first training, or its files are gone; repeat its command"
            ) from None
        try:
            plan = json.loads(Path(path).read_text(encoding="utf-8"))
            remarks = [Remark(r["kind"], r["values"]) for r in plan["remarks"]]
        except (OSError, UnicodeError, JSONDecodeError) as error:
            raise NoSuchStudy(
                f"run {run_id}: its {PLAN} cannot be read ({error}); repeat its command"
            ) from None
        except (KeyError, TypeError):
            raise NoSuchStudy(f"run {run_id}: its {PLAN} was written by another version") from None
        found = _by_identity(store, parent)

        def read(planned: Mapping[str, Any]) -> RecordedRun:
            where = planned["arm"], planned["seed"], planned["fold"]
            first = None
            for run in found.get(planned["identity"], []):
                known = _read_run(store, run, plan["classes"], folder, where)
                if known.finished or (first is None and known.status != "MISSING"):
                    return known
                first = first or known  # its files are gone: it may have been trained again
            return first or RecordedRun(*where)

        with ThreadPoolExecutor(_READERS) as readers:
            made, count = readers.map(read, plan["runs"]), len(plan["runs"])
            bar = tqdm(made, "reading runs", count, unit="", disable=None, delay=1, leave=False)
            runs = list(bar)
    return RecordedStudy(
        run_id=run_id,
        experiment_id=parent.info.experiment_id,
        name=parent.info.run_name,
        data_name=plan["data_name"],
        label=parent.data.tags[STUDY],
        suite=plan["suite"],
        question=plan["question"],
        arms=plan["arms"],
        base=plan["base"],
        remarks=remarks,
        runs=runs,
    )


def read_split(store: Store, run_id: str) -> pd.DataFrame | None:
    """The sides of a run's images (path, class, split, sha256), None where that is not recorded.

    A run that shares them with its study has them there.
    """
    parent = store.client.get_run(run_id).data.tags.get(PARENT)
    with tempfile.TemporaryDirectory(prefix="mlp-split-") as folder:
        for owner in filter(None, (run_id, parent)):
            try:
                file = store.client.download_artifacts(owner, SPLIT, folder)
            except (MlflowException, OSError):
                continue
            return pd.read_csv(file, dtype=str, keep_default_na=False).map(from_cell)
    return None


def _by_identity(store: Store, parent: Run) -> dict[str, list[Run]]:
    """The runs of the study: of several with one identity, first its own child, the best ended."""

    def rank(run: Run) -> tuple[bool, bool, int]:
        ended = run.info.status == "FINISHED" or is_diverged(run)
        return ended, run.data.tags.get(PARENT) == parent.info.run_id, run.info.start_time

    own = f"tags.`{STUDY}` = '{parent.data.tags[STUDY]}' and tags.`{KIND}` = 'run'"
    runs = store.search(own, everywhere=True)
    # A single training that repeats another is a run of its study, without an identity
    known = [run for run in runs if IDENTITY in run.data.tags]
    found: dict[str, list[Run]] = {}
    for run in sorted(known, key=rank, reverse=True):
        found.setdefault(run.data.tags[IDENTITY], []).append(run)
    return found


def _read_run(
    store: Store,
    run: Run,
    classes: Sequence[str],
    folder: str,
    where: tuple[str, int, str],
) -> RecordedRun:
    run_id, status = run.info.run_id, run.info.status
    tags = run.data.tags
    reason = tags.get(DIVERGED) or tags.get(REASON, "")
    evaluation = None
    if status == "RUNNING" and "final/accuracy" in run.data.metrics:
        status = "FINISHED"  # a single training, which ends after its report
    if status == "FINISHED":
        reason = ""
        try:
            evaluation = _read_evaluation(store, run_id, classes, folder)
        except (MlflowException, OSError, ValueError, KeyError) as error:
            status, reason = "MISSING", f"its predictions cannot be read: {error}"
    history = {}
    for name in _HISTORIES:
        if name in run.data.metrics:
            values = store.client.get_metric_history(run_id, name)
            history[name] = np.array([m.value for m in sorted(values, key=lambda m: m.step)])
    return RecordedRun(
        *where,
        run_id,
        status,
        reason,
        run.data.metrics,
        run.data.params,
        history,
        evaluation,
        is_diverged(run),
        _settings(run.data.params),
    )


def _settings(params: Mapping[str, str]) -> dict[str, str]:
    """The settings that a run was trained with, as text."""
    found = {}
    for name in RunConfig.model_fields:
        resolved = params.get(f"resolved/{name}")
        if resolved is not None:
            found[name] = resolved
        elif name in params:
            found[name] = unquoted(params[name])
    return found


def _read_evaluation(store: Store, run_id: str, classes: Sequence[str], folder: str) -> Evaluation:
    place = tempfile.mkdtemp(dir=folder)  # two arms may be the same run
    file = store.client.download_artifacts(run_id, PREDICTIONS, place)
    table = pd.read_parquet(file).sort_values("id", kind="stable")
    number = {name: label for label, name in enumerate(classes)}
    return Evaluation(
        table["id"].to_numpy(dtype=np.str_),
        table["label"].map(number).to_numpy(np.int64),
        np.stack(list(table["probabilities"])).astype(np.float64),
        tuple(classes),
    )


def record_report(
    store: Store,
    run_id: str,
    description: str,
    files: Mapping[str, bytes],
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Make a report the description and the artifacts of a run, in the place of an earlier one.

    `metrics` are what it says in numbers.
    """
    client = store.client
    now = int(time.time() * 1000)
    numbers = [
        Metric(re.sub(_REFUSED, " ", name), value, now, 0)
        for name, value in (metrics or {}).items()
    ]
    client.log_batch(run_id, metrics=numbers)
    said = client.get_run(run_id).data.tags.get(NOTE, "")
    # A single run that was copied has said so there
    copied = said.partition("\n\n")[0] if said.startswith(COPIED) else ""
    client.set_tag(run_id, NOTE, f"{copied}\n\n{description}" if copied else description)
    with tempfile.TemporaryDirectory(prefix="mlp-report-") as folder:
        for name, content in files.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        client.log_artifacts(run_id, folder)


def share_view(store: Store, study: RecordedStudy, metric: str) -> None:
    """Let the MLflow UI show a study's runs by arm, with their scores and what their arms change.

    The view is called as the study's run is.
    """
    if not study.has_view:
        return
    metrics = [f"final/{name}" for name in dict.fromkeys((metric, "gap_accuracy", "epochs"))]
    settings = dict.fromkeys(name for arm in study.arms for name in arm["changes"])
    runs = f"tags.`{STUDY}` = '{study.label}' and tags.`{KIND}` = 'run'"
    key, value = shared_view(study.run_id, runs, metrics, settings)
    store.client.set_experiment_tag(study.experiment_id, key, value)
