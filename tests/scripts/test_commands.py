"""The commands as a user types them: what they answer, and how they end."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import get_args

import mlflow
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from mlp import console
from mlp.commands.ablation import ablation
from mlp.commands.audit import audit
from mlp.commands.command import Answer, SettingsCommand, command
from mlp.commands.compare import compare as study
from mlp.commands.evaluate import evaluate
from mlp.commands.init import init
from mlp.commands.launch import begin_with
from mlp.commands.main import COMMANDS
from mlp.commands.predict import predict
from mlp.commands.register import register
from mlp.commands.report import report
from mlp.commands.search import search
from mlp.commands.train import train
from mlp.evidence.comparison import Verdict
from mlp.settings.commands import (
    AuditConfig,
    EvaluateConfig,
    FormatConfig,
    PredictConfig,
    RecipeChoice,
    RegisterConfig,
    ReportChoice,
)
from mlp.settings.study import LanguageConfig, ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.tracking.mlflow.pages import tensorboard
from mlp.tracking.mlflow.store import open_store
from tests.conftest import make_images, project, write_image
from tests.scripts.documents import PAGE, document
from tests.scripts.processes import runs

ROOT = Path(__file__).parents[2]
QUICK = ["--image-size", "8", "--hidden", "8", "--epochs", "2", "--threads", "1"]


STUDY = [RecipeChoice, RunConfig, StudyConfig, TrackingConfig, ReportConfig]
TRAINING = {"train": [RecipeChoice, RunConfig, TrackingConfig, LanguageConfig],
            "ablation": STUDY, "init": STUDY}  # fmt: skip
OTHERS = {"report": [ReportChoice, ReportConfig], "audit": [AuditConfig, LanguageConfig],
          "register": [RegisterConfig, ReportConfig], "predict": [PredictConfig, LanguageConfig],
          "evaluate": [EvaluateConfig, LanguageConfig]}  # fmt: skip


def call(command: SettingsCommand, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


@dataclass(frozen=True)
class Initialized:
    """A study of initializations that was trained once: its options, and what it printed."""

    arguments: list[str]
    folder: Path
    output: str


@pytest.fixture(scope="module")
def _initialized(tmp_path_factory: pytest.TempPathFactory, _database: Path) -> Initialized:
    root = tmp_path_factory.mktemp("initialized")
    arguments = ["--data", str(make_images(root / "colors")), *QUICK]
    with project(root, _database) as work:
        made = call(init, *arguments, "--seeds", "2,5")
    assert made.exit_code == 0, made.output
    return Initialized(arguments, work, made.output)


@pytest.fixture
def initialized(_initialized: Initialized, tmp_path: Path) -> Initialized:
    """The study in the working directory of the test."""
    shutil.copytree(_initialized.folder, tmp_path / "work", dirs_exist_ok=True)
    return _initialized


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--learning-rate", "1"], "No such option '--learning-rate'"),
        (["--lr", "-1"], "--lr: should be greater than 0; '-1' was given"),
        (["--lr", "fast"], "--lr: should be a valid number"),
        (["--dropout", "1.5"], "--dropout: should be less than 1; '1.5' was given"),
        (["--hidden", "0"], "--hidden: should be one or more widths"),
        (["--epochs", "0"], "--epochs: should be greater than or equal to 1; '0' was given"),
        (["--optimizer", "rmsprop"], "--optimizer: should be one of adam, adamw, sgd"),
        (["--batch-norm", "True", "--batch-size", "1"], "batch_norm needs a batch_size"),
        (["--device", "tpu"], "--device: should be one of auto, cpu, cuda"),
        (["--data", ""], "--data: should not be empty; '' was given"),
        (["extra"], "unexpected extra argument"),
        (["--batch-norm", "maybe"], "--batch-norm: should be true or false; 'maybe' was given"),
        (["--batch-norm", ""], "--batch-norm: should be true or false; '' was given"),
        (["--no-batch-norm", "true"], "unexpected extra argument (true)"),
        (["--no-batch-norm=true"], "'--no-batch-norm' does not take a value"),
        (["--retrain", "photos"], "--retrain: should be true or false; 'photos' was given"),
    ],
)
def test_a_wrong_option_ends_with_2_and_one_clear_line(arguments: list[str], told: str) -> None:
    result = call(train, *arguments)
    assert result.exit_code == 2
    assert told in result.output and "Traceback" not in result.output
    assert result.output.strip().splitlines()[-1].startswith("Error: ")
    assert not list(Path().iterdir()), "nothing is written for a wrong command"


@pytest.mark.parametrize(
    ("typed", "batch_norm", "data"),
    [
        ("--batch-norm --data d", True, "d"),
        ("--data d --batch-norm", True, "d"),
        ("--no-batch-norm --data d", False, "d"),
        ("--batch-norm True --data d", True, "d"),
        ("--batch-norm False --data d", False, "d"),
        ("--batch-norm=off --data d", False, "d"),
        ("--batch-norm 0 --data d", False, "d"),
        ("--batch-norm --no-batch-norm --data d", False, "d"),
        ("--no-batch-norm --batch-norm --data d", True, "d"),
        ("--data --batch-norm", False, "--batch-norm"),
    ],
)
def test_a_switch_is_typed_with_or_without_a_value(
    typed: str, batch_norm: bool, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RunConfig] = []
    monkeypatch.setattr(
        "mlp.commands.train.launch", lambda name, recipe, base, *_: made.append(base)
    )
    assert call(train, *typed.split()).exit_code == 0
    assert (made[0].batch_norm, made[0].data) == (batch_norm, data)


MINE = "epochs: 60\nlr: 0.01\ndropout: 0.2\n"


@pytest.mark.parametrize("under_mlflow", [False, True])
def test_options_override_the_recipe_also_with_their_default(
    under_mlflow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `mlflow run`, which passes every parameter, a default gives way; and that is said."""
    made: list[RunConfig] = []

    @command(RecipeChoice, RunConfig)
    def begin(recipe: RecipeChoice, base: RunConfig) -> None:
        made.append(begin_with(recipe, base))

    if under_mlflow:
        monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    Path("mine.yaml").write_text(MINE)
    typed = ["--recipe", "mine.yaml", "--epochs", "20", "--lr", "0.5"]
    result = call(begin, *typed)
    assert result.exit_code == 0, result.output
    epochs = 60 if under_mlflow else 20
    assert made == [RunConfig(epochs=epochs, lr=0.5, dropout=0.2)]
    note = "Note: recipe mine.yaml sets epochs 60, dropout 0.2"
    assert (note in result.output) == under_mlflow
    assert result.output.count("\n") == under_mlflow


def test_options_override_the_base_settings_of_a_suite(
    image_tree: Path, fresh_database: None
) -> None:
    suite = (
        "base: {batch_size: 8, hidden: [4]}\narms: [{name: one}, {name: two, changes: {lr: 0.1}}]"
    )
    Path("mine.yaml").write_text(suite)
    options = ["--data", str(image_tree), "--epochs", "1", "--seeds", "1", "--image-size", "8"]
    result = call(study, "--suite", "mine.yaml", *options, "--batch-size", "32")
    assert result.exit_code == 0, result.output
    recorded = mlflow.search_runs(experiment_names=["mlp"])
    assert set(recorded["params.batch_size"]) == {"32"}
    assert set(recorded["params.hidden"]) == {"4"}


def test_a_folder_for_events_that_is_a_file_is_refused_before_training(
    image_tree: Path,
) -> None:
    Path("taken").touch()
    for folder in ("taken", "taken/below"):
        result = call(train, "--data", str(image_tree), *QUICK, "--runs-dir", folder)
        assert result.exit_code == 2 and not Path("mlflow.db").exists()
        assert result.output.splitlines()[-1].startswith(f"Error: runs_dir: '{folder}' cannot be")


def test_a_training_that_does_not_fit_into_memory_is_refused_with_its_settings(
    image_tree: Path,
) -> None:
    large = ["--hidden", ",".join(["65536"] * 40), "--image-size", "8"]
    result = call(train, "--data", str(image_tree), *large)
    assert result.exit_code == 2 and not Path("mlflow.db").exists()
    said = result.output.splitlines()[-1]
    assert said.startswith("Error: not enough memory: hidden 65536,") and "GiB are there" in said


def test_an_arm_that_the_base_makes_invalid_is_named() -> None:
    result = call(ablation, "--batch-size", "1")
    assert result.exit_code == 2
    assert "arm 'batch-norm': batch_norm needs a batch_size of at least 2" in result.output


def test_seeds_are_checked() -> None:
    for wrong in ("0", "x", "1,1"):
        result = call(init, "--seeds", wrong)
        assert result.exit_code == 2 and "seeds" in result.output


def _missing(root: Path) -> str:
    return "does not exist"


def _empty(root: Path) -> str:
    root.mkdir()
    return "no images found"


def _no_image(root: Path) -> str:
    (root / "train" / "a").mkdir(parents=True)
    (root / "train" / "a" / "notes.txt").write_text("nothing")
    return "no images found"


def _one_class(root: Path) -> str:
    _images(root / "train" / "only", 4)
    return "of one class ('only')"


def _class_without_training(root: Path) -> str:
    for name in ("a", "b"):
        _images(root / "train" / name, 4)
    _images(root / "val" / "c", 4)
    return "classes that train/ lacks: c"


def _too_many_damaged(root: Path) -> str:
    for name in ("a", "b"):
        _images(root / "train" / name, 4)
        _images(root / "val" / name, 4)
    for number in range(2):
        whole = (root / "train" / "a" / f"{number}.png").read_bytes()
        (root / "train" / "a" / f"{number}.png").write_bytes(whole[: len(whole) // 2])
    return "2 of 16 images cannot be used, more than a tenth"


def _images(folder: Path, count: int) -> None:
    import numpy as np

    rng = np.random.default_rng(len(str(folder)))
    for number in range(count):
        write_image(folder / f"{number}.png", rng.integers(0, 256, (9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    "make",
    [_missing, _empty, _no_image, _one_class, _class_without_training, _too_many_damaged],
)
def test_unusable_data_end_with_1_and_a_message_that_names_them(
    make: object, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    told = make(root)  # type: ignore[operator]
    result = call(train, "--data", str(root))
    assert result.exit_code == 1
    assert told in result.output and "pictures" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "work" / "mlflow.db").exists()


def test_a_few_bad_files_are_listed_and_left_out(image_tree: Path, fresh_database: None) -> None:
    (image_tree / "train" / "red" / "text.jpg").write_text("not a picture")
    whole = (image_tree / "val" / "red" / "0.png").read_bytes()
    (image_tree / "val" / "red" / "cut.png").write_bytes(whole[: len(whole) // 2])
    result = call(train, "--data", str(image_tree), *QUICK)
    assert result.exit_code == 0, result.output
    note = next(line for line in result.output.splitlines() if "left out" in line)
    assert "2 of 56 images" in note
    assert "train/red/text.jpg: not an image" in note and "val/red/cut.png: damaged" in note


def test_train_records_one_run_and_repeating_it_trains_nothing(
    image_tree: Path, fresh_database: None
) -> None:
    arguments = ["--data", str(image_tree), *QUICK]
    first = call(train, *arguments)
    assert first.exit_code == 0, first.output
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mlp")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_id in first.output
    assert "mlflow.parentRunId" not in run.data.tags
    assert (
        "mlflow ui" in first.output
        and tensorboard(next(Path("runs").glob("training-*"))) in first.output
    )

    again = call(train, *arguments)
    assert again.exit_code == 0 and "1 of 1 runs are recorded already" in again.output
    assert _table(again) == _table(first)
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 2 and run.info.run_id in runs[0].data.tags["mlflow.note.content"]

    afresh = call(train, *arguments, "--retrain", "true")
    assert afresh.exit_code == 0 and _table(afresh) == _table(first)
    newest = client.search_runs([experiment.experiment_id])[0]
    assert newest.data.metrics["final/accuracy"] == run.data.metrics["final/accuracy"]


def test_what_is_to_be_typed_works_from_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    words = shlex.split(tensorboard(Path("my runs")))
    assert words == ["tensorboard", "--logdir", str(tmp_path / "work" / "my runs")]
    mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
    folder.mkdir()
    shown = open_store("").how_to_open("#").splitlines()[0].removeprefix("MLflow:")
    words = shlex.split(shown)
    assert words == ["mlflow", "ui", "--backend-store-uri", mlflow.get_tracking_uri()]


def test_what_is_given_names_the_experiment_then_the_environment(
    fresh_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def name(given: str, name: str = "", number: str = "") -> str:
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", number)
        store = open_store(given)
        return str(store.client.get_experiment(store.experiment_id).name)

    assert name("") == "mlp"
    assert name("", name="skin") == "skin"
    assert name("", number="0") == name("", "Default", "0") == "Default"
    assert name("mine", name="skin") == "mine"
    assert name("mlp", "skin", "0") == "mlp"
    with pytest.raises(MlflowException, match="No Experiment with id=77 exists"):
        name("", number="77")
    with pytest.raises(MlflowException, match="called 'Default', and MLFLOW_EXPERIMENT_NAME is"):
        name("", "skin", "0")


def _table(result: Result | Initialized) -> list[str]:
    lines = result.output.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("---"))
    return lines[start : lines.index("", start)]


def test_a_recipe_is_what_a_training_begins_with(image_tree: Path, fresh_database: None) -> None:
    arguments = ["--data", str(image_tree), *QUICK, "--recipe", "strong"]
    result = call(train, *arguments)
    assert result.exit_code == 0, result.output
    params = mlflow.search_runs(experiment_names=["mlp"]).iloc[0].filter(like="params.").to_dict()
    assert params["params.network"] == "mixer" and params["params.mixup"] == "0.3"
    assert params["params.epochs"] == "2" and params["params.hidden"] == "8"  # as given
    where = [mlflow.get_experiment_by_name("mlp").experiment_id]
    [model] = mlflow.search_logged_models(where, output_format="list")
    picture = str(next((image_tree / "val").rglob("*.png")))
    found = call(predict, picture, "--model", f"models:/{model.model_id}")
    assert found.exit_code == 0, found.output


def test_a_study_shows_its_table_and_a_training_that_was_part_of_it_is_known(
    initialized: Initialized,
) -> None:
    assert [line.split()[:2] for line in _table(initialized)[1:]] == [
        [name, "2"] for name in ("he", "xavier", "default", "normal", "uniform", "constant")
    ]
    alone = call(train, *initialized.arguments, "--seed", "5", "--init", "xavier")
    assert "1 of 1 runs are recorded already" in alone.output
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mlp").experiment_id
    copy = client.search_runs([experiment])[0]
    (child,) = client.search_runs(
        [experiment], "tags.`mlp.arm` = 'xavier' and tags.`mlp.seed` = '5'"
    )
    assert copy.info.status == child.info.status == "FINISHED"
    assert copy.data.metrics == child.data.metrics and len(copy.data.metrics) > 20
    assert child.info.run_id in copy.data.tags["mlflow.note.content"]
    assert {f.path for f in client.list_artifacts(copy.info.run_id)} >= {
        f.path for f in client.list_artifacts(child.info.run_id)
    }
    assert copy.outputs.model_outputs[0].model_id == child.outputs.model_outputs[0].model_id
    folders = [p.name for p in Path("runs").iterdir() if p.name.startswith("initialization")]
    assert len(folders) == 1
    arms = Path("runs") / folders[0] / "arms"
    assert str(Path(folders[0], "arms")) in initialized.output  # in a command for TensorBoard
    assert {p.name for p in arms.iterdir()} - {"the report"} == {
        "he", "xavier", "default", "normal", "uniform", "constant"
    }  # fmt: skip
    assert {p.name for p in (arms.parent / "runs").iterdir()} == {
        f"{name}-seed{seed}"
        for name in ("he", "xavier", "default", "normal", "uniform", "constant")
        for seed in (2, 5)
    }
    parent = MlflowClient().search_runs(
        [MlflowClient().get_experiment_by_name("mlp").experiment_id],
        "tags.`mlp.kind` = 'study'",
    )[0]
    (data,), (of_run,) = parent.inputs.dataset_inputs, child.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("colors", of_run.dataset.digest)
    contents = json.loads(mlflow.artifacts.load_text(parent.info.artifact_uri + "/study.json"))
    assert len(contents["runs"]) == 12


def test_a_command_with_nothing_to_report_ends_with_1_and_says_why(
    image_tree: Path, fresh_database: None
) -> None:
    Path("wild.yaml").write_text(
        "question: Which?\nbase: {optimizer: sgd, lr: 1000.0, weight_decay: 1000.0}\n"
        "arms:\n  - name: one\n  - name: two\n    changes: {dropout: 0.1}\n"
    )
    Path("space.yaml").write_text(
        "base: {optimizer: sgd, weight_decay: 1000.0, batch_size: 4}\n"
        "space:\n  lr: [1000.0, 900.0]\n"
    )
    data = ["--data", str(image_tree), *QUICK]
    wild = ["--suite", "wild.yaml", "--seeds", "1"]
    found = ["--space", "space.yaml", "--trials", "2", "--folds", "2", "--sampler", "random"]
    commands: list[tuple[SettingsCommand, list[str], str]] = [
        (study, [*data, *wild], "has no finished run: 2 FAILED (the first: one, seed 0: "),
        (study, [*data, *wild], "has no finished run: 2 FAILED"),
        (report, [], "has no finished run: 2 FAILED"),
        (register, [], "has no finished run"),
        (search, [*data, *found], "no trial of 2 has a score; the first: "),
    ]
    for chosen, arguments, told in commands:
        result = call(chosen, *arguments)
        assert result.exit_code == 1, result.output
        last = result.output.strip().splitlines()[-1]
        assert last.startswith("Error: ") and told in last
    assert {run.info.status for run in runs(Path(), "study")} == {"FAILED"}


def test_a_store_that_mlflow_refuses_is_named(
    image_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow.set_tracking_uri(Path("old").resolve().as_uri())
    result = call(train, "--data", str(image_tree), *QUICK)
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1].startswith("Error: MLflow: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [*TRAINING, *OTHERS])
def test_help_shows_every_setting_and_imports_nothing_slow(command: str) -> None:
    program = (
        "import sys, runpy\n"
        f"sys.argv = ['{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('scripts.{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print('slow:', sorted({'torch', 'mlflow', 'sklearn', 'cv2'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("slow: []")
    for group in (TRAINING | OTHERS)[command]:
        for name in group.model_fields:
            shown = "[IMAGES]..." if name == "images" else f"--{name.replace('_', '-')} "
            assert shown in done.stdout


def test_a_report_is_written_again_and_two_studies_compared(initialized: Initialized) -> None:
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mlp").experiment_id
    (first,) = client.search_runs([experiment], "tags.`mlp.kind` = 'study'")
    shown = initialized.output.split("\n\n")[1]

    again = call(report, "--experiment-name", "mlp")
    assert again.exit_code == 0, again.output
    assert shown in again.output and first.info.run_id in again.output
    spanish = call(report, "--lang", "es", "--metric", "macro_f1", "--study", first.info.run_id)
    assert "brazo" in spanish.output and "F1 macro" in spanish.output
    note = client.get_run(first.info.run_id).data.tags["mlflow.note.content"]
    assert note.startswith("## ¿Cuánto importa la inicialización")

    other = call(init, *initialized.arguments, "--seeds", "1", "--lr", "0.01", "--folds", "2")
    assert other.exit_code == 0 and "2 folds" in other.output
    compared = call(report, "--compare", first.info.run_id)
    assert compared.exit_code == 0, compared.output
    assert "Settings that differ: lr 0.01 → 0.001." in compared.output
    assert "Not paired" in compared.output and "constant" in compared.output
    (made,) = client.search_runs([experiment], "tags.`mlp.kind` = 'comparison'")
    assert made.info.status == "FINISHED"
    assert first.info.run_id in made.data.tags["mlflow.note.content"]


def test_a_report_on_nothing_ends_with_1_and_says_what_to_run(fresh_database: None) -> None:
    result = call(report)
    assert result.exit_code == 1 and "run train, ablation or init first" in result.output
    result = call(report, "--study", "abc", "--metric", "auc")
    assert result.exit_code == 2 and "should be one of accuracy, macro_f1" in result.output


def test_leaks_can_end_a_study_or_be_left_out(image_tree: Path, fresh_database: None) -> None:
    copy = image_tree / "val" / "red" / "copy.png"
    copy.write_bytes((image_tree / "train" / "red" / "0.png").read_bytes())
    arguments = ["--data", str(image_tree), *QUICK]
    result = call(train, *arguments, "--on-leak", "error")
    assert result.exit_code == 1 and "val/red/copy.png: a copy of train/red/0.png" in result.output
    shown = call(train, *arguments)
    assert shown.exit_code == 0 and "on unseen images" in shown.output
    dropped = call(train, *arguments, "--on-leak", "drop")
    assert dropped.exit_code == 0 and "1 validation or test images left out" in dropped.output
    assert "unseen" not in dropped.output
    fold = call(train, *arguments, "--on-leak", "error", "--fold", "1/3")
    assert fold.exit_code == 0 and "copies of an image in one fold" in fold.output


def test_a_metric_that_the_split_does_not_define_is_refused_before_and_after_training(
    image_tree: Path, fresh_database: None
) -> None:
    for name in ("blue", "green"):
        shutil.rmtree(image_tree / "val" / name)
    arguments = ["--data", str(image_tree), *QUICK, "--seeds", "1"]
    told = "metric: roc_auc compares images of a class with those of others"
    refused = call(init, *arguments, "--metric", "roc_auc")
    assert refused.exit_code == 2 and told in refused.output.splitlines()[-1]
    assert not mlflow.search_runs(search_all_experiments=True).size
    Path("two.yaml").write_text(
        "question: Which?\narms: [{name: he}, {name: xavier, changes: {init: xavier}}]"
    )
    trained = call(study, *arguments, "--suite", "two.yaml", "--metric", "macro_f1")
    assert trained.exit_code == 0, trained.output
    for again in (report, register):
        result = call(again, "--metric", "roc_auc")
        assert result.exit_code == 2 and told in result.output.splitlines()[-1]
        assert "seed 0, are all of class 'red'" in result.output
    where = [mlflow.get_experiment_by_name("mlp").experiment_id]
    model = mlflow.search_logged_models(where, output_format="list")[0].model_id
    shown = call(evaluate, "--model", f"models:/{model}", "--data", str(image_tree))
    assert shown.exit_code == 0
    assert "Note: all images are of class 'red': no roc_auc." in shown.output


def test_a_metric_is_refused_for_the_seed_that_draws_no_image_of_a_class(
    tmp_path: Path, fresh_database: None
) -> None:
    root = tmp_path / "rare"
    _images(root / "often", 40)
    _images(root / "rare", 2)
    arguments = ["--data", str(root), *QUICK, "--seeds", "1", "--seed", "0"]
    result = call(init, *arguments, "--metric", "roc_auc")
    assert result.exit_code == 2 and "images of seed 0 are all of class 'often'" in result.output


def test_an_audit_is_recorded_and_strict_ends_with_3(
    image_tree: Path, fresh_database: None
) -> None:
    copy = image_tree / "val" / "red" / "copy.png"
    copy.write_bytes((image_tree / "train" / "red" / "0.png").read_bytes())
    result = call(audit, "--data", str(image_tree))
    assert result.exit_code == 0, result.output
    assert "train/red/0.png = val/red/copy.png" in result.output
    assert call(audit, "--data", str(image_tree), "--strict", "true").exit_code == 3
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mlp").experiment_id
    runs = client.search_runs([experiment], "tags.`mlp.kind` = 'audit'")
    assert len(runs) == 2 and {run.info.status for run in runs} == {"FINISHED"}
    files = {f.path for f in client.list_artifacts(runs[0].info.run_id)}
    assert files == {"audit.html", "audit.csv", "audit.md"}
    assert "1 x the same file" in runs[0].data.tags["mlflow.note.content"]
    missing = call(audit, "--data", str(image_tree / "nowhere"))
    assert missing.exit_code == 1 and "does not exist" in missing.output


def test_json_of_a_study_is_one_document_with_the_numbers_of_its_report(
    initialized: Initialized,
) -> None:
    repeated = call(init, *initialized.arguments, "--seeds", "2,5", "--format", "json")
    assert repeated.exit_code == 0 and "recorded already: not trained again" in repeated.stderr
    made = document(repeated)
    names = [made["baseline"], *(arm["name"] for arm in made["arms"])]
    assert [*made["scores"]] == names and made["pairs"] == [
        {"seed": 2, "fold": "none"},
        {"seed": 5, "fold": "none"},
    ]
    # Two seeds give no interval: null stands for what is no number
    assert all(arm["low"] is None and arm["verdict"] == "undecided" for arm in made["arms"])
    for name in names:
        assert f"{100 * made['scores'][name]:.1f}" in initialized.output
    told = call(report, "--format", "json")
    assert document(told) == made and told.stderr == ""
    run = MlflowClient().get_run(made["study"]["run_id"])
    kept = Path(mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/comparison.json"))
    assert json.loads(kept.read_text()) == {k: v for k, v in made.items() if k != "tracking_uri"}

    other = call(report, "--compare", run.info.run_id, "--format", "json")
    compared = document(other)
    assert compared["kind"] == "two studies" and not compared["paired"]  # of fewer than three seeds
    assert compared["scores"] == {name: [made["scores"][name]] * 2 for name in names}


@pytest.mark.parametrize(("wanted", "shown"), [("text", "a table\n"), ("json", '{"a": null}\n')])
def test_the_answer_comes_alone_and_before_what_is_amiss(wanted: str, shown: str) -> None:
    @command(FormatConfig)
    def failing() -> Answer:
        print("progress")
        return Answer("a table", {"a": None}, failure="no run finished")

    result = call(failing, "--format", wanted)
    assert result.exit_code == 1 and result.stderr.endswith("Error: no run finished\n")
    assert result.stdout == "progress\n" * (wanted == "text") + shown
    assert ("progress" in result.stderr) == (wanted == "json")


def test_json_of_an_audit_has_its_findings_and_its_exit_code(
    image_tree: Path, fresh_database: None
) -> None:
    copied = image_tree / "val" / "red" / "copy.png"
    shutil.copy(image_tree / "train" / "red" / "0.png", copied)
    found = call(audit, "--data", str(image_tree), "--strict", "--format", "json")
    assert found.exit_code == 3, found.output
    made = document(found)
    (leak,) = (finding for finding in made["findings"] if finding["kind"] == "leak")
    assert leak["paths"] == ["train/red/0.png", "val/red/copy.png"]
    assert made["images"] == 55 and made["counts"]["val"] == {"blue": 6, "green": 6, "red": 7}
    (run,) = runs(Path(), "audit")
    assert made["run_id"] == run.info.run_id


def test_json_lists_the_suites_and_is_left_out_where_there_is_no_answer() -> None:
    made = document(call(study, "--list", "--format", "json"))
    assert made["suites"]["optimizer"][:2] == ["adam", "adamw"]
    wrong = call(audit, "--data", "nowhere", "--format", "json")
    assert wrong.exit_code == 1 and wrong.stdout == "" and "nowhere" in wrong.stderr


def test_the_page_for_programs_has_every_verdict() -> None:
    page = PAGE[PAGE.index("| verdict |") :]
    shown = re.findall(r"^\| `([\w ]+)` \|", page[: page.index("###")], re.M)
    assert shown == list(get_args(Verdict))


def test_the_program_lists_its_commands_without_importing_them() -> None:
    code = (
        "import sys; from mlp.commands.main import main; main(['--help'], standalone_mode=False)\n"
        "print(*{'torch', 'mlflow', 'numpy', 'pydantic'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == ""
    assert set(re.findall(r"^  (\w+)  ", done.stdout, re.M)) == set(COMMANDS)
    assert "compare   Compare the arms of a suite." in done.stdout


@pytest.mark.parametrize(
    ("started", "shown"),
    [("scripts.ablation", "python -m scripts.predict"), (None, "mlp predict")],
)
def test_a_command_to_be_typed_is_typed_as_the_one_that_was_started(
    started: str | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = started and ModuleSpec(started, None)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    assert console.typed("predict") == shown
