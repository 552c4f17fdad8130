"""A study that is trained and reported on once, and read by many tests."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest

from mlp.data.audit.remarks import Remark
from mlp.data.dataset import open_index
from mlp.execution.executor import run
from mlp.report import report
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import Study, plan
from mlp.study.suite import Suite
from mlp.study.tracker import Outcome
from mlp.tracking.memory import MemoryRun, MemoryTracker
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
from tests.conftest import make_images, project

REMARK = Remark("drawn", {"name": "colors", "share": 0.2})
QUICK = {"image_size": 8, "hidden": (16, 8), "epochs": 4, "batch_size": 8, "threads": 1}
SUITE = Suite(
    "test",
    "Which?",
    (
        Arm("baseline", {}, "plain"),
        Arm("drop=0.3", {"dropout": 0.3, "early_stopping_patience": 1}, "with dropout"),
        Arm("wild", {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}, "diverges"),
    ),
)


def train(
    study: Study, store: Store, reported: bool = False
) -> tuple[MlflowTracker, list[Outcome]]:
    """Train a study, and where asked report on it, as the commands do."""
    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    tracker.plan(study.plan([REMARK]), study.split_table())
    outcomes = run(study, tracker)
    if reported:
        read = tracker.studies.read(tracker.run_id)
        published = report.publish(tracker.studies, read, ReportConfig())
        tracker.show(published.terminal, published.pictures)
    tracker.end("FINISHED")
    return tracker, outcomes


@dataclass(frozen=True)
class Trained:
    """A study, what it recorded in a working directory, and the same study in memory."""

    study: Study
    folder: Path
    run_id: str
    outcomes: list[Outcome]
    in_memory: dict[str, MemoryRun]  # by the name of the run

    @property
    def store(self) -> Store:
        """The store of the working directory."""
        return open_store("tests")


def record(root: Path, database: Path, suite: Suite, reported: bool = False) -> Trained:
    """Train a suite with two seeds in a folder."""
    base = RunConfig.parse({"data": str(make_images(root / "colors")), **QUICK})
    with project(root, database) as work, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
        study = plan(suite, base, (0, 1), open_index(base.data))
        tracker, outcomes = train(study, open_store("tests"), reported)
        memory = MemoryTracker()
        run(study, memory)
    in_memory = {recorded.spec.name: recorded for recorded in memory.runs}
    return Trained(study, work, tracker.run_id, outcomes, in_memory)


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Trained:
    return record(tmp_path_factory.mktemp("tracking"), _database, SUITE, reported=True)


@pytest.fixture
def trained(_trained: Trained, monkeypatch: pytest.MonkeyPatch) -> Trained:
    """The study where it was recorded, for tests that read it."""
    monkeypatch.chdir(_trained.folder)
    mlflow.set_tracking_uri(f"sqlite:///{(_trained.folder / 'mlflow.db').as_posix()}")
    return _trained


@pytest.fixture
def copied(_trained: Trained, tmp_path: Path) -> Trained:
    """The study in the working directory of the test, which may change it."""
    shutil.copytree(_trained.folder, tmp_path / "work", dirs_exist_ok=True)
    return _trained
