"""Studies read back from MLflow: the numbers that were trained, whatever happened to the study."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from mlp.data.dataset import open_index
from mlp.errors import NoSuchStudy
from mlp.execution.executor import run
from mlp.report.report import Report, build, publish
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import Study, plan
from mlp.study.record import RecordedStudy
from mlp.study.suite import Suite
from mlp.tracking.mlflow.names import PLAN
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.studies import MlflowStudies
from mlp.tracking.mlflow.tracker import MlflowTracker
from tests.tracking.conftest import QUICK, REMARK, Trained, record

SUITE = Suite(
    "test",
    "Which?",
    (
        Arm("he", {"init": "he"}, "plain"),
        Arm("small", {"init": "normal"}, "with small weights"),
        Arm("wild", {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}, "diverges"),
    ),
)


@pytest.fixture
def store(fresh_database: None) -> Store:
    return open_store("tests")


@pytest.fixture
def study(image_tree: Path) -> Study:
    base = RunConfig.parse({"data": str(image_tree), **QUICK})
    return plan(SUITE, base, (0, 1), open_index(base.data))


@pytest.fixture(scope="module")
def _trained(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Trained:
    """The study of this file in place of the one that other files share."""
    return record(tmp_path_factory.mktemp("recorded"), _database, SUITE)


def read(store: Store, run_id: str) -> RecordedStudy:
    studies = MlflowStudies(store)
    return studies.read(studies.find(run_id))


def reported(study: RecordedStudy) -> Report:
    return build(study, ReportConfig(), {})


def test_everything_comes_back_as_it_was_trained(copied: Trained) -> None:
    found = read(copied.store, copied.run_id)
    assert (found.suite, found.question, found.data_name) == ("test", "Which?", "colors")
    assert found.remarks == [REMARK] and found.base["epochs"] == "4"
    assert found.pairs == [(0, "none"), (1, "none")]
    for trained in copied.in_memory.values():
        spec = trained.spec
        back = found.of(spec.arm)[spec.config.seed, "none"]
        if spec.arm == "wild":
            assert (back.status, back.finished) == ("FAILED", False)
            assert "loss became" in back.reason
            continue
        assert back.finished and back.evaluation is not None and trained.result is not None
        expected = trained.result.evaluation
        order = np.argsort(expected.ids, kind="stable")
        np.testing.assert_array_equal(back.evaluation.ids, expected.ids[order])
        np.testing.assert_array_equal(back.evaluation.labels, expected.labels[order])
        np.testing.assert_array_equal(back.evaluation.probabilities, expected.probabilities[order])
        losses = [r.metrics["val/loss"] for r in trained.epochs if r.epoch]
        assert list(back.history["val/loss"]) == losses
        assert back.metrics["final/accuracy"] == trained.result.scores["final/accuracy"]


def test_the_initial_weights_are_read_from_the_events(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    found = read(store, recorded)
    studies = MlflowStudies(store)
    weights = studies.initial_weights(found.of("small")[0, "none"])
    assert list(weights) == ["1", "3", "5"]
    edges, counts = weights["1"]
    assert len(edges) == len(counts) + 1 and counts.sum() > 1000
    middle = (edges[1:] + edges[:-1]) / 2
    spread = np.sqrt((counts * middle**2).sum() / counts.sum())
    assert spread == pytest.approx(0.01, rel=0.05)
    gone = dataclasses.replace(found.of("small")[0, "none"], run_id="0" * 32)
    assert studies.initial_weights(gone) == {}


def test_a_report_can_be_made_again_and_is_the_same(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    first, again = (
        publish(MlflowStudies(store), read(store, recorded), ReportConfig()) for _ in range(2)
    )
    assert first.files == again.files
    parent = store.client.get_run(recorded)
    note = parent.data.tags["mlflow.note.content"]
    assert note == again.description
    studies, study = MlflowStudies(store), read(store, recorded)
    assert studies.file(study, "report.md") == again.description.encode()
    assert studies.file(study, "nothing") is None


def test_the_order_of_recorded_images_changes_nothing(copied: Trained, tmp_path: Path) -> None:
    store, recorded = copied.store, copied.run_id
    before = reported(read(store, recorded))
    for back in read(store, recorded).runs:
        if back.finished:
            path = store.client.download_artifacts(back.run_id, "predictions.parquet")
            table = pd.read_parquet(path).sample(frac=1, random_state=3)
            shuffled = tmp_path / "predictions.parquet"
            table.to_parquet(shuffled, index=False)
            store.client.log_artifact(back.run_id, str(shuffled))
    assert reported(read(store, recorded)).files == before.files


def test_facts_that_were_called_scores_are_read_as_facts(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    run_id = read(store, recorded).of("he")[0, "none"].run_id
    store.client.log_metric(run_id, "final/leaked_images", 3.0)
    metrics = read(store, recorded).of("he")[0, "none"].metrics
    assert metrics["facts/leaked_images"] == 3 and "final/leaked_images" not in metrics


def test_a_deleted_run_is_missing_and_the_report_says_so(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    victim = read(store, recorded).of("small")[1, "none"].run_id
    store.client.delete_run(victim)
    found = read(store, recorded)
    assert found.of("small")[1, "none"].status == "MISSING"
    assert "small, seed 1: missing: not recorded, or deleted" in reported(found).terminal


def test_a_run_without_its_predictions_is_missing(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    back = read(store, recorded).of("small")[1, "none"]
    artifacts = store.client.get_run(back.run_id).info.artifact_uri
    Path(mlflow.artifacts.download_artifacts(artifacts), "predictions.parquet").unlink()
    found = read(store, recorded).of("small")[1, "none"]
    assert found.status == "MISSING" and "predictions cannot be read" in found.reason


def test_a_study_that_was_cut_off_has_a_report_of_what_there_is(study: Study, store: Store) -> None:
    class Stopped(Exception):
        pass

    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    tracker.plan(study.plan([]), None)
    start = tracker.start

    def stopping(spec, count, dataset):  # type: ignore[no-untyped-def]
        if spec.config.seed == 1:
            raise Stopped
        return start(spec, count, dataset)

    tracker.start = stopping  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run(study, tracker)
    tracker.end("KILLED")
    found = read(store, "latest")
    assert {r.status for r in found.runs if r.seed == 1} == {"KILLED"}
    text = reported(found).terminal
    assert "he   " in text and "he, seed 1: " in text


def test_what_is_no_study_is_refused_in_words(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    with pytest.raises(NoSuchStudy, match="no run 'nonsense'"):
        MlflowStudies(store).find("nonsense")
    child = read(store, recorded).runs[0].run_id
    with pytest.raises(NoSuchStudy, match=f"its study is {recorded}"):
        MlflowStudies(store).find(child)
    other = store.new_run("foreign", {})
    with pytest.raises(NoSuchStudy, match="of another project"):
        MlflowStudies(store).find(other)
    empty = store.new_run("begun", {"mlp.kind": "study", "mlp.study": "x"})
    with pytest.raises(NoSuchStudy, match=f"has no {PLAN}"):
        read(store, empty)


def test_a_plan_of_another_version_is_refused_in_words(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    store.client.log_dict(recorded, {"runs": [], "remarks": ["as text"]}, PLAN)
    with pytest.raises(NoSuchStudy, match="was written by another version"):
        read(store, recorded)


def test_any_name_of_a_folder_can_be_reported_on(image_tree: Path, store: Store) -> None:
    odd = image_tree.rename(image_tree.parent / 'bob\'s "data" `é`')
    quick = {"image_size": 8, "hidden": (8,), "epochs": 1, "batch_size": 8, "threads": 1}
    base = RunConfig.parse({"data": str(odd), **quick})
    study = plan(Suite("s", "?", SUITE.arms[:1]), base, (0,), open_index(base.data))
    tracker = MlflowTracker(store, study.label, Path("runs"), name="odd", single=False)
    tracker.plan(study.plan([]), None)
    run(study, tracker)
    tracker.end("FINISHED")
    assert read(store, tracker.run_id).runs[0].finished


def test_an_empty_store_says_what_to_run(store: Store) -> None:
    with pytest.raises(NoSuchStudy, match="run train, ablation or init first"):
        MlflowStudies(store).find("latest")


def test_the_latest_is_the_study_or_the_single_training_that_was_begun_last(
    copied: Trained,
) -> None:
    study, store, recorded = copied.study, copied.store, copied.run_id
    assert MlflowStudies(store).find("latest") == recorded
    one = plan(
        Suite("one", "?", SUITE.arms[:1]), study.base.changed({"epochs": 1}), (0,), study.source
    )
    ids = []
    for _ in range(2):
        tracker = MlflowTracker(store, one.label, Path("runs"), name="one", single=True)
        tracker.plan(one.plan([]), None)
        (outcome,) = run(one, tracker)
        if outcome.run_id != tracker.run_id:
            tracker.refer_to(outcome)
        tracker.end("FINISHED")
        ids.append(tracker.run_id)
        assert MlflowStudies(store).find("latest") == tracker.run_id
        assert read(store, "latest").runs[0].run_id == ids[0]
    assert store.client.get_run(ids[1]).data.tags["mlp.kind"] == "reference"
    assert read(store, ids[1]).runs[0].finished


def test_a_study_without_a_finished_run_says_why(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    found = read(store, recorded)
    assert found.failure == ""
    failed = dataclasses.replace(found, runs=[r for r in found.runs if not r.finished])
    assert f"study {recorded} has no finished run: 2 FAILED (the first: wild, seed 0: the loss" in (
        failed.failure
    )


def test_a_plan_that_is_gone_or_damaged_is_said(copied: Trained) -> None:
    store, recorded = copied.store, copied.run_id
    file = Path(store.client.get_run(recorded).info.artifact_uri, PLAN)
    file.write_text("{")
    with pytest.raises(NoSuchStudy, match="cannot be read"):
        read(store, recorded)
    file.unlink()
    with pytest.raises(NoSuchStudy, match="its files are gone; repeat its command"):
        read(store, recorded)
