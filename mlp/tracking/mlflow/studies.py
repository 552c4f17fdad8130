"""Studies read back from MLflow: everything a report is made of, as plain data."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from mlp import console
from mlp.errors import NoSuchStudy
from mlp.escaping import from_cell
from mlp.settings.training import RunConfig
from mlp.study.record import HISTORIES, Histogram, RecordedRun, RecordedStudy
from mlp.study.tracker import Files, Numbers
from mlp.tracking import results
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.pages import shared_views
from mlp.tracking.mlflow.quoting import unquoted
from mlp.tracking.mlflow.reuse import ended_for_good, is_diverged
from mlp.tracking.mlflow.store import Store
from mlp.tracking.tensorboard.events import read_weights

_READERS = 4  # runs that are read at once: each takes a server some calls
_FACTS = "epochs", "kept_epoch", "leaked_images", "distinct_units"  # were called scores once


class MlflowStudies:
    """The studies that are recorded in a store; see `mlp.study.tracker.Studies`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, RecordedRun] = {}  # what was read of finished runs, which stays

    def find(self, which: str) -> str:
        store = self._store
        if which == "latest":
            single = f"tags.`{names.KIND}` = 'run' and tags.`{names.PARENT}` IS NULL"
            filters = f"tags.`{names.KIND}` = 'study'", single, f"tags.`{names.KIND}` = 'reference'"
            runs = [run for chosen in filters for run in store.search(chosen, everywhere=True)]
            if not runs:
                raise NoSuchStudy(
                    f"nothing is recorded in {store.address} yet; run train, ablation or init first"
                )
            return str(max(runs, key=lambda run: run.info.start_time).info.run_id)
        try:
            run = store.client.get_run(which)
        except MlflowException:
            raise NoSuchStudy(
                f"no run {which!r} in {store.address}; give the id of a study's run, or 'latest'"
            ) from None
        kind, parent = run.data.tags.get(names.KIND), run.data.tags.get(names.PARENT)
        if not (kind in ("study", "reference") or (kind == "run" and parent is None)):
            hint = f"; its study is {parent}" if parent else ""
            raise NoSuchStudy(f"run {which} is no study but {kind or 'of another project'}{hint}")
        return which

    def read(self, run_id: str) -> RecordedStudy:
        parent = self._store.client.get_run(run_id)
        info, again = parent.info, "repeat its command"
        about = run_id, info.experiment_id, info.run_name, parent.data.tags[names.STUDY]
        try:
            contents = json.load(self._store.read(run_id, names.PLAN))
            study = RecordedStudy.planned(contents, *about)
        except (MlflowException, OSError):
            raise NoSuchStudy(
                f"run {run_id} has no {names.PLAN} in {info.artifact_uri}: it was cut off before "
                f"its first training, or its files are gone; {again}"
            ) from None
        except ValueError as error:  # no JSON, or no text
            said = f"run {run_id}: its {names.PLAN} cannot be read ({error}); {again}"
            raise NoSuchStudy(said) from None
        except (KeyError, TypeError):
            said = f"run {run_id}: its {names.PLAN} was written by another version"
            raise NoSuchStudy(said) from None
        found = self._by_identity(parent)

        def read(planned: Mapping[str, Any]) -> RecordedRun:
            where = planned["arm"], planned["seed"], planned["fold"]
            first = None
            for run in found.get(planned["identity"], []):
                known = self._known.get(run.info.run_id) or self._read_run(
                    run, study.classes, where
                )
                if known.finished:
                    self._known[run.info.run_id] = known
                    return replace(known, arm=where[0], seed=where[1], fold=where[2])
                if first is None and known.status != "MISSING":
                    return known
                first = first or known  # its files are gone: it may have been trained again
            return first or RecordedRun(*where)

        with ThreadPoolExecutor(_READERS) as readers:
            made, count = readers.map(read, contents["runs"]), len(contents["runs"])
            runs = list(console.passing(made, "reading runs", total=count))
            commit = parent.data.tags.get(MLFLOW_GIT_COMMIT, "")
            return replace(study, runs=runs, commit=commit, address=self._store.ui)

    def initial_weights(self, run: RecordedRun) -> Mapping[str, Histogram]:
        with tempfile.TemporaryDirectory(prefix="mlp-events-") as folder:
            try:
                events = self._store.client.download_artifacts(run.run_id, "tensorboard", folder)
            except (MlflowException, OSError):
                return {}
            return read_weights(Path(events))

    def file(self, study: RecordedStudy, name: str) -> bytes | None:
        try:
            return self._store.read(study.run_id, name).getvalue()
        except (MlflowException, OSError):
            return None

    def report(
        self, study: RecordedStudy, metric: str, description: str, files: Files, numbers: Numbers
    ) -> None:
        self._store.report(study.run_id, description, files, numbers)
        if not study.has_view:
            return
        # The UI shows the runs by arm, in a view that is called as the study's run is
        scores = [f"final/{name}" for name in dict.fromkeys((metric, "gap_accuracy"))]
        settings = dict.fromkeys(name for arm in study.arms for name in arm.changes)
        runs = f"tags.`{names.STUDY}` = '{study.label}' and tags.`{names.KIND}` = 'run'"
        views = shared_views(study.run_id, runs, [*scores, "facts/epochs"], settings)
        for key, value in views.items():
            self._store.client.set_experiment_tag(study.experiment_id, key, value)

    def _by_identity(self, parent: Run) -> dict[str | None, list[Run]]:
        """The runs of the study: of several with one identity its own child first, the best ended.

        A single training that repeats another is a run of its study, without an identity.
        """

        def rank(run: Run) -> tuple[bool, bool, int]:
            own = run.data.tags.get(names.PARENT) == parent.info.run_id
            return ended_for_good(run), own, run.info.start_time

        own = f"tags.`{names.STUDY}` = '{parent.data.tags[names.STUDY]}'"
        runs = self._store.search(f"{own} and tags.`{names.KIND}` = 'run'", everywhere=True)
        found = defaultdict(list)
        for run in sorted(runs, key=rank, reverse=True):
            found[run.data.tags.get(names.IDENTITY)].append(run)
        return found

    def _read_run(
        self, run: Run, classes: Sequence[str], where: tuple[str, int, str]
    ) -> RecordedRun:
        client, run_id, status = self._store.client, run.info.run_id, run.info.status
        metrics, params, tags = run.data.metrics, run.data.params, run.data.tags
        reason = tags.get(names.DIVERGED) or tags.get(names.REASON, "")
        evaluation = None
        if status == "RUNNING" and "final/accuracy" in metrics:
            status = "FINISHED"  # a single training, which ends after its report
        if status == "FINISHED":
            reason = ""
            try:
                file = self._store.read(run_id, results.PREDICTIONS)
                evaluation = results.read_predictions(file, classes)
            except (MlflowException, OSError, ValueError, KeyError) as error:
                status, reason = "MISSING", f"its predictions cannot be read: {error}"
        history = {}
        for name in HISTORIES:
            if name in metrics:
                values = client.get_metric_history(run_id, name)
                history[name] = np.array([m.value for m in sorted(values, key=lambda m: m.step)])
        return RecordedRun(
            *where,
            run_id,
            status,
            reason,
            metrics={_present_name(name): value for name, value in metrics.items()},
            history=history,
            evaluation=evaluation,
            diverged=is_diverged(run),
            settings=recorded_settings(params),
            data_digest=params.get("data_digest", ""),
            train_images=int(params.get("train_images", 0)),
            val_images=int(params.get("val_images", 0)),
        )


def read_split(store: Store, run_id: str) -> pd.DataFrame | None:
    """The sides of a run's images (path, class, split, sha256), None where that is not recorded.

    A run that shares them with its study has them there.
    """
    parent = store.client.get_run(run_id).data.tags.get(names.PARENT)
    for owner in filter(None, (run_id, parent)):
        with suppress(MlflowException, OSError):
            file = store.read(owner, names.SPLIT)
            return pd.read_csv(file, dtype=str, keep_default_na=False).map(from_cell)
    return None


def _present_name(metric: str) -> str:
    """The name of a metric today."""
    former = metric.removeprefix("final/")
    return f"facts/{former}" if former in _FACTS else metric


def recorded_settings(params: Mapping[str, str]) -> dict[str, str]:
    """The settings that a run was trained with, as text."""
    given = {name: unquoted(params[name]) for name in RunConfig.model_fields if name in params}
    return {name: params.get(f"resolved/{name}", text) for name, text in given.items()}
