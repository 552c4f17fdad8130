"""The verdict for runs of an MLflow experiment, whoever recorded them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmarks.judge import timed
from benchmarks.parts import Server
from mlp.errors import NoSuchRuns, SettingsError
from mlp.evidence.findings import weigh
from mlp.execution.executor import run
from mlp.report.judgement import Judgement
from mlp.study.arm import Arm
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.tracker import MlflowTracker
from mlp.workflows.judge import judge, record
from tests.study.conftest import MakeStudy
from tests.workflows.test_judge import kinds, row

pytestmark = pytest.mark.usefixtures("fresh_database")
SCORES = {"adam": [0.80, 0.83, 0.81, 0.84], "sgd": [0.86, 0.88, 0.88, 0.89]}
CLOCK = itertools.count(1_700_000_000_000)


def log(
    experiment: str,
    metrics: Mapping[str, float],
    params: Mapping[str, object],
    tags: Mapping[str, str] | None = None,
    status: str = "FINISHED",
    name: str | None = None,
) -> str:
    """A run of somebody else, who knows this project not."""
    client = MlflowClient()
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    made = client.create_run(number, next(CLOCK), dict(tags or {}), name).info.run_id
    texts = [mlflow.entities.Param(key, str(value)) for key, value in params.items()]
    values = [mlflow.entities.Metric(key, value, 0, 0) for key, value in metrics.items()]
    client.log_batch(made, values, texts)
    if status != "RUNNING":
        client.set_terminated(made, status)
    return str(made)


def log_scores(experiment: str = "theirs", **more: Any) -> None:
    for seed in range(4):
        for arm, scores in SCORES.items():
            log(experiment, {"val_acc": scores[seed]}, {"opt": arm, "seed": seed}, **more)


def theirs(**settings: Any) -> Judgement:
    given = {"arm": "params.opt", "pair": "params.seed", "metric": "val_acc", "baseline": "adam"}
    return judge(experiment="theirs", **{**given, **settings})


def same(judged: Judgement) -> bool:
    frame = pd.DataFrame(
        [(arm, seed, score) for arm, own in SCORES.items() for seed, score in enumerate(own)],
        columns=["arm", "pair", "score"],
    )
    return judged.table.equals(judge(frame, baseline="adam").table)


def test_runs_of_plain_mlflow_code_are_judged_as_a_table_of_their_scores() -> None:
    mlflow.set_experiment("theirs")
    for seed in range(4):
        for arm, scores in SCORES.items():
            with mlflow.start_run():
                mlflow.log_params({"opt": arm, "seed": seed})
                mlflow.log_metric("val_acc", scores[seed] - 0.3, step=0)
                mlflow.log_metric("val_acc", scores[seed], step=1)
    assert same(theirs())


@pytest.mark.parametrize(
    ("arm", "pair"),
    [
        ("tags.opt", "params.seed"),
        ("name:^(\\w+)-", "name:-(\\d+)$"),
        ("data", "params.seed,tags.fold"),
        ("params.opt", "params.seed,tags.fold"),
    ],
)
def test_arms_and_pairs_are_read_from_tags_names_and_data(arm: str, pair: str) -> None:
    client = MlflowClient()
    for seed in range(4):
        for name, scores in SCORES.items():
            tags = {"opt": name, "fold": "1/5"}
            made = log(
                "theirs",
                {"val_acc": scores[seed]},
                {"opt": name, "seed": seed},
                tags,
                name=f"{name}-{seed}",
            )
            given = mlflow.entities.Dataset(name, "0", "local", "{}")
            client.log_inputs(made, [mlflow.entities.DatasetInput(given, [])])
    assert same(theirs(arm=arm, pair=pair))


def test_several_parameters_make_an_arm() -> None:
    for seed, opt, lr in itertools.product(range(3), ("adam", "sgd"), (0.1, 0.2)):
        log("theirs", {"val_acc": 0.5 + 0.01 * seed}, {"opt": opt, "lr": lr, "seed": seed})
    names = {f"opt={opt}, lr={lr}" for opt in ("adam", "sgd") for lr in (0.1, 0.2)}
    judged = theirs(arm="params.opt,params.lr", baseline="opt=sgd, lr=0.1")
    assert set(judged.table.index) == names


def test_what_is_wrong_with_an_experiment_is_said() -> None:
    log_scores()
    log("theirs", {"val_acc": 0.1}, {"opt": "adam", "seed": 9}, status="FAILED")
    log("theirs", {"val_acc": 0.1}, {"opt": "sgd", "seed": 9}, status="RUNNING")
    log("theirs", {"loss": 0.1}, {"opt": "adam", "seed": 10})
    log("theirs", {"val_acc": float("inf")}, {"opt": "adam", "seed": 11})
    log("theirs", {"val_acc": float("nan")}, {"opt": "sgd", "seed": 11})
    log("theirs", {"val_acc": 0.1}, {"seed": 12})
    log("theirs", {"val_acc": 0.1}, {"opt": "adam"})
    gone = log("theirs", {"val_acc": 0.1}, {"opt": "adam", "seed": 13})
    MlflowClient().delete_run(gone)
    judged = theirs()
    expected = {"left_out_status", "left_out_metric", "not_finite", "no_arm", "no_pair", "deleted"}
    assert expected | {"no_answers"} == kinds(judged)
    assert same(judged)
    said = "\n".join(judged.notes)
    assert "FAILED are left out: adam (1)" in said and "RUNNING are left out: sgd (1)" in said
    assert "adam (1), sgd (1)" in said and "1 deleted runs" in said


def test_settings_that_differ_beside_the_arm_are_named() -> None:
    for seed in range(3):
        for arm in ("adam", "sgd"):
            # epochs follow from the pair, width from neither
            width = 64 if (arm, seed) == ("sgd", 1) else 32
            params = {"opt": arm, "seed": seed, "epochs": 10 + seed, "width": width, "lr": len(arm)}
            log("theirs", {"val_acc": 0.5 + 0.01 * seed}, params)
    notes = {note.kind: note.values for note in theirs().found.notes}
    assert notes["settings"] == {"settings": "width"}


def test_a_mistake_is_answered_with_what_there_is() -> None:
    with pytest.raises(NoSuchRuns, match="there is no 'theirs'"):
        theirs()
    log_scores()
    with pytest.raises(NoSuchRuns, match="did you mean theirs"):
        judge(experiment="their", arm="params.opt", metric="val_acc")
    with pytest.raises(SettingsError, match=r"no run has params.opts; did you mean opt"):
        theirs(arm="params.opts")
    with pytest.raises(SettingsError, match=r"no run has 'val_acck'; did you mean val_acc"):
        theirs(metric="val_acck")
    with pytest.raises(SettingsError, match=r"such as params.opt; 'opt' was given"):
        theirs(arm="opt")
    with pytest.raises(SettingsError, match="needs a group"):
        theirs(arm="name:adam.*")
    with pytest.raises(SettingsError, match="filter: "):
        theirs(filter="opt is adam")
    with pytest.raises(NoSuchRuns, match=r"arm says what tells arms apart; there are params.opt"):
        judge(experiment="theirs")
    log("theirs", {"val_acc": 0.5}, {"opt": "bad", "seed": 0}, status="FAILED")
    with pytest.raises(NoSuchRuns, match="1 FAILED"):
        theirs(filter="params.opt = 'bad'")


def test_data_sets_filters_and_several_experiments() -> None:
    log_scores("one", tags={"data": "x"})
    log_scores("two", tags={"data": "y"})
    both = judge(
        experiment="one, two",
        arm="params.opt",
        pair="params.seed",
        metric="val_acc",
        dataset="tags.data",
        baseline="adam",
    )
    assert list(both.found.datasets) == ["x", "y"]
    found = row(both, "sgd")
    assert found["difference"] == pytest.approx(np.subtract(SCORES["sgd"], SCORES["adam"]).mean())
    log_scores("theirs", tags={"data": "x"})
    log("theirs", {"val_acc": 0.1}, {"opt": "adam", "seed": 3}, {"data": "y"})
    assert same(theirs(filter="tags.data = 'x'"))


def answers(right: np.ndarray, pair_ids: bool = False) -> pd.DataFrame:
    label = np.arange(len(right)) % 3
    said = np.where(right, label, (label + 1) % 3)
    ids = [f"{k:03d}.png" for k in range(len(right))]
    return pd.DataFrame({"id": ids, "label": label, "prediction": said})


def test_answers_of_runs_are_used_where_they_fit(tmp_path: Path) -> None:
    rng, client = np.random.default_rng(0), MlflowClient()
    right = rng.random((2, 4, 60)) < 0.7
    runs = {}
    for seed in range(4):
        for k, arm in enumerate(("adam", "sgd")):
            score = right[k, seed].mean()
            run_id = log("theirs", {"val_acc": score}, {"opt": arm, "seed": seed})
            answers(right[k, seed]).to_csv(tmp_path / "predictions.csv", index=False)
            client.log_artifact(run_id, str(tmp_path / "predictions.csv"))
            runs[arm, seed] = run_id
    judged, plain = theirs(), theirs(predictions="none")
    assert judged.found.images == 60 and "no_answers" not in kinds(judged)
    assert "no_answers" in kinds(plain)
    one, other = row(judged, "sgd"), row(plain, "sgd")
    assert one["difference"] == pytest.approx(other["difference"])
    # The images that a bootstrap draws add to what the seeds say
    (seen,), (alone,) = (each.found.comparisons for each in (judged, plain))
    assert seen.precision.variance == pytest.approx(alone.precision.variance)
    assert seen.precision.common > 0 == alone.precision.common
    answers(right[0, 0][::-1]).to_csv(tmp_path / "predictions.csv", index=False)
    client.log_artifact(runs["sgd", 3], str(tmp_path / "predictions.csv"))
    judged = theirs()
    assert judged.table.equals(plain.table) and "answers_left_aside" in kinds(judged)


def test_a_judgement_becomes_a_run_that_the_next_one_passes_over(tmp_path: Path) -> None:
    log_scores()
    judged = theirs()
    _, run_id = record(judged, "")
    made = MlflowClient().get_run(run_id)
    assert made.info.status == "FINISHED"
    assert MlflowClient().get_experiment_by_name("theirs").experiment_id == made.info.experiment_id
    files = {file.path for file in MlflowClient().list_artifacts(run_id)}
    assert files == {"judge.html", "judge.md", "comparison.csv", "comparison.json"}
    difference = judged.table["difference"]["sgd"]
    assert made.data.metrics["val_acc difference/sgd"] == pytest.approx(difference)
    assert same(theirs())
    _, elsewhere = record(judged, "judgements")
    found = MlflowClient().get_run(elsewhere).info.experiment_id
    assert found == MlflowClient().get_experiment_by_name("judgements").experiment_id


ARMS = Arm("baseline", {}, ""), Arm("drop", {"dropout": 0.5}, "")


def train(make: MakeStudy, experiment: str, **options: Any) -> MlflowTracker:
    study = make(*ARMS, **options)
    store = open_store(experiment)
    tracker = MlflowTracker(store, study.label, Path("runs"), name="a study", single=False)
    tracker.plan(study.plan([]), study.split_table())
    run(study, tracker)
    tracker.end("FINISHED")
    return tracker


def is_that_of(judged: Judgement, tracker: MlflowTracker) -> bool:
    """Tell if a judgement says what the report of a study says."""
    (c,) = weigh(tracker.studies.read(tracker.run_id), "accuracy").comparisons
    found = row(judged, "drop")
    numbers = c.difference, c.low, c.high, c.verdict, c.p_better
    return bool(c.pairs >= 3 and numbers == tuple(found.iloc[2:]))


def test_a_study_of_this_project_is_judged_as_in_its_report(make_study: MakeStudy) -> None:
    tracker = train(make_study, "class", seeds=(0, 2, 11))
    judged = judge(experiment="class", baseline="baseline")
    assert kinds(judged) == set() and judged.found.images == 18
    assert is_that_of(judged, tracker)
    # As runs of a stranger who writes predictions.parquet
    named = {"arm": "tags.`mlp.arm`", "pair": "tags.`mlp.seed`", "metric": "final/accuracy"}
    assert is_that_of(judge(experiment="class", baseline="baseline", **named), tracker)
    epochs = judge(experiment="class", baseline="baseline", metric="facts/epochs")
    assert "val accuracy" in judged.text
    assert "facts/epochs" in epochs.text and "val facts" not in epochs.text


@pytest.mark.slow
@pytest.mark.parametrize("folds", [("none",), ("1/2", "2/2")], ids=len)
def test_students_with_one_seed_each_are_judged_as_one_study(
    make_study: MakeStudy, folds: tuple[str, ...]
) -> None:
    for seed in (11, 0, 2):  # in whatever order
        train(make_study, "class", seeds=(seed,), folds=folds)
    tracker = train(make_study, "alone", seeds=(0, 2, 11), folds=folds)
    judged = judge(experiment="class", baseline="baseline")
    assert kinds(judged) == set()
    assert is_that_of(judged, tracker)


@pytest.mark.slow
def test_runs_on_a_server_are_judged_as_those_of_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path)
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        log_scores()
        judged = theirs()
        assert same(judged)
        _, run_id = record(judged, "")
        files = {file.path for file in MlflowClient().list_artifacts(run_id)}
        assert files == {"judge.html", "judge.md", "comparison.csv", "comparison.json"}
        assert same(theirs())
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_that_scikit_learn_logs_by_itself_are_judged() -> None:
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    features, labels = load_digits(return_X_y=True)
    mlflow.set_experiment("forests")
    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        for seed, trees in itertools.product(range(3), (1, 20)):
            with mlflow.start_run():
                forest = RandomForestClassifier(trees, random_state=seed)
                forest.fit(features[:600], labels[:600]).score(features[600:1000], labels[600:1000])
    finally:
        mlflow.sklearn.autolog(disable=True)
    found = MlflowClient().get_experiment_by_name("forests")
    first, *_ = MlflowClient().search_runs([found.experiment_id])
    (metric,) = [name for name in first.data.metrics if "Classifier_score_" in name]
    judged = judge(
        experiment="forests",
        arm="params.n_estimators",
        pair="params.random_state",
        metric=metric,
        baseline="1",
    )
    assert row(judged, "20")["verdict"] == "better" and row(judged, "20")["n"] == 3
    assert kinds(judged) == {"no_answers"}


@pytest.mark.slow
def test_ten_thousand_runs_are_judged_within_a_minute() -> None:
    busy, _, memory = timed(10_000)
    assert busy < 60  # processor seconds, on whatever else the machine does
    assert memory < 500  # MiB; a page of runs at a time
