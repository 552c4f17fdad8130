"""A search, and its record in MLflow."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from mlp.report import search as report
from mlp.report.wording import Wording
from mlp.search.trials import Search, no_score, run_search
from mlp.settings.study import Models, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.study.suite import Suite
from mlp.study.tracker import ended_if_cut_off
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.tracker import MlflowTracker


def recorded_search(
    search: Search, store: Store, tracking: TrackingConfig, say: Wording
) -> tuple[optuna.Study, str]:
    """Search, and record each trial and the page of all: the trials, and the id of the run.

    Raises DataError, SettingsError.
    """
    name, folder = f"search on {search.index.name}", Path(tracking.runs_dir)
    models: Models = "all" if tracking.models == "all" else "none"
    tracker = MlflowTracker(
        store, search.label, folder, name=name, single=False, kind="search", models=models
    )

    def scored(trial: FrozenTrial, best: float) -> None:
        value = trial.value or 0.0
        tracker.log({f"search/{search.metric}": value, "search/best": best}, trial.number)

    with ended_if_cut_off(tracker):
        tracker.take_over_all()
        tracker.describe(search.base, search.index)
        found = run_search(search, tracker, folder / search.label, scored)
        pages = report.files(search, found, say)
        store.report(tracker.run_id, report.markdown(search, found, say), pages)
        tracker.end("FAILED" if no_score(found) else "FINISHED")
    return found, tracker.run_id


def confirming_study(
    search: Search, found: optuna.Study
) -> tuple[Suite, RunConfig, StudyConfig] | None:
    """The study that trains the best again under fresh seeds and folds; None: none is asked for."""
    suite = search.confirming(found)
    if suite is None:
        return None
    fresh = search.base.changed({"seed": search.base.seed + 1})
    return suite, fresh, StudyConfig(seeds=search.config.confirm_seeds, folds=search.config.folds)
