"""Commands that run at once in one project: each run is trained once, whoever dies meanwhile."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow.entities import Run

from mlp.tracking.mlflow.store import open_store
from tests.scripts.processes import runs, start_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX"),
]
QUICK = ["--image-size", "8", "--hidden", "16", "--batch-size", "8", "--threads", "1"]
LONG = ["--epochs", "150", "--early-stopping-patience", "0"]
SUITE = """
question: Which?
arms:
  - name: baseline
  - name: small
    changes: {hidden: [8]}
  - name: smaller
    changes: {hidden: [4]}
"""
OTHER = """
question: Another one?
arms:
  - name: plain
  - name: wide
    changes: {hidden: [32]}
"""


Process = subprocess.Popen[str]
STARTED: list[Process] = []


@pytest.fixture
def folder(tmp_path: Path, fresh_database: None) -> Iterator[Path]:
    place = tmp_path / "work"
    (place / "suite.yaml").write_text(SUITE)
    (place / "other.yaml").write_text(OTHER)
    open_store("mlp")
    yield place
    for process in STARTED:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    STARTED.clear()


def start(folder: Path, images: Path, module: str, *arguments: str) -> Process:
    every = ["--data", str(images), *QUICK, *arguments]
    STARTED.append(start_command(f"scripts.{module}", folder, *every))
    return STARTED[-1]


def study(folder: Path, images: Path, *arguments: str, suite: str = "suite.yaml") -> Process:
    return start(folder, images, "study", "--suite", suite, *LONG, "--seeds", "1", *arguments)


def until(folder: Path, condition: object, process: Process) -> None:
    """Wait until a condition on what is recorded holds."""
    assert callable(condition)
    end = time.monotonic() + 120
    while not condition([run for run in runs(folder, "run") if "mlp.identity" in run.data.tags]):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.1)


def begun(found: list[Run]) -> bool:
    return len(found) == 3


def waiting(process: Process) -> None:
    """Read what a command prints until it says that it waits."""
    assert process.stdout is not None
    for line in process.stdout:
        if "another command" in line:
            return
    raise AssertionError("it did not wait")


def ended(process: Process, code: int = 0) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    assert "Traceback" not in output
    return output


def trained_once(folder: Path, count: int) -> None:
    """No run is in training, each was trained once, and no TensorBoard folder is doubled."""
    found = runs(folder, "run")
    assert "RUNNING" not in {run.info.status for run in found}
    own = [
        run.data.tags["mlp.identity"]
        for run in found
        if run.info.status == "FINISHED"
        and "mlp.identity" in run.data.tags
        and not run.data.tags["mlflow.note.content"].startswith("Recorded before")
    ]
    assert len(own) == len(set(own)) == count
    events = Counter(p.parent for p in (folder / "runs").rglob("events.out.tfevents*"))
    assert set(events.values()) == {1}


def test_the_same_study_twice_trains_each_run_once(folder: Path, image_tree: Path) -> None:
    first = study(folder, image_tree, "--seeds", "2")
    second = study(folder, image_tree, "--seeds", "2")
    reports = [
        ended(each).partition("Which?")[2].partition("MLflow:")[0] for each in (first, second)
    ]
    assert reports[0] == reports[1] != ""
    trained_once(folder, 6)


def test_workers_of_two_studies_train_each_run_once(folder: Path, image_tree: Path) -> None:
    arguments = ["--seeds", "2", "--executor", "processes", "--workers", "2"]
    first = study(folder, image_tree, *arguments)
    second = study(folder, image_tree, *arguments)
    ended(first), ended(second)
    trained_once(folder, 6)


def test_studies_that_share_an_arm_train_it_once(folder: Path, image_tree: Path) -> None:
    first = study(folder, image_tree)
    second = study(folder, image_tree, suite="other.yaml")
    ended(first), ended(second)
    trained_once(folder, 4)
    copied = [r for r in runs(folder, "run") if "Recorded before" in str(r.data.tags)]
    assert len(copied) == 1


def test_one_training_twice_is_trained_once(folder: Path, image_tree: Path) -> None:
    first, second = (start(folder, image_tree, "train", *LONG) for _ in range(2))
    both = ended(first) + ended(second)
    assert both.count("model-seed0: val accuracy") == 1
    trained_once(folder, 1)
    assert len(runs(folder, "reference")) == 1


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_waits_goes_on_when_the_other_one_dies(
    folder: Path, image_tree: Path, sign: signal.Signals
) -> None:
    first = study(folder, image_tree, "--epochs", "800")
    until(folder, begun, first)
    second = study(folder, image_tree, "--epochs", "800")
    waiting(second)
    resting = psutil.Process(second.pid)
    used = sum(resting.cpu_times()[:2])
    time.sleep(3)
    # Of two cores that others use as well; the monitor of the machine's load takes its part
    assert sum(resting.cpu_times()[:2]) - used < 1.0
    first.send_signal(sign)
    first.communicate()
    output = ended(second)
    assert output.count("val accuracy") >= 3
    trained_once(folder, 3)


def test_a_command_that_waits_can_be_stopped(folder: Path, image_tree: Path) -> None:
    first = study(folder, image_tree, "--epochs", "800")
    until(folder, begun, first)
    second = study(folder, image_tree, "--epochs", "800")
    waiting(second)
    since = time.monotonic()
    second.send_signal(signal.SIGINT)
    assert "Interrupted" in ended(second, 130)
    assert time.monotonic() - since < 15
    ended(first)
    trained_once(folder, 3)
    assert [run.info.status for run in runs(folder, "study")] == ["KILLED", "FINISHED"]


def test_a_moved_project_goes_on_where_it_is(folder: Path, image_tree: Path) -> None:
    ended(study(folder, image_tree, "--epochs", "3"))
    there = folder.parent / "elsewhere"
    shutil.move(folder, there)
    output = ended(study(there, image_tree, "--epochs", "3"))
    assert "3 of 3 runs are recorded already" in output and not folder.exists()
    folder.mkdir()
    trained_once(there, 3)
