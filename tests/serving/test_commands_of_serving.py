"""register, predict and evaluate as a user types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp.commands.command import SettingsCommand
from mlp.commands.evaluate import evaluate
from mlp.commands.predict import predict
from mlp.commands.register import register
from mlp.serving.loading import load_packaged
from mlp.tracking.mlflow.store import Store
from tests.scripts.documents import document
from tests.serving.conftest import Trained


def call(command: SettingsCommand, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_register_shows_what_it_did_and_how_to_undo_it(trained: Trained, store: Store) -> None:
    first = call(register, "--study", trained.weak)
    assert first.exit_code == 0, first.output
    assert first.output.startswith("colors version 1, champion and challenger\n")
    assert "Champion: it is the first." in first.output
    second = call(register)  # the latest study
    assert second.exit_code == 0, second.output
    assert "Champion: it beats version 1 with" in second.output
    assert "on 60 validation images that neither trained on" in second.output
    assert "1 validation images are copies of training images" in second.output
    assert "On the 16 test images (1 of them copies of training images)" in second.output
    assert "mlflow models serve -m 'models:/colors@champion'" in second.output
    worse = call(register, "--study", trained.weak)
    again = "colors version 1, challenger (it was registered already as version 1"
    assert worse.output.startswith(again)
    assert "Version 2 stays champion: this one does not beat it" in worse.output
    undone = call(register, "--name", "colors", "--undo", "true")
    assert undone.exit_code == 0 and "version 2 is no longer registered" in undone.output
    assert "--name 'colors' --undo true" in second.output


def test_register_describes_the_version_and_keeps_its_test(trained: Trained, store: Store) -> None:
    made = call(register, "--metric", "log_loss", "--pick", "ensemble", "--name", "mine")
    assert made.exit_code == 0, made.output
    client = MlflowClient()
    version = client.get_model_version_by_alias("mine", "champion")
    assert f"runs/{trained.strong}" in version.description  # the report's link
    for words in ("log loss", "mean of the probabilities of all 3 runs", "digest", "95% interval",
                  "On the 16 test images", "3 classes: blue, green, red"):  # fmt: skip
        assert words in version.description
    assert version.tags["mlp.pick"] == "ensemble" and len(version.tags["mlp.runs"].split(",")) == 3
    (run,) = client.search_runs([store.experiment_id], "tags.`mlp.kind` = 'registration'")
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test/accuracy"] == float(version.tags["test.accuracy"])
    assert {f.path for f in client.list_artifacts(run.info.run_id, "test")} >= {
        f"test/{name}"
        for name in ("confusion_matrix.png", "explanations.png", "predictions.parquet")
    }


def test_register_without_a_study_says_what_to_run(fresh_database: None) -> None:
    result = call(register)
    assert result.exit_code == 1 and "run train, ablation or init first" in result.output
    result = call(register, "--name", "nobody", "--undo", "true")
    assert result.exit_code == 1 and "no version of 'nobody' is registered" in result.output
    result = call(register, "--pick", "best")
    assert result.exit_code == 2 and "--pick: should be one of median, ensemble" in result.output


def test_predict_answers_and_its_exit_code_says_whether_all_were_read(
    trained: Trained, store: Store
) -> None:
    call(register)
    folder = trained.images / "val" / "green"
    whole = call(predict, str(folder), "--format", "csv")
    assert whole.exit_code == 0, whole.output
    assert whole.stderr.strip() == "colors version 1: 20 of 20 images classified"
    rows = list(csv.DictReader(io.StringIO(whole.stdout)))
    assert len(rows) == 20 and sum(row["label"] == "green" for row in rows) >= 18
    Path("broken.png").write_bytes(b"no image")
    partly = call(predict, "broken.png", str(folder / "0.png"), "--format", "json", "--top-k", "1")
    assert partly.exit_code == 3
    broken, good = json.loads(partly.stdout)
    assert "not an image" in broken["error"] and good["top_labels"] == [good["label"]]
    pictured = call(predict, str(folder / "0.png"), "--explain", "why")
    assert pictured.exit_code == 0 and len(list(Path("why").rglob("*.png"))) == 1
    nothing = call(predict)
    assert nothing.exit_code == 1 and "nothing was given; give image files" in nothing.output
    wrong = call(predict, "--model", "models:/other@champion", str(folder))
    assert wrong.exit_code == 1 and "no model at 'models:/other@champion'" in wrong.output


@pytest.mark.parametrize(
    ("part", "images", "seen"),
    [("auto", 16, 1), ("val", 61, 1), ("train", 36, 36), ("all", 113, 38)],
)
def test_evaluate_records_scores_and_pictures_as_a_run(
    trained: Trained, store: Store, part: str, images: int, seen: int
) -> None:
    call(register)
    made = call(evaluate, "--data", str(trained.images), "--part", part)
    assert made.exit_code == 0, made.output
    assert f"{images} images" in made.output
    assert f"the model was trained on {seen} of these images" in made.output
    client = MlflowClient()
    (run,) = client.search_runs([store.experiment_id], "tags.`mlp.kind` = 'evaluation'")
    metrics = run.data.metrics
    assert (metrics["evaluation/images"], metrics["evaluation/trained_on"]) == (images, seen)
    assert (
        metrics["evaluation/accuracy_low"]
        <= metrics["evaluation/accuracy"]
        <= metrics["evaluation/accuracy_high"]
    )
    if part == "auto":  # what was measured when the model was registered
        version = load_packaged(store).version
        assert version is not None
        assert float(version.tags["test.accuracy"]) == metrics["evaluation/accuracy"]
    files = {f.path for f in client.list_artifacts(run.info.run_id)}
    assert files >= {"confusion_matrix.png", "mistakes.png", "explanations.png", "first_layer.png",
                     "scores.json", "predictions.parquet"}  # fmt: skip
    (folder,) = Path("runs").glob("evaluation-colors-*")
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    assert {"evaluation/explanations", "model/first_layer"} <= set(events.Tags()["images"])
    assert events.Scalars("evaluation/accuracy")[0].value == pytest.approx(
        metrics["evaluation/accuracy"]
    )


def test_evaluate_names_classes_that_the_model_lacks_and_splits_that_are_not(
    trained: Trained, store: Store
) -> None:
    call(register)
    unknown = call(evaluate)  # on digits
    assert unknown.exit_code == 1
    assert "the model does not know 0, 1, 2" in unknown.output
    assert "it knows blue, green, red" in unknown.output
    lacking = call(evaluate, "--data", str(trained.images / "val"), "--part", "test")
    assert lacking.exit_code == 1 and "has no test split, but no split at all" in lacking.output
    (broken := Path("few") / "red" / "0.png").parent.mkdir(parents=True)
    broken.write_bytes(b"no image")
    unread = call(evaluate, "--data", "few")
    assert unread.exit_code == 1 and "none of its 1 images can be used" in unread.output


def test_json_of_register_and_evaluate(trained: Trained, store: Store) -> None:
    first = document(call(register, "--study", trained.weak, "--format", "json"))
    assert (first["version"], first["champion_before"], first["challenge"]) == (1, None, None)
    second = document(call(register, "--format", "json"))
    assert second["aliases"] == ["champion", "challenger"] and second["champion_before"] == 1
    challenge = second["challenge"]
    assert challenge["won"] and challenge["images"] == 60
    gain = challenge["challenger"] - challenge["champion"]
    assert challenge["difference"] == gain and challenge["low"] <= gain <= challenge["high"]
    assert (second["test"]["images"], second["test"]["copies"]) == (16, 1)
    model = load_packaged(store)
    assert model.version is not None and model.run_ids == second["runs"]

    answer = call(evaluate, "--data", str(trained.images), "--part", "test", "--format", "json")
    made = document(answer)
    assert (made["images"], made["trained_on"]) == (16, 1)
    assert made["scores"]["accuracy"]["value"] == second["test"]["accuracy"]
    ends = made["scores"]["accuracy"]
    assert ends["low"] <= ends["value"] <= ends["high"]
    assert store.client.get_run(made["run_id"]).data.metrics["evaluation/images"] == 16

    undone = document(call(register, "--name", "colors", "--undo", "true", "--format", "json"))
    assert undone["said"][0].startswith("colors version 2 is no longer registered")
