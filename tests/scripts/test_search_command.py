"""The search as a command: what it records, and several processes, one of which is killed."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import Run

from mlp.commands.register import register
from mlp.commands.search import search
from tests.scripts.processes import runs, start_command

QUICK = ["--image-size", "8", "--epochs", "2", "--threads", "1", "--folds", "2"]
SPACE = "space:\n  hidden: [[8], [16, 8]]\n  lr: {low: 0.0001, high: 0.03, log: true}\n"


def test_a_search_shows_its_trials_and_compares_the_best_under_fresh_seeds(
    image_tree: Path, fresh_database: None
) -> None:
    Path("mine.yaml").write_text(SPACE)
    arguments = ["--data", str(image_tree), *QUICK, "--space", "mine.yaml", "--trials", "4"]
    arguments += ["--confirm", "1", "--confirm-seeds", "2"]
    result = CliRunner().invoke(search, arguments)
    assert result.exit_code == 0, result.output
    (found,), (study,) = runs(Path(), "search"), runs(Path(), "study")
    assert found.info.status == study.info.status == "FINISHED"

    def of(parent: Run) -> list[Run]:
        own = parent.info.run_id
        return [r for r in runs(Path(), "run") if r.data.tags["mlflow.parentRunId"] == own]

    assert len(of(found)) == 8 and len(of(study)) == 8

    client = MlflowClient()
    table = pd.read_csv(client.download_artifacts(found.info.run_id, "trials.csv"))
    assert list(table["number"]) == [0, 1, 2, 3]
    best = table["value"].max()
    assert f"{best:.4f}" in result.output
    assert f"{best:.4f}" in found.data.tags["mlflow.note.content"]
    pictures = {f.path for f in client.list_artifacts(found.info.run_id)}
    if table["value"].nunique() > 1:
        drawn = {"history.png", "importance.png", "parallel_coordinates.png", "slices.png"}
        assert pictures == {"trials.csv", "report.html"} | drawn
    page = Path(client.download_artifacts(found.info.run_id, "report.html")).read_text()
    assert f"{best:.4f}" in page and page.count("data:image/png;base64,") in (0, 4)
    scores = client.get_metric_history(found.info.run_id, "search/accuracy")
    assert {m.step: m.value for m in scores} == pytest.approx(dict(table["value"]))
    assert client.get_run(found.info.run_id).data.metrics["search/best"] == pytest.approx(best)
    [data] = found.inputs.dataset_inputs
    assert data.dataset.name == image_tree.name

    # Seeds and folds that no trial saw
    assert {r.data.params["seed"] for r in of(found)} == {"0"}
    assert {r.data.params["seed"] for r in of(study)} == {"1", "2"}
    chosen = CliRunner().invoke(register, [])
    assert chosen.exit_code == 0, chosen.output

    again = CliRunner().invoke(search, arguments)
    assert again.exit_code == 0 and "4 trials are scored already" in again.output
    assert "8 of 8 runs are recorded already" in again.output and len(runs(Path(), "run")) == 16


def test_a_list_of_spaces_searches_nothing() -> None:
    result = CliRunner().invoke(search, ["--list", "true"])
    assert result.exit_code == 0
    for name in ("default", "exercise_batch_norm", "exercise_dropout"):
        assert f"{name}: " in result.output
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "stron"], "did you mean strong"),
        (["--space", "defalt"], "did you mean default"),
        (["--sampler", "grid"], "a grid needs lists"),
        (["--trials", "0"], "--trials"),
        (["--fold", "1/3"], "a search trains all of its folds"),
    ],
)
def test_what_cannot_be_searched_is_said(
    image_tree: Path, fresh_database: None, arguments: list[str], said: str
) -> None:
    result = CliRunner().invoke(search, ["--data", str(image_tree), *QUICK, *arguments])
    assert result.exit_code == 2 and said in result.output, result.output


@pytest.mark.slow
def test_processes_share_a_search_and_one_that_is_killed_loses_nothing(
    image_tree: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    (folder / "mine.yaml").write_text(SPACE)
    arguments = ["--data", str(image_tree), *QUICK, "--epochs", "30", "--space", "mine.yaml"]
    arguments += ["--trials", "10", "--confirm", "0"]

    def start() -> subprocess.Popen[str]:
        return start_command("scripts.search", folder, *arguments)

    first = start()
    assert first.stdout is not None
    while "trial 0:" not in first.stdout.readline():
        assert first.poll() is None
    second = start()
    while "trial" not in first.stdout.readline():
        assert first.poll() is None
    time.sleep(0.5)
    first.kill()
    output, _ = second.communicate(timeout=300)
    assert second.returncode == 0, output
    first.communicate()
    repeated, _ = start().communicate(timeout=300)
    assert "10 trials are scored already" in repeated

    last = runs(folder, "search")[0]
    client = MlflowClient(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    table = pd.read_csv(client.download_artifacts(last.info.run_id, "trials.csv"))
    ended = table[table["state"].isin(["COMPLETE", "PRUNED"])]
    assert len(ended) == 10
    finished = {}
    for run in runs(folder, "run"):
        assert run.info.status != "RUNNING"
        if run.info.status == "FINISHED":
            key = run.data.tags["mlp.identity"]
            assert key not in finished, "trained twice"
            finished[key] = run
    complete = table[table["state"] == "COMPLETE"]
    for row in complete.itertuples():
        scores = [
            r.data.metrics["final/accuracy"]
            for r in finished.values()
            if r.data.tags["mlp.arm"] == f"trial-{row.number:03d}"
        ]
        if len(scores) == 2:
            assert row.value == pytest.approx(sum(scores) / 2)
