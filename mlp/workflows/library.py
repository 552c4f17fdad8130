"""The functions of the library, which do what the commands do; see docs/library.md.

Keyword settings have the names and defaults of docs/settings.md. Their errors are MlpErrors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp.errors import MlpError, SettingsError
from mlp.execution.warm import warm_up
from mlp.settings.base import Settings, did_you_mean
from mlp.settings.commands import (
    EXECUTORS,
    ExecutorConfig,
    RecipeChoice,
    SearchConfig,
)
from mlp.settings.own_network import own_setting
from mlp.settings.recipes import find_recipe
from mlp.settings.source import SourceConfig
from mlp.settings.study import (
    ExperimentConfig,
    LanguageConfig,
    ReportConfig,
    StudyConfig,
    TrackingConfig,
)
from mlp.settings.training import RunConfig
from mlp.workflows.calls import call, training

if TYPE_CHECKING:
    from mlp.study.suite import Suite
    from mlp.workflows.model import Model
    from mlp.workflows.results import Audited, Searched, Study

Place = str | os.PathLike[str]
_STUDY = RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig, ExecutorConfig
_TRAINING = RecipeChoice, RunConfig, TrackingConfig, LanguageConfig, ExecutorConfig
_SEARCH = SearchConfig, RecipeChoice, RunConfig, TrackingConfig, ReportConfig, ExecutorConfig
_PRINTED = {"list"}  # settings that have a command print something


def compare(
    data: Place = "digits",
    suite: str | os.PathLike[str] | Mapping[str, Any] | Suite = "regularization",
    **settings: Any,
) -> Study:
    """Train every arm of a suite on images, compare the arms, and record all of it in MLflow.

    `suite`: the name of one that comes with the project, a YAML file, a dict of what would stand in
    it, or an mlp.Suite. Repeat the call to go on after an interruption: what is recorded is not
    trained again. `settings` are those of `mlp compare`.
    """
    with training():
        from mlp.study.suite import as_suite

        given = _parsed({"data": data, **settings}, *_STUDY)
        return _recorded(as_suite(suite), *given)


def train(data: Place = "digits", **settings: Any) -> Study:
    """Train one network on images, and record it in MLflow. `settings` are those of `mlp train`."""
    with training():
        from mlp.study.suite import TRAINING

        recipe, base, tracking, language, executor = _parsed({"data": data, **settings}, *_TRAINING)
        study, reported = StudyConfig(seeds=(base.seed,)), ReportConfig(lang=language.lang)
        return _recorded(TRAINING, recipe, base, study, tracking, reported, executor)


def search(data: Place = "digits", **settings: Any) -> Searched:
    """Search for the best settings by cross-validation, then compare the best under fresh seeds.

    Repeat the call to go on after an interruption. `settings` are those of `mlp search`.
    """
    with training():
        from mlp.report.wording import Wording
        from mlp.search.space import find_space
        from mlp.search.trials import no_score, prepare
        from mlp.tracking.mlflow.tracker import open_to_record
        from mlp.workflows.results import Searched
        from mlp.workflows.search import confirming_study, recorded_search

        config, recipe, base, tracking, reported, executor = _parsed(
            {"data": data, **settings}, *_SEARCH
        )
        EXECUTORS[executor.executor](executor).check()
        space = find_space(config.space)
        base = base.filled(find_recipe(recipe.recipe)).filled(space.base)
        sought = prepare(config, space, base, reported.metric)
        store, say = open_to_record(tracking, None), Wording(reported.lang, reported.metric)
        found, run_id = recorded_search(sought, store, tracking, say)
        if failure := no_score(found):
            raise MlpError(failure)
        study = None
        if (again := confirming_study(sought, found)) is not None:
            suite, fresh, seeds = again
            study = _recorded(suite, RecipeChoice(), fresh, seeds, tracking, reported, executor)
        return Searched(sought, found, run_id, say, study)


def audit(data: Place = "digits", **settings: Any) -> Audited:
    """Find copies within and across splits, contradictory classes and damaged files.

    Nothing is changed. `settings` are those of `mlp audit`.
    """
    with call():
        from mlp.data.audit.findings import audit
        from mlp.data.dataset import reread, source
        from mlp.report.wording import Wording
        from mlp.tracking.mlflow.store import open_store
        from mlp.workflows.audit import recorded_audit
        from mlp.workflows.results import Audited

        config, experiment, language = _parsed(
            {"data": data, **settings}, SourceConfig, ExperimentConfig, LanguageConfig
        )
        found = reread(lambda: audit(source(config.data, config.layout, config.links)))
        store, say = open_store(experiment.experiment_name), Wording(language.lang)
        return Audited(found, recorded_audit(found, store, say), say)


def report(study: str = "latest", **settings: Any) -> Study:
    """Report on a recorded study: its run id, or `latest`. Nothing is trained.

    The report replaces the one that is recorded. `settings` are those of `mlp report`.
    """
    with call():
        from mlp.report.report import publish
        from mlp.tracking.mlflow.store import open_store
        from mlp.tracking.mlflow.studies import MlflowStudies
        from mlp.workflows.results import Study

        experiment, reported = _parsed(settings, ExperimentConfig, ReportConfig)
        store = open_store(experiment.experiment_name)
        studies = MlflowStudies(store)
        made = publish(studies, studies.read(studies.find(study)), reported)
        return Study(store, made, reported)


def load(model: Place = "", **settings: Any) -> Model:
    """A model that answers: registered, of a run, or in a folder.

    `model`: models:/NAME@champion, models:/NAME/VERSION, models:/m-ID, runs:/RUN_ID or a folder;
    nothing stands for the only champion. Its files are checked, and none of them is unpickled.
    """
    with call():
        from mlp.serving.loading import load_folder, load_packaged
        from mlp.tracking.mlflow.store import open_store
        from mlp.workflows.model import Model

        (experiment,) = _parsed(settings, ExperimentConfig)
        address = os.fspath(model)
        if address and Path(address).is_dir():
            return Model(load_folder(Path(address)))
        return Model(load_packaged(open_store(experiment.experiment_name), address))


def _parsed(given: Mapping[str, Any], *groups: type[Settings]) -> list[Any]:
    """An object of each class of settings. Raises SettingsError, also for one that none has."""
    known = [n for group in groups for n in group.model_fields if n not in _PRINTED]
    plain = {n: os.fspath(v) if isinstance(v, os.PathLike) else v for n, v in given.items()}
    if isinstance(plain.get("network"), type):
        from mlp.learning.networks.class_file import file_of

        runs_dir = plain.get("runs_dir", TrackingConfig.model_fields["runs_dir"].default)
        plain["network"] = file_of(plain["network"], Path(runs_dir) / "networks")
    for name in plain:
        if name not in known and own_setting(name) is None:
            meant = did_you_mean(name, known)
            raise SettingsError(f"{name}: no such setting; {meant}(known: {', '.join(known)})")

    def own(group: type[Settings]) -> dict[str, Any]:
        takes = group is RunConfig
        return {
            n: v for n, v in plain.items() if n in group.model_fields or (takes and own_setting(n))
        }

    return [group.parse(own(group)) for group in groups]


def _recorded(
    suite: Suite,
    recipe: RecipeChoice,
    base: RunConfig,
    study: StudyConfig,
    tracking: TrackingConfig,
    reported: ReportConfig,
    executor: ExecutorConfig,
) -> Study:
    warm_up(executor.executor, len(suite.arms))
    from mlp.workflows.results import Study
    from mlp.workflows.study import recorded_study

    base = base.filled(find_recipe(recipe.recipe)).filled(suite.base)
    made, tracker = recorded_study(suite, base, study, tracking, reported, executor)
    return Study(tracker.store, made, reported)
