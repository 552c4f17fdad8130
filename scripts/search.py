"""Search for the best settings: `python -m scripts.search --data FOLDER --trials 50`."""

import dataclasses
from pathlib import Path

import click

from mlp import console
from mlp.escaping import line
from mlp.settings.commands import ExecutorConfig, RecipeChoice, SearchConfig
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from scripts.command import command
from scripts.launch import launch

_QUESTION = "Of the best that a search found, which is best under fresh seeds and folds?"


@command(SearchConfig, RecipeChoice, RunConfig, TrackingConfig, ReportConfig, ExecutorConfig)
def search(
    config: SearchConfig,
    recipe: RecipeChoice,
    base: RunConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
    executor: ExecutorConfig,
) -> None:
    """Search for settings by cross-validation, then compare the best under fresh seeds.

    Each trial is scored by the mean over folds. The same command goes on where it was interrupted;
    started in several processes at once, they share the search. The other options make the base
    configuration that trials change. At the end the best configurations are trained again with
    other seeds and folds, as a study from which `register` can take its model; the executor is its.
    """
    if config.list:
        from mlp.search.space import listing

        console.out(listing())
        return
    from mlp.data.audit.remarks import remarks
    from mlp.data.dataset import index_of, load, reread, resolve
    from mlp.data.index import Index
    from mlp.errors import SettingsError
    from mlp.execution.executor import check_scheduler
    from mlp.learning.learner import resolve_device
    from mlp.report import search as page
    from mlp.report.wording import Wording
    from mlp.search.space import find_space
    from mlp.search.trials import Search, arm_of, no_score, run_search, top
    from mlp.settings.recipes import begin_with
    from mlp.study.suite import Arm, Suite
    from mlp.tracking.mlflow.opening import open_to_record
    from mlp.tracking.mlflow.recorded import record_report
    from mlp.tracking.mlflow.tracker import MlflowTracker

    if base.fold != "none":
        raise SettingsError(f"fold: a search trains all of its folds; {base.fold!r} was given")
    space = find_space(config.space)
    check_scheduler(executor)
    base = begin_with(recipe.recipe, base).filled(space.base)
    given = resolve_device(base)

    def decoded() -> Index:
        index = index_of(given.changed({"fold": f"1/{config.folds}"}))
        load(index, resolve(given, index))
        return index

    index = reread(decoded)
    base = resolve(given, index)
    for note in remarks(index, base, config.folds):
        console.err(f"Note: {line(note)}")
    sought = Search(config, space, base, index, report.metric)
    sought.check()
    folder = Path(tracking.runs_dir)
    store = open_to_record(tracking)
    name = f"search on {index.name}"
    tracker = MlflowTracker(store, sought.label, folder, name=name, single=False, kind="search")
    with tracker.ended_if_cut_off():
        tracker.take_over_all()
        tracker.describe(base, index)
        found = run_search(
            sought,
            tracker,
            tracker.folder,
            lambda trial, best: tracker.log(
                {f"search/{report.metric}": trial.value or 0.0, "search/best": best}, trial.number
            ),
        )
        say = Wording(report.lang, report.metric)
        pages = page.files(sought, found, say)
        record_report(store, tracker.run_id, page.markdown(sought, found, say), pages)
        failure = no_score(found)
        tracker.end("FAILED" if failure else "FINISHED")
    console.out(f"\n{page.terminal(sought, found, say)}\n")
    console.out(store.how_to_open(store.page(tracker.run_id)))
    if failure:
        raise click.ClickException(failure)
    best = [arm_of(trial, space) for trial in top(found, config.confirm)]
    if best:
        console.out(f"\nThe best {len(best)} again, under fresh seeds and folds:\n")
        fresh = base.changed({"seed": base.seed + 1})
        study = StudyConfig(seeds=config.confirm_seeds, folds=config.folds)
        store = dataclasses.replace(store, adopted_run=None)
        arms = (Arm("base", {}, "the base configuration"), *best)
        suite = Suite(sought.confirmation, _QUESTION, arms)
        launch(suite, fresh, study, tracking, report, executor, store)


if __name__ == "__main__":
    search()
