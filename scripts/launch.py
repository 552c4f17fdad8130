"""Run a suite and show what it found: the body of `train`, `ablation` and `init`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp import console
from mlp.escaping import line
from mlp.settings.commands import EXECUTORS, ExecutorConfig, RecipeChoice
from mlp.settings.recipes import find_recipe
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import under_mlflow_run

if TYPE_CHECKING:
    from mlp.study.suite import Suite
    from mlp.tracking.mlflow.store import Store

STUDY = RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig, ExecutorConfig


def begin_with(choice: RecipeChoice, base: RunConfig) -> RunConfig:
    """A configuration with the settings of a recipe where none were given."""
    return filled(base, find_recipe(choice.recipe), f"recipe {choice.recipe}")


def filled(base: RunConfig, own: Mapping[str, Any], owner: str) -> RunConfig:
    """A configuration with settings of a recipe, suite or space where none were given.

    Under `mlflow run`, where an option with its default counts as not given, say which it sets.
    """
    made = base.filled(own)
    changed = [f"{k} {v}" for k, v in made.as_text().items() if v != base.as_text()[k]]
    if changed and under_mlflow_run():
        console.err(f"Note: {line(owner)} sets {', '.join(changed)}")
    return made


def launch(
    chosen: str | Suite,
    recipe: RecipeChoice,
    base: RunConfig,
    study_config: StudyConfig,
    tracking: TrackingConfig,
    report_config: ReportConfig,
    executor: ExecutorConfig,
    store: Store | None = None,
) -> None:
    """Train what is not recorded yet, record and print the report, say where to look.

    `chosen` is a suite or the name of one; `store` is opened where it is not given.
    """
    # Here, so that --help does not wait for torch and mlflow
    from mlp.data.audit.remarks import remarks
    from mlp.data.dataset import index_of, reread
    from mlp.execution.executor import run
    from mlp.report import report
    from mlp.study.plan import Study, plan
    from mlp.study.suite import find_suite
    from mlp.study.tracker import ended_if_cut_off
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.pages import tensorboard
    from mlp.tracking.mlflow.tracker import MlflowTracker, open_to_record

    suite = find_suite(chosen) if isinstance(chosen, str) else chosen
    base = filled(begin_with(recipe, base), suite.base, f"suite {suite.name}")
    place = EXECUTORS[executor.executor](executor, base.threads)
    place.check()
    base = base.changed({"threads": place.threads})
    seeds, folds = study_config.seed_list(base.seed), study_config.fold_list(base)
    # A worker that dies leaves a run behind, which should not be that of the command
    single = len(suite.arms) * len(seeds) * len(folds) == 1 and executor.executor == "serial"
    metric = report_config.metric

    def planned() -> Study:
        index = index_of(base.changed({"fold": folds[0]}))
        return plan(suite, base, seeds, index, folds, place.here, metric)

    study = reread(planned)
    notes = remarks(study.index, base, study_config.folds)
    for note in notes:
        console.err(f"Note: {line(note)}")
    folder = Path(tracking.runs_dir)
    store = store or open_to_record(tracking, take_adopted_run())
    name = f"{suite.name} on {study.index.name}"
    tracker = MlflowTracker(store, study.label, folder, name=name, single=single)
    with ended_if_cut_off(tracker):
        if not single:
            tracker.describe(study.base, study.index)
        tracker.plan(study.plan(notes), study.split_table())
        with place.connect() as client:
            outcomes = run(study, tracker, study_config.arms_at_once, tracking.retrain, client)
        studies = tracker.studies
        made = report.publish(studies, studies.read(tracker.run_id), report_config)
        if not single:
            tracker.show(made.terminal, made.pictures)
        if single and outcomes[0].run_id != tracker.run_id:
            tracker.refer_to(outcomes[0])
        tracker.end("FAILED" if made.failure else "FINISHED")
    console.out(f"\n{made.terminal}\n")
    console.out(store.how_to_open(store.page(tracker.run_id)))
    console.out("             with report.html and comparison.csv among its artifacts")
    console.out(f"TensorBoard: {tensorboard(folder)}")
    console.out(f"Written:     {(folder / study.label).resolve()}")
    if made.failure:
        raise click.ClickException(made.failure)
