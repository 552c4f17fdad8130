"""What every tracker does: the suite that a new one has to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlp.data.audit.remarks import Remark
from mlp.data.dataset import Dataset, Datasets, open_index
from mlp.errors import NoSuchStudy
from mlp.execution.executor import run
from mlp.report.report import publish
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import Study, plan
from mlp.study.record import HISTORIES, RecordedStudy
from mlp.study.suite import Suite
from mlp.study.tracker import Outcome, RunSpec, TakenOver, Tracker, ended_if_cut_off
from mlp.tracking.memory import MemoryStudies, MemoryTracker
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.tracker import MlflowTracker

ARMS = (
    Arm("he", {"init": "he"}, "plain"),
    Arm("wild", {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}, "diverges"),
)
REMARK = Remark("drawn", {"name": "colors", "share": 0.2})
Open = Callable[..., Tracker]


def of_mlflow() -> Open:
    store = open_store("tests")

    def made(study: Study, single: bool = False, kind: str = "study") -> Tracker:
        folder = Path("runs")
        return MlflowTracker(store, study.label, folder, name="a study", single=single, kind=kind)

    return made


def in_memory() -> Open:
    studies = MemoryStudies()

    def made(study: Study, single: bool = False, kind: str = "study") -> Tracker:
        return MemoryTracker(studies, study.label, single=single, kind=kind)

    return made


@pytest.fixture(params=[of_mlflow, in_memory])
def opened(request: pytest.FixtureRequest, fresh_database: None) -> Iterator[Open]:
    """Opens trackers that share a store; they are ended, where a test has not done it."""
    make, made = request.param(), []

    def open_one(*args: object, **options: object) -> Tracker:
        made.append(make(*args, **options))
        return made[-1]

    yield open_one
    for tracker in made:
        tracker.end("KILLED")


@pytest.fixture
def study(image_tree: Path) -> Study:
    quick = {"image_size": 8, "hidden": (8,), "epochs": 2, "batch_size": 8, "threads": 1}
    base = RunConfig.parse({"data": str(image_tree), **quick})
    return plan(Suite("test", "Which?", ARMS), base, (0,), open_index(base.data))


@pytest.fixture
def dataset(study: Study) -> Dataset:
    return Datasets(study.source).get(study.base)


def trained(tracker: Tracker, study: Study) -> list[Outcome]:
    tracker.plan(study.plan([REMARK]), study.split_table())
    with ended_if_cut_off(tracker):
        outcomes = run(study, tracker)
    tracker.end("FINISHED")
    return outcomes


def read(tracker: Tracker) -> RecordedStudy:
    return tracker.studies.read(tracker.run_id)


def test_a_study_is_read_back_as_it_was_planned_and_trained(opened: Open, study: Study) -> None:
    tracker = opened(study)
    outcomes = trained(tracker, study)
    found = read(tracker)
    assert (found.suite, found.question, found.data_name) == ("test", "Which?", "colors")
    assert (found.run_id, found.label, found.name) == (tracker.run_id, study.label, "a study")
    assert list(found.classes) == ["blue", "green", "red"]
    assert found.remarks == [REMARK] and found.base == study.base.as_text()
    he, wild = found.runs
    spec = study.specs[0]
    assert (he.arm, he.pair, he.status, he.reason) == ("he", (0, "none"), "FINISHED", "")
    assert (he.config, he.data_digest) == (spec.config, spec.data_digest)
    assert (he.train_images, he.val_images) == (36, 18)
    assert (he.run_id, wild.run_id) == (outcomes[0].run_id, outcomes[1].run_id)
    assert he.metrics.items() >= outcomes[0].scores.items()
    assert he.metrics["facts/epochs"] == outcomes[0].facts["facts/epochs"] == 2
    assert he.history.keys() == set(HISTORIES)
    assert {len(values) for values in he.history.values()} == {2}
    assert he.evaluation is not None and list(he.evaluation.ids) == sorted(he.evaluation.ids)
    right = he.evaluation.predicted == he.evaluation.labels
    assert right.mean() == he.metrics["final/accuracy"] == he.history["val/accuracy"][-1]
    assert (wild.status, wild.finished, wild.diverged) == ("FAILED", False, True)
    assert wild.reason == outcomes[1].reason and "loss became" in wild.reason


def test_all_trackers_record_the_same(fresh_database: None, study: Study) -> None:
    one, other = of_mlflow()(study), in_memory()(study)
    for tracker in (one, other):
        trained(tracker, study)
    first, second = read(one), read(other)
    for ours, theirs in zip(first.runs, second.runs, strict=True):
        assert (ours.status, ours.reason, ours.settings) == (
            theirs.status, theirs.reason, theirs.settings,
        )  # fmt: skip
        names = {n for n in ours.metrics | theirs.metrics if not n.startswith("time/")}
        assert {n: ours.metrics.get(n) for n in names} == {n: theirs.metrics.get(n) for n in names}
        for name in set(HISTORIES) - {"time/epoch_seconds"}:
            kept = [run.history.get(name, np.array([])) for run in (ours, theirs)]
            np.testing.assert_array_equal(*kept)
    ours, theirs = first.runs[0], second.runs[0]
    assert ours.evaluation is not None and theirs.evaluation is not None
    np.testing.assert_array_equal(ours.evaluation.ids, theirs.evaluation.ids)
    np.testing.assert_array_equal(ours.evaluation.probabilities, theirs.evaluation.probabilities)
    weights = one.studies.initial_weights(ours), other.studies.initial_weights(theirs)
    assert weights[0].keys() == weights[1].keys() == {"1", "3"}
    for layer, histogram in weights[0].items():
        np.testing.assert_allclose(histogram[0], weights[1][layer][0], rtol=1e-6)
        np.testing.assert_array_equal(histogram[1], weights[1][layer][1])


def test_what_is_planned_and_not_trained_is_missing(opened: Open, study: Study) -> None:
    tracker = opened(study)
    with pytest.raises(NoSuchStudy, match="cut off before"):
        read(tracker)
    tracker.plan(study.plan([]), None)
    found = read(tracker)
    assert [run.status for run in found.runs] == ["MISSING", "MISSING"]
    assert found.failure.startswith(f"study {tracker.run_id} has no finished run: 2 MISSING")


def test_what_has_ended_for_good_is_not_trained_again(opened: Open, study: Study) -> None:
    outcomes = trained(opened(study), study)
    again = opened(study)
    assert trained(again, study) == outcomes
    assert [run.run_id for run in read(again).runs] == [o.run_id for o in outcomes]
    assert again.reuse(study.specs, fresh=True) == {}  # another command has not trained it since


def test_another_study_has_the_runs_that_it_shares(opened: Open, study: Study) -> None:
    (outcome, _) = trained(opened(study), study)
    larger = plan(Suite("larger", "?", ARMS[:1]), study.base, (0, 1), study.source)
    other = opened(larger)
    shared, own = trained(other, larger)
    assert (shared.scores, shared.facts) == (outcome.scores, outcome.facts)
    assert shared.scores != own.scores
    assert [run.status for run in read(other).runs] == ["FINISHED", "FINISHED"]


@pytest.mark.parametrize("end", ["fail", "kill"])
def test_what_was_cut_off_says_why_and_is_trained_again(
    opened: Open, study: Study, dataset: Dataset, end: str
) -> None:
    tracker = opened(study)
    tracker.plan(study.plan([]), None)
    (spec, _) = tracker.claim(study.specs)
    log = tracker.start(spec, 10, dataset)
    if end == "fail":
        outcome = log.fail("the disk is full", diverged=False)
        assert (outcome.status, outcome.reason) == ("FAILED", "the disk is full")
    else:
        log.kill("worse than the others")
    tracker.deliver()
    expected = {"fail": ("FAILED", "the disk is full"), "kill": ("KILLED", "worse than the others")}
    found = read(tracker).runs[0]
    assert (found.status, found.reason) == expected[end] and not found.finished
    assert tracker.reuse(study.specs) == {}
    tracker.release()
    assert opened(study).claim([spec]) == [spec]


def test_what_another_command_trains_is_left_to_it(opened: Open, study: Study) -> None:
    study = plan(Suite("test", "Which?", ARMS[:1]), study.base, (0, 1, 2), study.source)
    first, second, specs = opened(study), opened(study), list(study.specs)
    assert first.claim(specs[:2]) == specs[:2]
    assert second.claim(specs) == [specs[2]]
    # What was claimed and not begun is free again
    first.release()
    assert second.claim(specs[:1]) == [specs[0]]
    second.end("KILLED")
    assert first.claim(specs) == specs
    first.wait(specs)  # nobody else trains one


def test_a_command_that_comes_second_takes_what_the_first_trains(
    opened: Open, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = opened(study), opened(study)
    ended: list[Outcome] = []
    claim = second.claim

    def claim_late(specs: Sequence[RunSpec]) -> list[RunSpec]:
        if not ended:
            ended.extend(run(study, first))
        return claim(specs)

    second.claim = claim_late  # type: ignore[method-assign]
    taken = run(study, second)
    assert [o.run_id for o in taken] == [o.run_id for o in ended]
    assert "2 runs were trained by another command" in capsys.readouterr().out


def test_a_command_that_is_cut_off_leaves_nothing_running(
    opened: Open, study: Study, dataset: Dataset
) -> None:
    tracker = opened(study)
    tracker.plan(study.plan([]), None)
    with pytest.raises(KeyboardInterrupt), ended_if_cut_off(tracker):
        tracker.claim(study.specs)
        tracker.start(study.specs[0], 10, dataset)
        raise KeyboardInterrupt
    assert read(tracker).runs[0].status == "KILLED"
    assert opened(study).claim(study.specs) == list(study.specs)


def test_a_report_is_made_again_as_often_as_wanted(opened: Open, study: Study) -> None:
    tracker = opened(study)
    tracker.describe(study.base, study.index)
    trained(tracker, study)
    first, again = (publish(tracker.studies, read(tracker), ReportConfig()) for _ in range(2))
    assert (first.files, first.description) == (again.files, again.description)
    assert "wild" in first.terminal and not first.failure
    assert (
        first.files["scores.csv"].splitlines()[0].startswith(b"arm,seed,fold,status,run_id,facts")
    )


def test_a_single_training_is_the_run_of_its_command(opened: Open, study: Study) -> None:
    one = plan(Suite("one", "?", ARMS[:1]), study.base, (0,), study.source)
    first, second = opened(one, single=True), opened(one, single=True)
    (outcome,) = trained(first, one)
    assert outcome.run_id == first.run_id
    second.plan(one.plan([]), None)
    (again,) = run(one, second)
    assert again.run_id == first.run_id
    second.refer_to(again)
    second.end("FINISHED")
    assert second.studies.find("latest") == second.run_id
    assert read(second).runs[0].run_id == first.run_id


def test_a_study_is_found_by_its_id_or_as_the_latest(opened: Open, study: Study) -> None:
    search = opened(study, kind="search")
    with pytest.raises(NoSuchStudy, match="run train, ablation or init first"):
        search.studies.find("latest")
    first, last = opened(study), opened(study)
    assert last.studies.find("latest") == last.run_id
    assert last.studies.find(first.run_id) == first.run_id
    for which in ("nonsense", search.run_id):
        with pytest.raises(NoSuchStudy, match=which):
            last.studies.find(which)


def test_a_worker_records_in_the_study_until_that_ends(
    opened: Open, study: Study, dataset: Dataset
) -> None:
    tracker, specs = opened(study), study.specs
    tracker.plan(study.plan([]), None)
    worker = tracker.remote()()
    assert worker.claim(specs) == list(specs)
    assert [worker.count_try(specs) for _ in range(3)] == [1, 2, 3]
    assert [worker.count_try(specs[1:]) for _ in range(2)] == [1, 2]
    worker.forget_tries(specs[0])
    assert worker.count_try(specs[1:]) == 1
    worker.start(specs[0], 10, dataset).fail("the loss became nan", diverged=True)
    worker.start(specs[1], 10, dataset)
    worker.deliver()
    # The driver tells whoever still trains to stop
    ended = tracker.ended_already(specs)
    assert {o.reason for o in ended.values()} == {"the loss became nan"} and len(ended) == 1
    given_up = tracker.give_up(specs[1], "given up after 3 tries")
    assert [run.status for run in read(tracker).runs] == ["FAILED", "FAILED"]
    assert read(tracker).runs[1].reason == given_up.reason
    tracker.end("KILLED")
    with pytest.raises(TakenOver, match="was ended"):
        worker.start(specs[1], 10, dataset)
    worker.close()
