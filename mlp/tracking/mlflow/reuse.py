"""Runs that are recorded already: finding them, and giving a study a copy of another study's."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mlflow.entities import LifecycleStage, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES

from mlp.study.tracker import Outcome, RunSpec
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.pages import run_page
from mlp.tracking.mlflow.readable import problems
from mlp.tracking.mlflow.store import Store

_FEW = 16  # runs that are asked for one by one


def find(
    store: Store, specs: Sequence[RunSpec], study: str, since: int = 0
) -> tuple[dict[str, Run], dict[str, str]]:
    """The runs of the whole store that ended for good, by identity; those of `study` first.

    Then, of the identities of which no recorded run can be read any more, what is wrong with it.
    `since`: only runs that ended later, in milliseconds of the epoch.
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
        unreadable = problems(store, finished)
        for identity, run in best.items():
            if run.info.run_id in unreadable:
                lost.setdefault(identity, unreadable[run.info.run_id])
            else:
                found[identity] = run
        candidates = {i: runs for i, runs in candidates.items() if runs and i not in found}
    return found, {identity: said for identity, said in lost.items() if identity not in found}


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
