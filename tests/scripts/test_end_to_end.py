"""Whole commands in processes of their own: killed, interrupted, repeated, under `mlflow run`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.scripts.processes import ROOT, runs, start_command

pytestmark = pytest.mark.slow

QUICK = ["--image-size", "8", "--hidden", "16,8", "--epochs", "40", "--threads", "1"]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return start_command("scripts.ablation", folder, *arguments)


def table(output: str) -> list[str]:
    lines = output.splitlines()
    begin = next(k for k, line in enumerate(lines) if line.startswith("---"))
    return lines[begin : lines.index("", begin)]


def wait_for(process: subprocess.Popen[str], ended: int) -> None:
    """Read what a study prints until some of its runs have ended."""
    assert process.stdout is not None
    while ended:
        line = process.stdout.readline()
        assert line, "the study ended before it could be interrupted"
        ended -= "val accuracy" in line


def scores(folder: Path) -> dict[str, dict[str, float]]:
    return {
        r.info.run_name: {k: v for k, v in r.data.metrics.items() if not k.startswith("time/")}
        for r in runs(folder, "run")
        if r.info.status == "FINISHED"
    }


def test_a_study_killed_at_any_moment_and_repeated_is_bitwise_the_uninterrupted_one(
    image_tree: Path, tmp_path: Path
) -> None:
    arguments = ["--data", str(image_tree), *QUICK, "--seeds", "2"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    output, _ = start(whole, *arguments).communicate(timeout=300)
    for ended in (1, 3):
        process = start(broken, *arguments)
        wait_for(process, ended)
        time.sleep(0.2)
        process.kill()
        process.communicate()
    left = [run.info.status for run in runs(broken, "run")]
    assert "FINISHED" in left and "RUNNING" in left
    repeated, _ = start(broken, *arguments).communicate(timeout=300)
    assert "were ended as KILLED" in repeated
    assert table(repeated) == table(output)
    assert scores(broken) == scores(whole)
    assert len(scores(whole)) == 16
    assert {run.info.status for run in runs(broken, "run")} == {"FINISHED", "KILLED"}
    assert sorted(run.info.status for run in runs(broken, "study")) == [
        "FINISHED",
        "KILLED",
        "KILLED",
    ]
    # every finished run belongs to the study that was finished
    (study,) = (run for run in runs(broken, "study") if run.info.status == "FINISHED")
    finished = [run for run in runs(broken, "run") if run.info.status == "FINISHED"]
    assert {run.data.tags["mlflow.parentRunId"] for run in finished} == {study.info.run_id}

    again, _ = start(broken, *arguments).communicate(timeout=300)
    assert "16 of 16 runs are recorded already" in again
    assert table(again) == table(output)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_runs_as_killed_and_says_how_to_go_on(
    image_tree: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "study"
    process = start(folder, "--data", str(image_tree), *QUICK)
    wait_for(process, 1)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "What has finished is kept: repeat the command" in output and "Traceback" not in output
    assert {run.info.status for run in runs(folder, "run")} == {"FINISHED", "KILLED"}
    assert [run.info.status for run in runs(folder, "study")] == ["KILLED"]


def mlflow_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    mlflow = Path(sys.executable).with_name("mlflow")
    return subprocess.run(
        [str(mlflow), "run", str(ROOT), "--env-manager", "local", *arguments],
        cwd=folder,
        env=os.environ
        | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{(folder / 'mlflow.db').as_posix()}",
            "PATH": f"{mlflow.parent}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_mlflow_run_makes_one_parent_with_all_children(image_tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    pairs = zip(QUICK[::2], QUICK[1::2], strict=True)
    options = [f"{name[2:].replace('-', '_')}={value}" for name, value in pairs]
    options += [f"data={image_tree}", "seeds=0,7", f"runs_dir={folder / 'runs'}"]
    done = mlflow_run(folder, "-e", "init", *[x for o in options for x in ("-P", o)])
    assert done.returncode == 0, done.stdout + done.stderr
    client = MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    everything = client.search_runs(["0"])
    parents = [r for r in everything if "mlflow.parentRunId" not in r.data.tags]
    assert len(everything) == 13 and len(parents) == 1
    assert {r.info.status for r in everything} == {"FINISHED"}
    assert parents[0].data.tags["mlflow.project.entryPoint"] == "init"
    assert parents[0].data.params["hidden"] == "16,8"
    assert "constant" in parents[0].data.tags["mlflow.note.content"]

    again = mlflow_run(folder, "-e", "report", "-P", "lang=es")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "¿Cuánto importa la inicialización" in again.stdout
    newest, *_ = client.search_runs(["0"])
    assert newest.info.status == "FINISHED" and newest.data.tags["mlp.kind"] == "report"
    assert parents[0].info.run_id in newest.data.tags["mlflow.note.content"]
    note = client.get_run(parents[0].info.run_id).data.tags["mlflow.note.content"]
    assert note.startswith("## ¿Cuánto importa")

    registered = mlflow_run(folder, "-e", "register")
    assert registered.returncode == 0, registered.stdout + registered.stderr
    assert "colors version 1, champion and challenger" in registered.stdout
    new = f"{image_tree}/val/red/*.png"
    answered = mlflow_run(folder, "-e", "predict", "-P", f"images={new}", "-P", "format=csv")
    assert answered.returncode == 0, answered.stdout + answered.stderr
    assert sum(line.startswith(str(image_tree)) for line in answered.stdout.splitlines()) == 6
    measured = mlflow_run(folder, "-e", "evaluate", "-P", f"data={image_tree}")
    assert measured.returncode == 0 and "colors version 1 on colors, val split" in measured.stdout
    assert client.search_runs(["0"])[0].data.tags["mlp.kind"] == "evaluation"

    wrong = mlflow_run(folder, "-P", f"data={image_tree}", "-P", "lr=-1")
    assert wrong.returncode != 0
    assert "--lr: should be greater than 0; '-1' was given" in wrong.stderr
    assert client.search_runs(["0"])[0].info.status == "FAILED"
