"""What a study records, read back through MLflow's and TensorBoard's own readers."""

from __future__ import annotations

import base64
import json
import os
import pickletools
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from mlp.data.dataset import open_index
from mlp.data.normalization import normalize
from mlp.report import report
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.plan import Study, plan
from mlp.study.suite import Suite
from mlp.tracking.memory import MemoryRun
from mlp.tracking.mlflow.environment import take_adopted_run
from mlp.tracking.mlflow.names import COPIED, KIND, NOTE, PROCESS, REPORT, STUDY
from mlp.tracking.mlflow.store import Store, open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
from tests.tracking.conftest import QUICK, SUITE, Trained, train

EPOCH_METRICS = {
    "train/loss",
    "train/accuracy",
    "val/loss",
    "val/accuracy",
    "val/macro_f1",
    "val/balanced_accuracy",
    "gap/accuracy",
    "optim/lr",
    "optim/gradient_norm",
    "time/epoch_seconds",
}
FINAL_METRICS = {
    f"final/{name}"
    for name in (
        "accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "specificity",
        "macro_f1",
        "roc_auc",
        "log_loss",
        "calibration_error",
        "train_accuracy",
        "gap_accuracy",
    )
} | {"facts/distinct_units", "facts/epochs", "facts/kept_epoch"}
ARTIFACTS = {
    "confusion_matrix.png",
    "classification_report.txt",
    "scores.json",
    "predictions.parquet",
    "curves.png",
    "mistakes.png",
    "tensorboard",
}
OF_THE_FIRST_SEED = {"explanations.png", "first_layer.png", "predictions.png", "images"}


@pytest.fixture
def study(image_tree: Path) -> Study:
    base = RunConfig.parse({"data": str(image_tree), **QUICK})
    return plan(SUITE, base, (0, 1), open_index(base.data))


@pytest.fixture
def store(fresh_database: None) -> Iterator[Store]:
    yield open_store("tests")


def children(client: MlflowClient, parent: str, experiment_id: str) -> dict[str, Run]:
    found = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {run.info.run_name: run for run in found}


def finished(trained: Trained) -> Iterator[tuple[Run, MemoryRun]]:
    """Each run that ended well, as MLflow has it and as it was in memory."""
    runs = children(trained.store.client, trained.run_id, trained.store.experiment_id)
    for name, recorded in trained.in_memory.items():
        if recorded.spec.arm != "wild":
            yield runs[name], recorded


def events_of(trained: Trained, run: Run) -> EventAccumulator:
    return _events(Path("runs") / trained.study.label / "runs" / run.info.run_name)


def test_a_study_records_each_run_and_how_it_ended(trained: Trained) -> None:
    runs = children(trained.store.client, trained.run_id, trained.store.experiment_id)
    assert (
        set(runs)
        == set(trained.in_memory)
        == {f"{arm}-seed{seed}" for arm in ("baseline", "drop=0.3", "wild") for seed in (0, 1)}
    )
    for made in runs.values():
        if made.info.run_name.startswith("wild"):
            assert made.info.status == "FAILED"
            told = made.data.tags["mlp.diverged"]
            assert "finite" in told or "loss" in told
        else:
            assert made.info.status == "FINISHED"


def test_a_run_records_its_settings_and_data(trained: Trained) -> None:
    for made, recorded in finished(trained):
        params = made.data.params
        assert {k: params[k] for k in RunConfig.model_fields} == recorded.spec.config.as_text()
        assert params["class_count"] == "3" and params["data_name"] == "colors"
        weights = (192 + 1) * 16 + (16 + 1) * 8 + (8 + 1) * 3
        assert params["parameter_count"] == str(weights)
        assert made.inputs.dataset_inputs[0].dataset.digest == params["data_digest"]


def test_a_run_records_what_there_was_before_training(trained: Trained) -> None:
    for made, recorded in finished(trained):
        (initial,) = (r.metrics for r in recorded.epochs if r.epoch == 0)
        assert len(initial) == 14 and all(name.startswith("init/") for name in initial)
        assert set(made.data.metrics) == EPOCH_METRICS | FINAL_METRICS | set(initial)
        for metric, value in initial.items():
            (logged,) = trained.store.client.get_metric_history(made.info.run_id, metric)
            assert (logged.step, logged.value) == (0, value)


def test_mlflow_and_tensorboard_have_the_same_numbers_of_each_epoch(trained: Trained) -> None:
    client = trained.store.client
    for made, recorded in finished(trained):
        events = events_of(trained, made)
        for metric in EPOCH_METRICS:
            history = client.get_metric_history(made.info.run_id, metric)
            values = {m.step: m.value for m in history}
            expected = {r.epoch: r.metrics[metric] for r in recorded.epochs if r.epoch}
            if not metric.startswith("time/"):
                assert values == expected
            shown = {e.step: e.value for e in events.Scalars(metric)}
            assert shown == pytest.approx(values, rel=1e-6)
        for metric in FINAL_METRICS:
            (event,) = events.Scalars(metric)
            (logged,) = client.get_metric_history(made.info.run_id, metric)
            assert (event.step, event.value) == (logged.step, pytest.approx(logged.value))


def test_tensorboard_has_pictures_histograms_and_texts(trained: Trained) -> None:
    for made, recorded in finished(trained):
        events = events_of(trained, made)
        tags = events.Tags()
        both = {"weights/1.weight", "gradients/1.weight"} <= set(tags["histograms"])
        assert both == recorded.spec.shown
        steps = [e.step for e in events.Histograms("weights/1.weight")]
        assert steps[:2] == [0, 1] if recorded.spec.shown else steps == [0]
        assert "custom_scalars__config__" in tags["tensors"]
        assert "classification_report/text_summary" in tags["tensors"]
        texts = set(tags["tensors"]) | set(events.summary_metadata)
        assert {"config/text_summary", "_hparams_/session_start_info"} <= texts
        assert recorded.spec.shown == ("pr/red" in texts) == (recorded.spec.config.seed == 0)
        if not recorded.spec.shown:
            assert not tags["images"]  # it has them as files
            continue
        frames = [e.step for e in events.Images("validation/predictions")]
        last = recorded.epochs[-1].epoch
        assert frames == [epoch for epoch in (0, 1, 5) if epoch < last] + [last]
        listed = trained.store.client.list_artifacts(made.info.run_id, "images")
        slides = " ".join(f.path for f in listed)
        assert all(f"predictions+step+{epoch}+" in slides for epoch in frames)
        assert set(tags["images"]) == {
            "model/first_layer",
            *(f"validation/{n}" for n in ("mistakes", "predictions", "confusion_matrix")),
            "validation/explanations",
        }


def test_a_run_has_its_files_scores_and_predictions(trained: Trained) -> None:
    client = trained.store.client
    for made, recorded in finished(trained):
        files = {f.path for f in client.list_artifacts(made.info.run_id)}
        assert files == ARTIFACTS | (OF_THE_FIRST_SEED if recorded.spec.shown else set())
        assert recorded.result is not None
        scores = json.loads(mlflow.artifacts.load_text(made.info.artifact_uri + "/scores.json"))
        assert scores == {**recorded.result.scores, **recorded.result.facts}
        table = pd.read_parquet(client.download_artifacts(made.info.run_id, "predictions.parquet"))
        assert list(table["id"]) == list(recorded.result.evaluation.ids)
        assert (
            table["probabilities"].map(list).tolist()
            == recorded.result.evaluation.probabilities.tolist()
        )


def test_the_archived_events_hold_what_the_last_hidden_layer_says(trained: Trained) -> None:
    for made, recorded in finished(trained):
        archived = trained.store.client.download_artifacts(made.info.run_id, "tensorboard")
        assert sorted(p.name for p in Path(archived).iterdir()) == sorted(
            p.name
            for p in (Path("runs") / trained.study.label / "runs" / made.info.run_name).iterdir()
        )
        assert recorded.result is not None
        if not recorded.spec.shown:
            assert not list(Path(archived).rglob("tensors.tsv"))
            continue
        (points,) = Path(archived).rglob("tensors.tsv")
        network = recorded.result.ensemble.members[0].network.double()
        kept = recorded.result.ensemble.members[0]
        pixels = normalize(recorded.result.images, kept.normalization).double()
        hidden = network.eval().net[:-1](pixels).detach().numpy()
        np.testing.assert_allclose(np.loadtxt(points), hidden, rtol=1e-3, atol=1e-4)
        network.float()
        told = (points.parent / "metadata.tsv").read_text().splitlines()
        names = np.asarray(recorded.result.evaluation.classes)
        assert told[0].split("\t") == ["class", "answer", "verdict"]
        assert [t.split("\t")[0] for t in told[1:]] == list(
            names[recorded.result.evaluation.labels]
        )
        assert next(Path(archived).rglob("projector_config.pbtxt")).is_file()


def test_the_run_of_a_study_has_its_plan_and_its_report(trained: Trained) -> None:
    client = trained.store.client
    parent = client.get_run(trained.run_id)
    assert parent.info.status == "FINISHED"
    note = parent.data.tags["mlflow.note.content"]
    for outcome in trained.outcomes:
        assert trained.store.page(outcome.run_id) in note
    contents = json.loads(mlflow.artifacts.load_text(parent.info.artifact_uri + "/study.json"))
    assert [r["identity"] for r in contents["runs"]] == [o.identity for o in trained.outcomes]
    files = {f.path for f in client.list_artifacts(trained.run_id)}
    assert files == {"study.json", "split.csv", *REPORT} - {"thumbnails.parquet"}  # no images
    shown = pd.read_csv(client.download_artifacts(trained.run_id, "scores.csv"))
    accuracies = [o.scores["final/accuracy"] for o in trained.outcomes if o.arm == "drop=0.3"]
    assert list(shown.set_index("arm").loc["drop=0.3", "final/accuracy"]) == accuracies


def test_views_of_a_study_have_its_runs_in_the_order_of_its_arms(trained: Trained) -> None:
    client, experiment = trained.store.client, trained.store.experiment_id
    note = client.get_run(trained.run_id).data.tags["mlflow.note.content"]
    tags = client.get_experiment(experiment).tags
    views = {k.removeprefix("mlflow.sharedViewState."): json.loads(v) for k, v in tags.items()}
    assert [f"viewStateShareKey={view}&" in note for view in views] == [True, True]
    for view in views.values():
        order = [f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"]
        shown = client.search_runs([experiment], view["searchFilter"], order_by=order)
        assert [run.info.run_name for run in shown] == [
            f"{arm.name}-seed{seed}" for arm in SUITE.arms for seed in (0, 1)
        ]
        # A chart of what is not recorded would stay empty
        (section,) = view["compareRunSections"]
        for chart in view["compareRunCharts"]:
            assert chart["metricSectionId"] == section["uuid"]
            name = chart.get("metricKey") or chart["yaxis"]["key"]
            assert name in shown[0].data.metrics
            assert chart.get("xaxis", {"key": "arm"})["key"] in shown[0].data.params


def test_a_study_has_the_scores_of_its_arms_and_the_load_of_the_machine(trained: Trained) -> None:
    client, outcomes = trained.store.client, trained.outcomes
    parent = client.get_run(trained.run_id)
    runs = children(client, trained.run_id, trained.store.experiment_id)
    numbers = parent.data.metrics
    by_arm = {
        arm: np.mean([o.scores["final/accuracy"] for o in outcomes if o.arm == arm])
        for arm in ("baseline", "drop=0.3")
    }
    shown = {arm: numbers[f"accuracy/{arm.replace('=', ' ')}"] for arm in by_arm}
    assert shown == pytest.approx(by_arm)
    difference = by_arm["drop=0.3"] - by_arm["baseline"]
    assert numbers["accuracy difference/drop 0.3"] == pytest.approx(difference)
    assert not [name for name in numbers if "wild" in name or name.endswith("difference/baseline")]

    assert 0 <= numbers["system/cpu_utilization_percentage"] <= 100
    assert not [name for run in runs.values() for name in run.data.metrics if "system/" in name]


def test_tensorboard_has_a_row_of_settings_for_each_run_and_the_report(trained: Trained) -> None:
    folder = Path("runs") / trained.study.label
    row = _events(folder / "runs" / "drop=0.3-seed1").summary_metadata[
        "_hparams_/session_start_info"
    ]
    content = HParamsPluginData.FromString(row.plugin_data.content).session_start_info.hparams
    shown = {name: getattr(value, value.WhichOneof("kind")) for name, value in content.items()}
    assert shown == {
        "arm": "drop=0.3",
        "seed": 1,
        "dropout": 0.3,
        "early_stopping_patience": 1,
        "optimizer": "adam",
        "lr": 0.001,
        "weight_decay": 0.0,
    }
    report = _events(folder / "arms" / "the report")
    (event,) = report.Tensors("report/text_summary")
    assert "\n    drop=0.3  " in event.tensor_proto.string_val[0].decode()
    assert report.Tags()["images"]


def _events(folder: Path) -> EventAccumulator:
    events = EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}
    )
    events.Reload()
    return events


def test_a_recorded_model_answers_as_the_run_did_and_holds_no_pickle(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, outcomes, images = trained.store, trained.outcomes, Path(trained.study.base.data)
    run_id = outcomes[0].run_id
    logged = store.client.get_run(run_id).outputs.model_outputs
    assert len(logged) == 1
    info = store.client.get_logged_model(logged[0].model_id)
    assert str(info.status) == "READY"
    shown = {metric.key: metric.value for metric in info.metrics}
    assert shown == {**outcomes[0].scores, **outcomes[0].facts}

    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{info.model_id}"))
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    members = {f"artifacts/ensemble/0/{name}" for name in ("weights.safetensors", "settings.json")}
    assert members | {"artifacts/ensemble/familiarity.safetensors", "seal.json", "MLmodel"} <= names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]
    for name in names:
        assert not _is_pickle((folder / name).read_bytes()), name

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    model = mlflow.pyfunc.load_model(f"models:/{info.model_id}")
    assert model.metadata.signature.inputs.input_names() == ["image"]
    table = pd.read_parquet(store.client.download_artifacts(run_id, "predictions.parquet"))
    encoded = [base64.b64encode((images / p).read_bytes()).decode() for p in table["id"]]
    answers = model.predict(pd.DataFrame({"image": encoded}))
    for answer, recorded in zip(answers["probabilities"], table["probabilities"], strict=True):
        assert answer == pytest.approx(list(recorded), abs=1e-6)
    example = model.input_example
    assert set(model.predict(example)["label"]) <= {"red", "green", "blue"}


def _is_pickle(data: bytes) -> bool:
    if not data.startswith(b"\x80"):
        return False
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except ValueError:
        return False


def test_recorded_runs_come_back_with_the_same_bits(copied: Trained) -> None:
    store, outcomes = copied.store, copied.outcomes
    tracker, again = train(copied.study, store)
    for old, new in zip(outcomes, again, strict=True):
        assert (old.status, old.run_id, old.reason) == (new.status, new.run_id, new.reason)
        assert (dict(old.scores), dict(old.facts)) == (dict(new.scores), dict(new.facts))
    assert not children(store.client, tracker.run_id, store.experiment_id)


def test_a_repetition_takes_over_the_runs_of_a_study_that_died(copied: Trained) -> None:
    store = copied.store
    store.client.set_terminated(copied.run_id, "KILLED")
    successor, _ = train(copied.study, store)
    assert len(children(store.client, successor.run_id, store.experiment_id)) == 6


def test_a_study_that_shares_runs_with_another_gets_copies(copied: Trained) -> None:
    study, store, outcomes = copied.study, copied.store, copied.outcomes
    smaller = Suite("smaller", "Which?", (SUITE.arms[1], SUITE.arms[2]))
    other = plan(smaller, study.base, (1, 2), study.source)
    successor, mixed = train(other, store)
    of_first = children(store.client, copied.run_id, store.experiment_id)
    of_second = children(store.client, successor.run_id, store.experiment_id)
    assert len(of_first) == 6
    assert set(of_second) == {"drop=0.3-seed1", "drop=0.3-seed2", "wild-seed1", "wild-seed2"}
    copied = [COPIED in of_second[s.name].data.tags[NOTE] for s in other.specs]
    assert copied == [True, True, False, False]
    assert [o.run_id for o in mixed] == [of_second[s.name].info.run_id for s in other.specs]
    for name in ("drop=0.3-seed1", "wild-seed1"):
        copy, source = of_second[name], of_first[name]
        assert copy.info.status == source.info.status
        assert copy.data.metrics == source.data.metrics
        for metric in EPOCH_METRICS & set(source.data.metrics):
            histories = [
                [(m.step, m.value, m.timestamp) for m in store.client.get_metric_history(r, metric)]
                for r in (copy.info.run_id, source.info.run_id)
            ]
            assert histories[0] == histories[1]
    assert dict(mixed[0].scores) == next(
        dict(o.scores) for o in outcomes if (o.arm, o.seed) == ("drop=0.3", 1)
    )
    # the copy is known as part of its own study: nothing is copied twice
    again, repeated = train(other, store)
    assert [o.run_id for o in repeated] == [o.run_id for o in mixed]
    assert not children(store.client, again.run_id, store.experiment_id)
    curves = _events(Path("runs") / other.label / "runs" / "drop=0.3-seed1")
    assert len(curves.Scalars("val/loss")) == len(
        store.client.get_metric_history(mixed[0].run_id, "val/loss")
    )


def _lose(store: Store, run: Run, what: str) -> None:
    files = Path(run.info.artifact_uri)
    model = Path(
        store.client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
    )
    predictions = files / "predictions.parquet"
    if what == "folder":
        shutil.rmtree(files)
    elif what == "model":
        shutil.rmtree(model.parent)
    elif what == "network":
        (model / "artifacts" / "ensemble" / "0" / "weights.safetensors").write_bytes(b"")
    elif what == "predictions":
        predictions.unlink()
    elif what == "truncated":
        predictions.write_bytes(predictions.read_bytes()[:-9])
    else:
        content = bytearray(predictions.read_bytes())
        content[4:60] = bytes(56)  # the first page
        predictions.write_bytes(content)


def test_runs_of_which_files_are_gone_are_trained_again(
    study: Study, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    base = study.base.changed({"epochs": 1})
    two = plan(Suite("two", "Which?", SUITE.arms[:2]), base, (0, 1, 2), study.source)
    tracker, outcomes = train(two, store)
    damages = "folder", "model", "network", "predictions", "truncated", "damaged"
    for outcome, what in zip(outcomes, damages, strict=True):
        _lose(store, store.client.get_run(outcome.run_id), what)
    capsys.readouterr()
    _, again = train(two, store)
    said = capsys.readouterr().out
    assert "recorded runs that are not used again: 6" in said
    assert "(the first: baseline-seed0: predictions.parquet is not there)" in said
    for old, new in zip(outcomes, again, strict=True):
        assert (old.scores, old.run_id != new.run_id) == (new.scores, True)
    # The newer ones are what is used from now on, also in the report of the first command
    _, third = train(two, store)
    assert [o.run_id for o in third] == [o.run_id for o in again]
    read = tracker.studies.read(tracker.run_id)
    first = report.publish(tracker.studies, read, ReportConfig())
    assert not first.failure and "missing" not in first.terminal


def _tracker(study: Study, store: Store, single: bool = False) -> MlflowTracker:
    return MlflowTracker(store, study.label, Path("runs"), name="a study", single=single)


def test_a_claim_of_a_command_that_is_gone_holds_nobody_up(
    study: Study, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, far, own = (_tracker(study, store) for _ in range(3))
    specs = study.specs[:1]
    dead.claim(specs)
    store.client.set_tag(dead.run_id, PROCESS, f"{socket.gethostname()} {2**22 + 1} 1700000000")
    assert own.claim(specs) == list(specs)
    own.release()
    # Of another machine, which is heard of as long as numbers of its load come
    far.claim(specs)
    store.client.set_tag(far.run_id, PROCESS, "another-machine 1 1700000000")
    assert own.claim(specs) == []
    monkeypatch.setattr("mlp.tracking.mlflow.claims._SILENT_SECONDS", 0.0)
    own.wait(specs)
    assert own.claim(specs) == list(specs)
    for tracker in (dead, far, own):
        tracker.end("KILLED")


def test_runs_of_a_study_that_a_person_deleted_are_not_reused(copied: Trained) -> None:
    copied.store.client.delete_run(copied.run_id)
    _, again = train(copied.study, copied.store)
    assert not {o.run_id for o in copied.outcomes} & {o.run_id for o in again}


def test_runs_of_dead_processes_are_ended_and_those_of_living_ones_are_not(store: Store) -> None:
    dead, alive, elsewhere = (store.new_run(name, {}) for name in ("dead", "alive", "elsewhere"))
    store.client.set_tag(dead, PROCESS, f"{socket.gethostname()} {2**22 + 1} 1700000000")
    store.client.set_tag(elsewhere, PROCESS, "another-machine 1 1700000000")
    recycled = store.new_run("recycled", {PROCESS: "to be replaced"})
    store.client.set_tag(recycled, PROCESS, f"{socket.gethostname()} {os.getpid()} 1500000000")
    assert store.end_stale_runs() == 2
    status = {r: store.client.get_run(r).info.status for r in (dead, alive, elsewhere, recycled)}
    assert status == {dead: "KILLED", alive: "RUNNING", elsewhere: "RUNNING", recycled: "KILLED"}


def test_the_run_that_mlflow_made_is_adopted_and_its_parameters_kept(
    fresh_database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    experiment = client.create_experiment("chosen")
    run_id = client.create_run(experiment).info.run_id
    client.log_param(run_id, "lr", "1e-3")
    client.log_param(run_id, "data", "'my photos'")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    store = open_store("ignored", adopted=take_adopted_run())
    assert "MLFLOW_RUN_ID" not in os.environ
    assert (store.experiment_id, store.adopted_run) == (experiment, run_id)
    assert store.top_run("name", "study", "b") == run_id
    values = {"lr": "0.001", "data": "my photos", "epochs": "3"}
    store.log_params(run_id, values)
    store.log_params(run_id, values)
    assert client.get_run(run_id).data.params == {
        "lr": "1e-3",
        "data": "'my photos'",
        "resolved/lr": "0.001",
        "epochs": "3",
    }
    tags = client.get_run(run_id).data.tags
    assert (tags[KIND], tags[STUDY]) == ("study", "b")
