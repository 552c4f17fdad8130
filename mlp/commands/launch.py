"""Run a suite and say what it found: the body of `train`, `compare`, `ablation` and `init`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlp import console
from mlp.commands.command import Answer, under_mlflow_run
from mlp.escaping import line
from mlp.execution.warm import warm_up
from mlp.settings.commands import ExecutorConfig, FormatConfig, RecipeChoice
from mlp.settings.recipes import find_recipe
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig

if TYPE_CHECKING:
    from mlp.study.suite import Suite
    from mlp.tracking.mlflow.store import Store

STUDY = (
    RecipeChoice,
    RunConfig,
    StudyConfig,
    TrackingConfig,
    ReportConfig,
    ExecutorConfig,
    FormatConfig,
)


def begin_with(
    choice: RecipeChoice, base: RunConfig, *others: tuple[str, Mapping[str, Any]]
) -> RunConfig:
    """A configuration with the settings of a recipe, then of `others`, where none were given.

    Under `mlflow run`, where an option with its default counts as not given, say which they set.
    """
    for owner, own in ((f"recipe {choice.recipe}", find_recipe(choice.recipe)), *others):
        made = base.filled(own)
        changed = [f"{k} {v}" for k, v in made.as_text().items() if v != base.as_text()[k]]
        if changed and under_mlflow_run():
            console.err(f"Note: {line(owner)} sets {', '.join(changed)}")
        base = made
    return base


def launch(
    chosen: str | Suite,
    recipe: RecipeChoice,
    base: RunConfig,
    *settings: Any,
    store: Store | None = None,
) -> Answer:
    """Train what is not recorded yet, and record the report: the report, and where to look.

    `chosen` is a suite or the name of one; `settings` and `store` are those of `recorded_study`.
    """
    # Here, so that --help does not wait for torch and mlflow
    from mlp.study.suite import find_suite

    suite = find_suite(chosen) if isinstance(chosen, str) else chosen
    if sys.stderr.isatty():  # the other imports take some seconds
        console.err(f"Starting: {line(suite.name)} on {line(base.data)}")
    *_, executor = settings
    warm_up(executor.executor, len(suite.arms))
    from mlp.evidence.document import of_study
    from mlp.tracking.mlflow.pages import tensorboard
    from mlp.workflows.study import recorded_study

    base = begin_with(recipe, base, (f"suite {suite.name}", suite.base))
    made, tracker = recorded_study(suite, base, *settings, store=store)
    store, place = tracker.store, tracker.place
    text = f"""
{made.terminal}

{store.how_to_open(store.page(tracker.run_id))}
             with report.html and comparison.csv among its artifacts
TensorBoard: {tensorboard(place.folder if place.single else place.arms)}
Written:     {place.folder.resolve()}"""
    document = of_study(made.evidence) | {"tracking_uri": store.address}
    return Answer(text, document, made.failure)
