"""Small studies."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlp.data.audit.remarks import Remark
from mlp.data.dataset import open_index
from mlp.metrics import final_scores
from mlp.predictions import Evaluation
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.plan import Study, plan
from mlp.study.record import RecordedRun, RecordedStudy
from mlp.study.suite import Suite, find_suite

MakeStudy = Callable[..., Study]


@pytest.fixture
def make_study(image_tree: Path) -> MakeStudy:
    """Plan a study of quick trainings on the tree: of the given arms, else of regularization."""

    def make(
        *arms: Arm,
        seeds: tuple[int, ...] = (0,),
        folds: tuple[str, ...] = ("none",),
        **changes: object,
    ) -> Study:
        suite = Suite("test", "Which?", arms) if arms else find_suite("regularization")
        quick = {"image_size": 8, "hidden": (16, 8), "epochs": 3, "batch_size": 8, "threads": 1}
        base = RunConfig.parse({"data": str(image_tree), **quick, **changes})
        return plan(suite, base, seeds, open_index(base.data), folds)

    return make


@dataclass
class MakeRecorded:
    """Makes studies as they would be read from MLflow, without training anything."""

    images: int = 120
    classes: tuple[str, ...] = ("blue", "green", "red")

    def evaluation(self, accuracy: float, seed: int, images_seed: int = 0) -> Evaluation:
        """Answers that are right about so many images; which ones depends on both seeds."""
        labels = np.random.default_rng(images_seed).integers(0, 3, self.images)
        difficulty = np.random.default_rng(images_seed + 1).random(self.images)
        luck = np.random.default_rng(seed).normal(0, 0.15, self.images)
        right = stats.rankdata(difficulty + luck) <= round(accuracy * self.images)
        said = np.where(right, labels, (labels + 1) % 3)
        shares = np.full((self.images, 3), 0.1) + 0.7 * np.eye(3)[said]
        ids = np.array([f"{images_seed}/{k:04d}.png" for k in range(self.images)])
        return Evaluation(ids, labels, shares, self.classes)

    def run(
        self, arm: str, seed: int, accuracy: float | None, fold: str = "none", drawn: bool = False
    ) -> RecordedRun:
        """A finished run with learning curves, or without an accuracy one that failed."""
        if accuracy is None:
            return RecordedRun(
                arm, seed, fold, f"id-{arm}-{seed}", "FAILED", "the loss became nan", diverged=True
            )
        luck = zlib.crc32(f"{arm}{seed}{fold}".encode())
        images_seed = luck % 1000 if drawn else 0
        if fold != "none":
            images_seed = 10 * seed + int(fold[0])
        epochs = np.arange(1.0, 11.0)
        final = self.evaluation(accuracy, luck, images_seed)
        reached = accuracy * (1 - np.exp(-epochs / (2 + seed % 3)))
        history = {
            "train/loss": 2 / epochs,
            "train/accuracy": np.minimum(1, 1.2 * reached),
            "val/loss": 1 / epochs + 0.05 * epochs,
            "val/accuracy": reached,
            "time/epoch_seconds": np.full(10, 0.5),
        }
        scores = final_scores(final)
        metrics = {f"final/{name}": value for name, value in scores.items()} | {
            "facts/epochs": 10.0,
            "final/gap_accuracy": 0.2,
            "final/train_accuracy": scores["accuracy"] + 0.2,
        }
        return RecordedRun(
            arm, seed, fold, f"id-{arm}-{seed}", "FINISHED", "", metrics, history, final,
            train_images=4 * self.images, val_images=self.images,
        )  # fmt: skip

    def __call__(
        self,
        accuracies: Mapping[str, Sequence[float | None]],
        changes: Mapping[str, Mapping[str, object]] | None = None,
        suite: str = "test",
        folds: Sequence[str] = ("none",),
        drawn: bool = False,
    ) -> RecordedStudy:
        """Of the accuracies of each arm by seed; `drawn`: each seed has images of its own."""
        runs = [
            self.run(arm, seed, value, fold, drawn)
            for arm, values in accuracies.items()
            for seed, value in enumerate(values)
            for fold in folds
        ]
        arms = [Arm(arm, dict((changes or {}).get(arm, {})), f"{arm} <b>|") for arm in accuracies]
        return RecordedStudy(
            "parent", "7", "a study", "colors", "label", suite, "Which?", arms, {"lr": "0.001"},
            [Remark("absent", {"name": "colors", "classes": "take <care>"})], runs,
        )  # fmt: skip


@pytest.fixture
def make_recorded() -> MakeRecorded:
    return MakeRecorded()
