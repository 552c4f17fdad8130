"""What the tests share: a small tree of images, and a place of their own for everything written."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

CLASSES = ("blue", "green", "red")


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write RGB or gray pixels; any letters in the path, on any platform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    path.write_bytes(cv2.imencode(path.suffix, bgr)[1].tobytes())


def colored_image(label: int, rng: np.random.Generator, side: int = 20) -> np.ndarray:
    """Noise with one channel raised: a class that a network can learn in an epoch or two."""
    pixels = rng.integers(0, 120, (side, side, 3))
    pixels[..., 2 - label] += 100
    return pixels.astype(np.uint8)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run all tests in several processes; what is chosen of them, and the slow ones, in this one.

    Slow tests measure time and processes, and each worker imports everything, which takes seconds.
    """
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    chosen = config.option.keyword or config.option.markexpr != "not slow"
    return None if whole and not chosen else 0


def pytest_xdist_setupnodes() -> None:
    """Let the workers' NumPy take one core each: their threads would wait for each other."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Give each worker its share of the cores: threads that wait for a core use up another.

    Spare each collection of garbage the million objects that the imports have made.
    """
    workers = getattr(session.config, "workerinput", {"workercount": 1})["workercount"]
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: making one takes seconds, copying it does not."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path.as_posix()}").search_experiments()
    return path


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cache, tracking store and working directory of each test are its own."""
    monkeypatch.setenv("MLP_CACHE", str(tmp_path / "cache"))
    for name in ("RUN_ID", "EXPERIMENT_ID", "EXPERIMENT_NAME", "TRACKING_URI"):
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    # A model that is loaded puts its own source in front, which other processes would take over
    monkeypatch.setattr(sys, "path", list(sys.path))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    mlflow.set_tracking_uri(f"sqlite:///{(work / 'mlflow.db').as_posix()}")
    # MLflow remembers where the files of a run lie; copies of a project have runs of the same ids
    _artifact_repos_cache.clear()
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture
def usual_interrupt() -> Iterator[None]:
    """Ctrl-C as Python has it; a shell has what it starts in the background ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture
def fresh_database(_database: Path, tmp_path: Path) -> None:
    """An empty tracking store in the working directory of the test."""
    shutil.copy(_database, tmp_path / "work" / "mlflow.db")


@contextmanager
def project(root: Path, database: Path) -> Iterator[Path]:
    """A working directory, with cache and tracking store, for what is trained once for many."""
    work = root / "work"
    work.mkdir()
    shutil.copy(database, work / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        patch.setenv("MLP_CACHE", str(root / "cache"))
        patch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)  # left by mlflow.set_experiment
        mlflow.set_tracking_uri(f"sqlite:///{(work / 'mlflow.db').as_posix()}")
        yield work
    mlflow.set_tracking_uri(None)


@pytest.fixture
def image_tree(tmp_path: Path) -> Path:
    return make_images(tmp_path / "colors")


def make_images(root: Path) -> Path:
    """train/ with 12 and val/ with 6 PNG images in each of three classes, 20x20 RGB."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 6)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                write_image(root / split / name / f"{number}.png", colored_image(label, rng))
    return root
