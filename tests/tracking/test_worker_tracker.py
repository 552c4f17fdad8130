"""Recording some runs of a study from another process than its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from mlp.data.dataset import Dataset
from mlp.settings.training import RunConfig
from mlp.study.tracker import RunSpec, TakenOver
from mlp.tracking.mlflow.recording import MlflowWorkerTracker as Worker
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.tracker import MlflowTracker


@pytest.fixture
def tracker(fresh_database: None) -> Iterator[MlflowTracker]:
    made = MlflowTracker(open_store("tests"), "s", Path("runs"), name="a study", single=False)
    yield made
    made.end("FINISHED")


def spec(arm: str) -> RunSpec:
    classes = "a", "b"
    return RunSpec(arm, RunConfig(seed=3), f"id of {arm}", "digits", "d" * 32, classes, 9, 3, ())


SPECS = [spec("one"), spec("two"), spec("three")]


@pytest.fixture
def worker(tracker: MlflowTracker) -> Iterator[Worker]:
    made = Worker(tracker.place)
    yield made
    made.close()


def test_tries_count_in_a_row_until_a_run_has_ended(worker: Worker) -> None:
    assert [worker.count_try(SPECS) for _ in range(3)] == [1, 2, 3]
    assert [worker.count_try(SPECS[1:]) for _ in range(2)] == [1, 2]
    worker.forget_tries(SPECS[0])
    worker.forget_tries(SPECS[0])
    assert worker.count_try(SPECS[1:]) == 1
    worker.forget_tries(SPECS[1])
    tags = worker.store.client.get_run(worker.run_id).data.tags
    assert not [tag for tag in tags if "tries" in tag]


def test_no_run_begins_in_a_study_that_has_ended(tracker: MlflowTracker, worker: Worker) -> None:
    tracker.end("KILLED")
    with pytest.raises(TakenOver, match="ended"):
        worker.start(SPECS[0], 10, cast(Dataset, None))
    assert len(tracker.store.search("")) == 1
