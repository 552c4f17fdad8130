"""The models that a study keeps, and what happens where one is wanted that was not kept."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest

from mlp.errors import NoSuchModel
from mlp.evidence.findings import weigh
from mlp.serving.choice import choose
from mlp.serving.loading import load_packaged
from mlp.serving.registry import register
from mlp.settings.commands import ExecutorConfig
from mlp.settings.study import Models, ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun
from mlp.study.suite import Suite
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.kept_models import settle
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
from mlp.workflows import study as workflow

SUITE = Suite("test", "Which?", (Arm("plain", {}, ""), Arm("stuck", {"lr": 1e-9}, "")))
ALONE = Suite("one", "", (Arm("plain", {}, ""),))
HERE = ExecutorConfig(executor="serial")


def trained(
    data: Path, models: Models, suite: Suite = SUITE, executor: ExecutorConfig = HERE
) -> MlflowTracker:
    """A command that trains a study of two seeds, or finds it trained."""
    base = RunConfig.parse(
        {"data": str(data), "image_size": 8, "hidden": 8, "epochs": 2, "threads": 1}
    )
    settings = StudyConfig(seeds=(0, 1)), TrackingConfig(models=models), ReportConfig()
    return workflow.recorded_study(suite, base, *settings, executor)[1]


def runs_of(tracker: MlflowTracker) -> dict[tuple[str, int], RecordedRun]:
    recorded = tracker.studies.read(tracker.run_id)
    return {(run.arm, run.seed): run for run in recorded.runs}


def kept(tracker: MlflowTracker) -> dict[tuple[str, int], str]:
    """The models of a study's runs, each loaded to see that it is whole."""
    found, store = {}, tracker.store
    for key, run in runs_of(tracker).items():
        outputs = store.client.get_run(run.run_id).outputs
        for output in outputs.model_outputs if outputs else ():
            assert load_packaged(store, f"models:/{output.model_id}").run_id == run.run_id
            found[key] = output.model_id
    return found


def all_models(store: Store) -> set[str]:
    """The ids of all models, and of all of which there are files."""
    listed = {m.model_id for m in store.client.search_logged_models([store.experiment_id])}
    assert listed == {folder.name for folder in Path("mlruns").glob("*/models/*")}
    return listed


EVERY = {(arm, seed) for arm in ("stuck", "plain") for seed in (0, 1)}
BEST = {("plain", 0), ("plain", 1)}


def test_only_the_models_of_the_best_arm_are_kept(
    fresh_database: None, image_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = trained(image_tree, "best")
    found = kept(first)
    assert found.keys() == BEST and set(found.values()) == all_models(first.store)
    before = runs_of(first)
    # Nothing is trained again where none is missing
    assert kept(trained(image_tree, "best")) == found
    capsys.readouterr()
    # The others are made again by the same command, with the same numbers
    every = trained(image_tree, "all")
    assert "recorded runs that are not used again: 2" in capsys.readouterr().out
    assert kept(every).keys() == EVERY and kept(every).items() >= found.items()
    for key, run in runs_of(every).items():
        evaluation, then = run.evaluation, before[key].evaluation
        assert evaluation is not None and then is not None
        assert evaluation.probabilities.tobytes() == then.probabilities.tobytes()


def test_the_best_arm_gets_the_models_that_it_lacks(
    fresh_database: None, image_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = trained(image_tree, "none")
    assert not kept(none) and not all_models(none.store)
    study = none.studies.read(none.run_id)
    choice = choose(weigh(study, "accuracy"), "median")
    with pytest.raises(NoSuchModel, match="--models all"):
        register(none.store, none.run_id, study, choice, "accuracy", "name", False)
    best = trained(image_tree, "best")
    assert "2 runs of plain have no model: trained again" in capsys.readouterr().out
    assert kept(best).keys() == BEST
    assert len(all_models(best.store)) == 2


def test_a_training_alone_is_the_best(fresh_database: None, image_tree: Path) -> None:
    assert len(kept(trained(image_tree, "best", ALONE))) == 2


@pytest.mark.slow
def test_processes_keep_the_same_models(fresh_database: None, image_tree: Path) -> None:
    apart = ExecutorConfig(executor="processes", workers=2)
    assert kept(trained(image_tree, "best", executor=apart)).keys() == BEST


def test_what_was_interrupted_keeps_all_until_the_study_has_ended(
    fresh_database: None, image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(workflow, "choose", interrupt)
        trained(image_tree, "best")
    store = open_store("")
    waiting = all_models(store)
    assert len(waiting) == 4
    (run,) = store.search("attributes.run_name = 'stuck-seed0'")
    own = f"source_run_id = '{run.info.run_id}'"
    (model,) = store.client.search_logged_models([store.experiment_id], own)
    mlflow.register_model(f"models:/{model.model_id}", "by hand")
    settle(store, run.data.tags[names.STUDY], "another", ())
    assert all_models(store) == waiting  # those of another command are left alone
    tracker = trained(image_tree, "best")
    assert kept(tracker).keys() == BEST | {("stuck", 0)}  # which somebody has registered
    assert set(kept(tracker).values()) == all_models(store) < waiting
