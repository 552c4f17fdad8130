"""The lockstep loop: an arm's numbers depend on nothing but its configuration, data and seed."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mlp.data.dataset import Dataset, Datasets, open_index
from mlp.data.stream import Batches, Stream
from mlp.errors import SettingsError
from mlp.execution.executor import run
from mlp.failures import is_out_of_memory
from mlp.learning.learner import EpochRecord, Learner
from mlp.learning.memory import memory_bytes
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.lockstep import train_piece
from mlp.study.plan import Study, plan
from mlp.study.progress import Sent
from mlp.study.suite import Suite, find_suite
from mlp.study.tracker import RunSpec
from mlp.tracking.memory import MemoryRun, MemoryTracker
from tests.study.conftest import MakeStudy

Numbers = tuple[bytes, list[dict[str, float]], dict[str, float]]


def numbers(recorded: MemoryRun) -> Numbers:
    """Everything a run computed, except how long it took."""
    assert recorded.result is not None
    records = [
        {k: v for k, v in record.metrics.items() if not k.startswith("time/")}
        for record in recorded.epochs
    ]
    return recorded.result.evaluation.probabilities.tobytes(), records, dict(recorded.result.scores)


def train(study: Study, **options: int) -> dict[str, Numbers]:
    recorder = MemoryTracker()
    outcomes = run(study, recorder, **options)
    assert {outcome.status for outcome in outcomes} == {"FINISHED"}
    return {recorded.spec.name: numbers(recorded) for recorded in recorder.runs}


def test_an_arm_is_bitwise_the_same_alone_beside_others_in_any_order_and_group(
    make_study: MakeStudy,
) -> None:
    arms = find_suite("regularization").arms
    together = train(make_study(seeds=(0, 3)))
    assert len(together) == 2 * len(arms)
    assert len({probabilities for probabilities, _, _ in together.values()}) > len(arms)
    alone: dict[str, Numbers] = {}
    for arm in arms:
        alone |= train(make_study(arm, seeds=(0, 3)))
    assert alone == together
    assert train(make_study(*reversed(arms), seeds=(3, 0))) == together
    assert train(make_study(seeds=(0, 3)), arms_at_once=3) == together


class Groups(Sent):
    """Says how many runs were trained side by side."""

    def __init__(self) -> None:
        super().__init__(lambda message: None)
        self.sizes: list[int] = []

    def group(self, specs: Sequence[RunSpec]) -> None:
        self.sizes.append(len(specs))


def test_arms_train_side_by_side_as_far_as_they_fit_in_memory(make_study: MakeStudy) -> None:
    study = make_study(seeds=(0,))
    datasets = Datasets(study.source)
    shape = datasets.get(study.specs[0].config).shape
    needed = [memory_bytes(s.config, shape, len(s.classes)) for s in study.specs]

    def sizes(memory: int) -> list[int]:
        groups = Groups()
        train_piece(study.specs, datasets, MemoryTracker(), groups, memory=memory)
        return groups.sizes

    assert sizes(1) == [1] * len(needed)
    assert sizes(sum(needed[:3]))[0] == 3
    assert sizes(sum(needed)) == [len(needed)]


def test_another_process_gives_the_same_bits(make_study: MakeStudy, image_tree: Path) -> None:
    here = train(make_study(Arm("both", {"dropout": 0.3, "hflip": 0.5, "batch_norm": True}, "")))
    program = f"""
from mlp.settings.training import RunConfig
from mlp.data.dataset import open_index
from mlp.study.plan import plan
from mlp.execution.executor import run
from mlp.study.arm import Arm
from mlp.study.suite import Suite
from mlp.tracking.memory import MemoryTracker
import hashlib
base = RunConfig.parse(dict(data={str(image_tree)!r}, image_size=8, hidden=(16, 8), epochs=3,
                            batch_size=8, threads=1))
arms = (Arm("other", {{"dropout": 0.5}}, ""),
        Arm("both", {{"dropout": 0.3, "hflip": 0.5, "batch_norm": True}}, ""))
recorder = MemoryTracker()
run(plan(Suite("s", "", arms), base, (0,), open_index(base.data)), recorder)
result = next(r.result for r in recorder.runs if r.spec.arm == "both")
print("digest", hashlib.sha256(result.evaluation.probabilities.tobytes()).hexdigest())
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == hashlib.sha256(here["both-seed0"][0]).hexdigest()


def test_each_epoch_is_made_once_for_all_arms_that_share_it(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    make = Stream._make

    def counting(self: Stream, number: int) -> Batches:
        made.append(number)
        return make(self, number)

    monkeypatch.setattr(Stream, "_make", counting)
    run(make_study(), MemoryTracker())
    # eight arms, but two policies: with and without augmentation
    assert sorted(made) == [0, 0, 1, 1, 2, 2]


def test_what_is_recorded_is_not_trained_again(make_study: MakeStudy) -> None:
    recorder = MemoryTracker()
    first = run(make_study(seeds=(0, 1)), recorder)
    started = len(recorder.runs)
    again = run(make_study(seeds=(0, 1)), recorder)
    assert len(recorder.runs) == started == 16
    assert [o.scores for o in again] == [o.scores for o in first]
    run(make_study(seeds=(0, 1, 2)), recorder)
    assert len(recorder.runs) == 24
    run(make_study(), recorder, retrain=True)
    assert len(recorder.runs) == 32


def test_arms_with_one_configuration_are_trained_once(make_study: MakeStudy) -> None:
    recorder = MemoryTracker()
    study = make_study(Arm("a", {}, ""), Arm("b", {"dropout": 0.0}, ""))
    outcomes = run(study, recorder)
    assert [o.arm for o in outcomes] == ["a", "b"]
    assert outcomes[0].scores == outcomes[1].scores
    assert len(recorder.runs) == 1


def test_a_run_that_diverges_fails_alone_and_is_not_repeated(make_study: MakeStudy) -> None:
    wild = Arm("wild", {"optimizer": "sgd", "lr": 1000.0, "weight_decay": 1000.0}, "")
    recorder = MemoryTracker()
    study = make_study(Arm("tame", {}, ""), wild, epochs=20)
    outcomes = run(study, recorder)
    assert [o.status for o in outcomes] == ["FINISHED", "FAILED"]
    assert "epoch" in outcomes[1].reason and "finite" not in outcomes[1].scores
    assert [o.reason for o in run(study, recorder)] == [o.reason for o in outcomes]
    assert len(recorder.runs) == 2


class Interrupting(MemoryTracker):
    """Raises after some epochs, as a signal would."""

    def __init__(self, error: BaseException, after: int) -> None:
        super().__init__()
        self.error, self.left = error, after

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MemoryRun:
        recorded = super().start(spec, parameter_count, dataset)
        record = recorded.epoch

        def epoch(made: EpochRecord, learner: Learner) -> None:
            record(made, learner)
            self.left -= 1
            if self.left == 0:
                raise self.error

        recorded.epoch = epoch  # type: ignore[method-assign]
        return recorded


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt(), "KILLED"), (OSError("disk full"), "FAILED")]
)
def test_an_interruption_ends_open_runs_and_a_repetition_finishes(
    make_study: MakeStudy, error: BaseException, status: str
) -> None:
    whole = MemoryTracker()
    expected = run(make_study(seeds=(0, 1)), whole)
    recorder = Interrupting(error, after=40)  # in the second seed
    with pytest.raises(type(error)):
        run(make_study(seeds=(0, 1)), recorder)
    statuses = [r.status for r in recorder.runs]
    assert set(statuses) == {"FINISHED", status} and statuses.count("FINISHED") >= 8
    recorder.left = -1
    finished = run(make_study(seeds=(0, 1)), recorder)
    assert [replace(o, run_id="") for o in finished] == [replace(o, run_id="") for o in expected]


def test_the_kept_epoch_is_the_best_one_under_early_stopping(make_study: MakeStudy) -> None:
    recorder = MemoryTracker()
    arm = Arm("stop", {"early_stopping_patience": 2, "monitor": "val/loss", "lr": 0.03}, "")
    run(make_study(arm, epochs=30), recorder)
    recorded = recorder.runs[0]
    assert recorded.result is not None
    losses = [record.metrics["val/loss"] for record in recorded.epochs if record.epoch]
    scores = recorded.result.scores
    facts = recorded.result.facts
    assert facts["facts/epochs"] == len(losses) < 30
    assert facts["facts/kept_epoch"] == np.argmin(losses) + 1 == len(losses) - 2
    assert scores["final/log_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_final_scores_are_those_of_the_last_epoch_without_early_stopping(
    make_study: MakeStudy,
) -> None:
    recorder = MemoryTracker()
    run(make_study(Arm("plain", {}, "")), recorder)
    recorded = recorder.runs[0]
    assert recorded.result is not None
    last, scores = recorded.epochs[-1].metrics, recorded.result.scores
    assert scores["final/accuracy"] == last["val/accuracy"]
    assert scores["final/macro_f1"] == pytest.approx(last["val/macro_f1"], abs=1e-12)
    gap = scores["final/train_accuracy"] - scores["final/accuracy"]
    assert scores["final/gap_accuracy"] == gap


def test_a_fold_alone_is_bitwise_the_one_of_the_study(make_study: MakeStudy) -> None:
    arms = Arm("plain", {}, ""), Arm("dropout", {"dropout": 0.3}, "")
    folds = ("1/3", "2/3", "3/3")
    together = train(make_study(*arms, seeds=(0, 1), folds=folds))
    assert len(together) == 2 * 2 * 3
    assert "dropout-seed1-fold2" in together
    alone = train(make_study(arms[1], seeds=(1,), fold="2/3", folds=("2/3",)))
    assert alone == {"dropout-seed1-fold2": together["dropout-seed1-fold2"]}


def test_the_folds_of_a_seed_validate_every_image_once(make_study: MakeStudy) -> None:
    recorder = MemoryTracker()
    study = make_study(Arm("plain", {}, ""), folds=("1/3", "2/3", "3/3"))
    run(study, recorder)
    ids = [r.result.evaluation.ids for r in recorder.runs if r.result is not None]
    assert sorted(np.concatenate(ids)) == sorted(study.index.usable["path"])
    assert len(np.concatenate(ids)) == 54
    for spec, part in zip(study.specs, ids, strict=True):
        assert (spec.val_images, spec.train_images) == (len(part), 54 - len(part))


def test_signals_are_recorded_before_the_first_step_and_change_nothing(
    make_study: MakeStudy,
) -> None:
    recorder = MemoryTracker()
    run(make_study(Arm("norm", {"batch_norm": True, "dropout": 0.5}, "")), recorder)
    first, *others = recorder.runs[0].epochs
    assert first.epoch == 0 and [r.epoch for r in others] == [1, 2, 3]
    assert set(first.metrics) == {
        f"init/{kind}{part}/{layer}"
        for kind in ("signal", "gradient")
        for part in ("", "_promised")
        for layer in ("1", "5", "9")
    } | {"init/gradient_noise", "init/noise_scale"}
    assert not any(name.startswith("init/") for r in others for name in r.metrics)


def test_a_split_given_back_as_a_file_gives_the_same_bits(tmp_path: Path) -> None:
    quick = {"hidden": (8,), "epochs": 2, "threads": 1, "hflip": 0.5}
    base = RunConfig.parse(quick)
    suite = Suite("test", "", (Arm("plain", {}, ""),))
    drawn = MemoryTracker()
    study = plan(suite, base, (3,), open_index("digits"))
    run(study, drawn)
    assert drawn.runs[0].result is not None and study.split_table() is None
    file = tmp_path / "split.csv"
    file.write_text(drawn.runs[0].result.split, encoding="utf-8", newline="")
    given = MemoryTracker()
    again = plan(suite, base.changed({"split": str(file)}), (3,), open_index("digits", str(file)))
    run(again, given)
    assert numbers(given.runs[0]) == numbers(drawn.runs[0])
    shared = again.split_table()
    assert shared is not None and shared.equals(pd.read_csv(file, dtype=str))


def test_accuracy_on_images_never_seen_is_told_apart(image_tree: Path) -> None:
    for number in range(3):
        copy = image_tree / "val" / "red" / f"copy{number}.png"
        copy.write_bytes((image_tree / "train" / "red" / f"{number}.png").read_bytes())
    base = RunConfig.parse({"data": str(image_tree), "hidden": (8,), "epochs": 2, "threads": 1})
    recorder = MemoryTracker()
    run(plan(Suite("s", "", (Arm("a", {}, ""),)), base, (0,), open_index(base.data)), recorder)
    result = recorder.runs[0].result
    assert result is not None and result.facts["facts/leaked_images"] == 3
    right = result.evaluation.predicted == result.evaluation.labels
    unseen = np.array(["copy" not in name for name in result.evaluation.ids])
    assert result.scores["final/unseen_accuracy"] == right[unseen].mean()
    assert result.scores["final/accuracy"] == right.mean()


def test_a_cnn_is_bitwise_the_same_alone_and_beside_others(make_study: MakeStudy) -> None:
    arm = Arm("cnn", {"network": "cnn", "dropout": 0.3, "batch_norm": True}, "")
    alone = train(make_study(arm, image_size=16, threads=2))
    beside = train(make_study(Arm("mlp", {}, ""), arm, image_size=16, threads=2))
    assert alone["cnn-seed0"] == beside["cnn-seed0"] != beside["mlp-seed0"]


def test_arms_with_fewer_training_images_say_which(make_study: MakeStudy) -> None:
    arms = Arm("all", {}, ""), Arm("five", {"images_per_class": 5}, "")
    study, recorder = make_study(*arms), MemoryTracker()
    run(study, recorder)
    whole, few = (recorded.result for recorded in recorder.runs)
    assert whole is not None and few is not None and not whole.split
    thinned = pd.read_csv(io.StringIO(few.split))
    shared = study.split_table()
    assert shared is not None and Counter(shared["split"]) == {"train": 36, "val": 18}
    assert Counter(thinned["split"]) == {"train": 15, "val": 18}
    assert set(thinned["path"]) < set(shared["path"])
    assert [spec.train_images for spec in study.specs] == [36, 15]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9\nat"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
@pytest.mark.parametrize("where", ["__init__", "epoch"])
def test_a_run_that_is_short_of_memory_fails_alone_with_its_settings(
    error: Exception, where: str, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = getattr(Learner, where)

    def short(self: Learner, *arguments: object) -> object:
        config = arguments[0] if where == "__init__" else self.config
        if config.hidden == (9,):  # type: ignore[attr-defined]
            raise error
        return former(self, *arguments)

    monkeypatch.setattr(Learner, where, short)
    arms = Arm("plain", {}, ""), Arm("large", {"hidden": (9,)}, ""), Arm("last", {"lr": 0.1}, "")
    recorder = MemoryTracker()
    outcomes = run(make_study(*arms), recorder)
    assert [o.status for o in outcomes] == ["FINISHED", "FAILED", "FINISHED"]
    assert outcomes[1].reason.startswith("not enough memory for hidden 9, batch_size 8 and")
    assert {r.status for r in recorder.runs} == {"FINISHED", "FAILED"}


def test_other_errors_are_no_want_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_run_that_cannot_fit_is_not_begun(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(Arm("plain", {}, ""), Arm("large", {"hidden": (4000,)}, ""))
    needed = memory_bytes(study.specs[0].config, (3, 8, 8), 3)
    monkeypatch.setattr("mlp.learning.memory.most_memory", lambda device: needed + 2**16)
    outcomes = run(study, MemoryTracker())
    assert [o.status for o in outcomes] == ["FINISHED", "FAILED"]
    assert "GiB are there" in outcomes[1].reason
    with pytest.raises(SettingsError, match="arm 'large': not enough memory: hidden 4000, batch_s"):
        make_study(Arm("plain", {}, ""), Arm("large", {"hidden": (4000,)}, ""))
