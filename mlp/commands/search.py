"""Search for the best settings."""

import dataclasses

from mlp import console
from mlp.commands.command import Answer, command
from mlp.commands.launch import begin_with, launch
from mlp.errors import MlpError
from mlp.settings.commands import EXECUTORS, ExecutorConfig, RecipeChoice, SearchConfig
from mlp.settings.study import ReportConfig, TrackingConfig
from mlp.settings.training import RunConfig


@command(SearchConfig, RecipeChoice, RunConfig, TrackingConfig, ReportConfig, ExecutorConfig)
def search(
    config: SearchConfig,
    recipe: RecipeChoice,
    base: RunConfig,
    tracking: TrackingConfig,
    report: ReportConfig,
    executor: ExecutorConfig,
) -> Answer | None:
    """Search for settings by cross-validation, then compare the best under fresh seeds.

    Each trial is scored by its mean over the folds. Repeat the command to go on after an
    interruption; start it in several processes at once to share the search. The other options make
    the base configuration, which trials change. At the end the best configurations are trained
    again with other seeds and folds, as a study from which `register` can take its model. The
    executor trains this study.
    """
    if config.list:
        from mlp.search.space import listing

        console.out(listing())
        return None
    from mlp.data.audit.remarks import remarks
    from mlp.report import search as page
    from mlp.report.wording import Wording
    from mlp.search.space import find_space
    from mlp.search.trials import no_score, prepare
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.tracker import open_to_record
    from mlp.workflows.search import confirming_study, recorded_search

    EXECUTORS[executor.executor](executor).check()
    space = find_space(config.space)
    base = begin_with(recipe, base, (f"space {space.name}", space.base))
    sought = prepare(config, space, base, report.metric)
    say = Wording(report.lang, report.metric)
    for note in remarks(sought.index, sought.base, config.folds):
        console.err(f"Note: {say.remark(note)}")
    store = open_to_record(tracking, take_adopted_run())
    found, run_id = recorded_search(sought, store, tracking, say)
    console.out(f"\n{page.terminal(sought, found, say)}\n")
    console.out(store.how_to_open(store.page(run_id)))
    if failure := no_score(found):
        raise MlpError(failure)
    study = confirming_study(sought, found)
    if study is None:
        return None
    suite, fresh, seeds = study
    console.out(f"\nThe best {len(suite.arms) - 1} again, under fresh seeds and folds:\n")
    store = dataclasses.replace(store, adopted_run=None)
    return launch(suite, RecipeChoice(), fresh, seeds, tracking, report, executor, store=store)
