"""The library: what each function gives, and that the process is left as it was."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from mlflow import MlflowClient

import mlp
from mlp.settings.base import ConfigError
from mlp.study.progress import Progress
from scripts.study import study as compare_command
from tests.conftest import CLASSES, make_images, project
from tests.scripts.processes import ROOT

QUICK: dict[str, Any] = {"image_size": 8, "hidden": (8,), "epochs": 2, "threads": 1}
ARMS = {"arms": [{"name": "plain"}, {"name": "fast", "changes": {"lr": 0.01}}]}


@dataclass(frozen=True)
class Studied:
    """A study that was compared once, in a folder of its own, and what was printed meanwhile."""

    study: Any
    printed: str
    images: Path
    work: Path


@pytest.fixture(scope="module")
def _studied(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Studied:
    root, printed = tmp_path_factory.mktemp("library"), io.StringIO()
    images = make_images(root / "colors")
    with (
        project(root, _database) as work,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        study = mlp.compare(images, ARMS, seeds=3, **QUICK)
    return Studied(study, printed.getvalue(), images, work)


@pytest.fixture
def studied(_studied: Studied, monkeypatch: pytest.MonkeyPatch) -> Studied:
    """It, with its store as the one in use."""
    monkeypatch.chdir(_studied.work)
    monkeypatch.setenv("MLP_CACHE", str(_studied.work.parent / "cache"))
    mlflow.set_tracking_uri(f"sqlite:///{(_studied.work / 'mlflow.db').as_posix()}")
    return _studied


def test_nothing_is_printed(studied: Studied) -> None:
    assert studied.printed == ""


def test_the_table_has_what_the_report_has(studied: Studied) -> None:
    table = studied.study.table
    assert table.index.name == "arm" and list(table.index) == ["plain", "fast"]
    assert list(table) == ["n", "mean", "difference", "low", "high", "verdict", "p_better"]
    assert table.loc["plain", "verdict"] == "baseline" and np.isnan(table.loc["plain", "low"])
    file = MlflowClient().download_artifacts(studied.study.run_id, "comparison.csv")
    (row,) = pd.read_csv(file).to_dict("records")
    for name in ("difference", "low", "high", "verdict", "p_better"):
        assert table.loc["fast", name] == pytest.approx(row[name])
    assert list(table["n"]) == [3, 3]


def test_runs_and_predictions_are_those_that_are_recorded(studied: Studied) -> None:
    study = studied.study
    assert set(study.runs["status"]) == {"FINISHED"} and len(study.runs) == 6
    for row in study.runs.itertuples():
        recorded = MlflowClient().get_run(row.run_id)
        assert recorded.data.params["arm"] == row.arm
        assert recorded.data.metrics["final/accuracy"] == row.accuracy
        answers = study.predictions(row.arm, seed=row.seed)
        assert (answers["label"] == answers["predicted"]).mean() == pytest.approx(row.accuracy)
    assert answers.index.name == "image" and set(answers["label"]) == set(CLASSES)
    shares = answers[[f"p({name})" for name in CLASSES]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares.max(axis=1) == answers["probability"]).all()
    with pytest.raises(mlp.SettingsError, match=r"no arm 'fat'.*did you mean 'fast'"):
        study.predictions("fat")
    with pytest.raises(mlp.SettingsError, match=r"no run of seed=7.*it has seed=0"):
        study.predictions("fast", seed=7)


def test_a_notebook_shows_the_first_screen_and_nothing_that_clashes(studied: Studied) -> None:
    page = studied.study._repr_html_()
    assert page.startswith('<div class="mlp-report"') and page.rstrip().endswith("</div>")
    assert "fast" in page and page.count("data:image/png;base64,") == 1
    for whole in ("<html", "<body", "<script", "<svg", ' id="', "http"):
        assert whole not in page, whole
    style = page[page.index("<style>") + 7 : page.index("</style>")].strip()
    assert style.startswith(".mlp-report {") and style.endswith("}")
    depth = np.cumsum([(c == "{") - (c == "}") for c in style])
    assert (depth[style.index("{") : -1] > 0).all()  # every rule holds within the report alone
    assert "fast" in repr(studied.study)


def test_a_recorded_study_is_reported_again_by_other_settings(studied: Studied) -> None:
    again = mlp.report(studied.study.run_id)
    pd.testing.assert_frame_equal(again.table, studied.study.table)
    spanish = mlp.report(metric="macro_f1", lang="es")
    assert spanish.run_id == studied.study.run_id
    assert spanish.table.loc["fast", "mean"] == pytest.approx(
        studied.study.runs.groupby("arm")["macro_f1"].mean()["fast"]
    )
    assert "semillas" in spanish._repr_html_()
    with pytest.raises(mlp.NoSuchStudy, match="no run 'nothing'"):
        mlp.report("nothing")


def test_the_best_is_registered_loaded_and_asked(studied: Studied, tmp_path: Path) -> None:
    best = studied.study.best
    made = best.register("skin")
    assert (made.name, made.version, made.is_champion) == ("skin", 1, True)
    assert MlflowClient().get_model_version_by_alias("skin", "challenger").version in (1, "1")
    assert "Champion: it is the first." in repr(made)
    assert best.register("skin").version == 1  # nothing twice

    model = mlp.load("models:/skin@champion")
    assert model.classes == CLASSES
    files = sorted((studied.images / "val" / "red").glob("*.png"))
    answers = model.predict(files)
    assert list(answers) == ["label", "probability", "unfamiliar", "error"]
    assert list(answers.index) == [str(file) for file in files]
    row = studied.study.runs.set_index("run_id").loc[best.run_id]
    recorded = studied.study.predictions(row["arm"], seed=row["seed"])
    for file in files:
        known = recorded.loc[f"val/red/{file.name}"]
        assert answers.loc[str(file), "label"] == known["predicted"]
        assert answers.loc[str(file), "probability"] == pytest.approx(known["probability"])

    pixels = cv2.imread(str(files[0]))[..., ::-1]
    mixed = model.predict([files[1], files[0].read_bytes(), pixels, "gone.png", b"text"])
    assert list(mixed.index) == [str(files[1]), 1, 2, "gone.png", 4]
    first, second = (answers.loc[str(file), "probability"] for file in files[:2])
    assert list(mixed["probability"][:3]) == pytest.approx([second, first, first])
    assert list(mixed["error"] != "") == [False, False, False, True, True]
    assert len(model.predict(studied.images / "val")) == 18
    assert len(model.predict(str(files[0]))) == len(model.predict(pixels)) == 1
    assert len(model.predict(np.stack([pixels, pixels]))) == 2
    with pytest.raises(mlp.SettingsError, match=r"uint8; float64 \(8, 8\) was given"):
        model.predict([np.zeros((8, 8))])

    folder = mlflow.artifacts.download_artifacts("models:/skin/1", dst_path=str(tmp_path / "skin"))
    for place in (
        f"runs:/{best.run_id}",
        f"runs:/{best.run_id}/model",
        Path(folder),
        made.model,
        "",
    ):
        assert mlp.load(place).predict(files).equals(answers), place
    for wrong in ("models:/none@champion", "runs:/0123", tmp_path, "skin"):
        with pytest.raises(mlp.NoSuchModel):
            mlp.load(wrong)


def test_a_training_is_a_study_of_one_arm(studied: Studied) -> None:
    alone = mlp.train(studied.images, lr=0.01, seed=1, **QUICK)
    assert list(alone.table.index) == ["model"] and alone.table.loc["model", "n"] == 1
    known = studied.study.runs.query("arm == 'fast' and seed == 1")["accuracy"].item()
    assert alone.table.loc["model", "mean"] == known
    assert "data:image/png" in alone._repr_html_()


def test_a_search_gives_its_trials_and_the_study_of_the_best(
    image_tree: Path, tmp_path: Path, fresh_database: None
) -> None:
    space = tmp_path / "own.yaml"
    space.write_text("space: {lr: [0.001, 0.01]}\n")
    found = mlp.search(
        image_tree, space=space, sampler="grid", folds=2, confirm=1, confirm_seeds=2, **QUICK
    )
    assert sorted(found.table["params_lr"]) == [0.001, 0.01]
    best = found.table["value"].idxmax()
    assert found.best == {"lr": found.table.loc[best, "params_lr"]}
    assert found.study is not None
    assert list(found.study.table.index) == ["base", f"trial-{best:03d}"]
    assert found._repr_html_().count('<div class="mlp-report"') == 2


def test_an_audit_gives_its_findings(image_tree: Path, fresh_database: None) -> None:
    shutil.copy(image_tree / "train/red/0.png", image_tree / "val/red/copy.png")
    found = mlp.audit(image_tree)
    leaks = found.table.query("kind == 'leak'")
    assert sorted(leaks["path"]) == ["train/red/0.png", "val/red/copy.png"]
    assert found.counts.loc["red", "val"] == 7
    assert "data:image/jpeg" in found._repr_html_() and "leak" not in repr(found)
    run = MlflowClient().get_run(found.run_id)
    assert run.info.status == "FINISHED" and run.data.tags["mlp.kind"] == "audit"


def test_numbers_are_those_of_the_command_to_the_last_bit(
    studied: Studied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_database: None
) -> None:
    monkeypatch.chdir(tmp_path / "work")
    mlflow.set_tracking_uri(f"sqlite:///{(tmp_path / 'work' / 'mlflow.db').as_posix()}")
    Path("arms.yaml").write_text("arms: [{name: plain}, {name: fast, changes: {lr: 0.01}}]\n")
    options = "--seeds 3 --image-size 8 --hidden 8 --epochs 2 --threads 1 --suite arms.yaml"
    typed = ["--data", str(studied.images), *options.split()]
    assert CliRunner().invoke(compare_command, typed).exit_code == 0
    runs = {(r.data.params["arm"], int(r.data.params["seed"])): r for r in all_runs()}
    for row in studied.study.runs.to_dict("records"):
        metrics = runs[row["arm"], row["seed"]].data.metrics
        for name in ("accuracy", "log_loss", "roc_auc", "train_accuracy"):
            assert metrics[f"final/{name}"] == row[name]


def all_runs(kind: str = "run") -> list[Any]:
    client = MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments, f"tags.`mlp.kind` = '{kind}'"))


def test_settings_given_go_before_recipe_and_suite(
    image_tree: Path, tmp_path: Path, fresh_database: None
) -> None:
    recipe = tmp_path / "quick.yaml"
    recipe.write_text("epochs: 1\nhidden: 4\nimage_size: 8\nlr: 0.5\n")
    suite = {**ARMS, "base": {"hidden": 6, "lr": 0.4, "batch_size": 16}}
    study = mlp.compare(image_tree, suite, recipe=recipe, lr=0.001, seeds=1)
    (plain,) = [run for run in study.evidence.study.runs if run.arm == "plain"]
    config = plain.config
    assert (config.epochs, config.hidden, config.batch_size, config.lr) == (1, (4,), 16, 0.001)


@pytest.mark.parametrize("function", [mlp.compare, mlp.train, mlp.search, mlp.audit])
def test_a_setting_that_there_is_not_is_named_with_those_there_are(function: Any) -> None:
    with pytest.raises(mlp.SettingsError, match=r"^layot: no such.*did you mean layout.*known: "):
        function("digits", layot="flat")
    assert not Path("mlflow.db").exists()


def test_errors_are_those_of_the_settings(image_tree: Path) -> None:
    with pytest.raises(ConfigError, match="epochs: should be greater than or equal to 1; '0' was"):
        mlp.train(epochs=0)
    with pytest.raises(mlp.MlpError, match="epochs: "):
        mlp.RunConfig.parse({"epochs": 0})
    with pytest.raises(mlp.SettingsError, match="there is none of this name"):
        mlp.compare(suite="regularisation-of-mine")
    with pytest.raises(mlp.DataError, match="does not exist"):
        mlp.compare("nowhere")
    with pytest.raises(mlp.SettingsError, match="no such setting"):
        mlp.compare(list=True)
    assert mlp.RunConfig(epochs=5).epochs == 5


def test_the_store_is_the_one_of_the_folder_unless_another_is_set(
    image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _database: Path
) -> None:
    mlflow.set_tracking_uri(None)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(_database, tmp_path / name / "mlflow.db")
        monkeypatch.chdir(tmp_path / name)
        mlp.audit(image_tree)
        assert not mlflow.is_tracking_uri_set() and "MLFLOW_TRACKING_URI" not in os.environ
        assert len(MlflowClient(f"sqlite:///{tmp_path / name}/mlflow.db").search_experiments()) == 2
    set_by_user = f"sqlite:///{(tmp_path / 'one' / 'mlflow.db').as_posix()}"
    mlflow.set_tracking_uri(set_by_user)
    mlp.audit(image_tree)
    assert mlflow.get_tracking_uri() == set_by_user
    assert len(all_runs("audit")) == 2


def test_the_process_is_left_as_it_was(image_tree: Path, fresh_database: None) -> None:
    os.environ["MLFLOW_RUN_ID"] = "of-somebody"  # which the fixture of all tests takes back
    environment, handler = dict(os.environ), signal.getsignal(signal.SIGINT)
    torch.set_num_threads(2)
    try:
        mlp.train(image_tree, **QUICK)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
        left = dict(os.environ)
        del os.environ["MLFLOW_RUN_ID"]
    assert left == environment
    assert signal.getsignal(signal.SIGINT) is handler
    assert [t.name for t in threading.enumerate() if "mlp" in t.name] == []


def test_an_interrupted_study_goes_on(
    image_tree: Path, fresh_database: None, usual_interrupt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0

    def stop(self: Progress, spec: Any, record: Any) -> None:
        nonlocal told
        told += 1
        if told == 5:  # in the second seed; and once more while its runs are being ended
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Progress, "epoch", stop)
        mlp.compare(image_tree, ARMS, seeds=2, executor="serial", **QUICK)
    statuses = [run.info.status for run in all_runs()]
    assert sorted(statuses) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]
    assert [run.info.status for run in all_runs("study")] == ["KILLED"]
    study = mlp.compare(image_tree, ARMS, seeds=2, executor="serial", **QUICK)
    assert list(study.table["n"]) == [2, 2]
    assert sorted(run.info.status for run in all_runs()) == ["FINISHED"] * 4 + ["KILLED"] * 2


def test_a_network_may_be_a_class(
    studied: Studied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "docs" / "networks" / "cnn.py", tmp_path / "own_cnn.py")
    monkeypatch.syspath_prepend(tmp_path)
    (own,) = mlp.train(
        studied.images, network=import_module("own_cnn").CNN, **{"network.dropout": 0.2}, **QUICK
    ).table["mean"]
    (known,) = mlp.train(studied.images, network="cnn", dropout=0.2, **QUICK).table["mean"]
    assert own == known
    with pytest.raises(mlp.NetworkError, match="Empty has no methods"):
        mlp.train(studied.images, network=type("Empty", (torch.nn.Module,), {"forward": len}))
