"""Two finished studies of one data set, trained once: a hasty one and a better one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mlp.data.dataset import index_of
from mlp.execution.executor import run
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import plan
from mlp.study.suite import Suite
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
from tests.conftest import CLASSES, colored_image, project, write_image
from tests.study.conftest import MakeRecorded

ARMS = (Arm("baseline", {}, ""), Arm("batch-norm", {"batch_norm": True}, ""))
QUICK = {"image_size": 8, "hidden": (16,), "batch_size": 8, "threads": 1}


@dataclass(frozen=True)
class Trained:
    """Where everything is: the images, the ids of both studies' runs, and the files of a store."""

    images: Path
    weak: str
    strong: str
    database: Path


def train(
    store: Store, suite: Suite, images: Path, seeds: tuple[int, ...], **changes: object
) -> str:
    """Train a study; the id of its run."""
    base = RunConfig.parse({"data": str(images), **QUICK, **changes})
    study = plan(suite, base, seeds, index_of(base))
    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    tracker.plan(study.plan([]), study.split_table())
    run(study, tracker)
    tracker.end("FINISHED")
    return tracker.run_id


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Trained:
    root = tmp_path_factory.mktemp("serving")
    images = root / "colors"
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 20), ("test", 5)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                write_image(images / split / name / f"{number}.png", colored_image(label, rng))
    # one copy of a training image in each of the others
    for split in ("val", "test"):
        shutil.copy(images / "train" / "red" / "0.png", images / split / "red" / "copy.png")
    with project(root, _database) as work:
        store = open_store("mlp")
        one = Suite("one", "Which?", ARMS[:1])
        weak = train(store, one, images, (0, 1, 2), epochs=1, lr=1e-6)
        strong = train(store, Suite("both", "Which?", ARMS), images, (0, 1, 2), epochs=8, lr=0.01)
    return Trained(images, weak, strong, work / "mlflow.db")


@pytest.fixture
def trained(_trained: Trained, tmp_path: Path) -> Iterator[Trained]:
    """The studies, in a store of the test's own: what it registers, no other test sees."""
    shutil.copy(_trained.database, tmp_path / "work" / "mlflow.db")
    yield _trained


@pytest.fixture
def store(trained: Trained) -> Store:
    return open_store("mlp")


@pytest.fixture
def make_recorded() -> MakeRecorded:
    return MakeRecorded()
