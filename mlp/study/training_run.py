"""One run of a study while it trains: from its first weights to what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mlp.data.dataset import Datasets
from mlp.data.images.decoding import png
from mlp.data.stream import Batches, Stream
from mlp.failures import is_out_of_memory
from mlp.learning.learner import EpochRecord, Learner, NonFiniteLoss
from mlp.learning.memory import shortage, sizes
from mlp.learning.networks.building import build_network, parameter_count
from mlp.metrics import final_scores
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.predictions import Evaluation
from mlp.softmax import probabilities
from mlp.study.tracker import Outcome, PieceTracker, RunLog, RunResult, RunSpec, TakenOver


class Stopped(Exception):
    """Training is not worth going on with; says why."""


class RunProgress:
    """Hears of the runs in training; this one says nothing of them."""

    def group(self, specs: Sequence[RunSpec]) -> None:
        """These runs start, side by side."""

    def epoch(self, spec: RunSpec, record: EpochRecord) -> None:
        """A run has finished an epoch."""

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        """A run has ended, after this many epochs."""

    def group_ended(self) -> None:
        """All runs of the group have ended."""


@dataclass(eq=False)
class TrainingRun:
    """A run on a stream. `records` has its epochs; `outcome` is there once it has ended.

    It holds no memory yet: the network is made when the run first trains.
    """

    spec: RunSpec
    stream: Stream
    datasets: Datasets
    tracker: PieceTracker
    progress: RunProgress
    records: list[EpochRecord] = field(default_factory=list)
    outcome: Outcome | None = None
    _log: RunLog | None = None
    _learner: Learner | None = None

    def train(self, batches: Batches) -> None:
        """Train for one epoch, and end the run where that was the last, or failed."""
        spec, data = self.spec, self.stream.dataset
        torch.set_num_threads(spec.config.threads)
        if self._log is None:
            count = parameter_count(spec.config, data.shape, len(spec.classes))
            self._log = self.tracker.start(spec, count, data)
        try:
            self.outcome = self._epoch(batches, self._log)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # Which there may be another time
            self.outcome = self._log.fail(_too_little(spec, error), diverged=False)
        if self.outcome is not None:
            self._learner = None  # gives the memory of the network back
            self.progress.ended(spec, self.outcome, len(self.records))

    def abandon(self, error: BaseException) -> None:
        """End the record of a run that will not go on, because of an error or an interruption."""
        if self._log is None or self.outcome is not None:
            return
        if isinstance(error, Stopped):
            self._log.kill(str(error))
        elif isinstance(error, Exception) and not isinstance(error, TakenOver):
            self._log.fail(f"{type(error).__name__}: {error}", diverged=False)
        else:
            self._log.kill()

    def _epoch(self, batches: Batches, log: RunLog) -> Outcome | None:
        """Train for one epoch; how the run ended, if it did."""
        spec, learner, validation = self.spec, self._learner, self.stream.validation
        if learner is None:
            shape, classes = self.stream.dataset.shape, len(spec.classes)
            if why := shortage(spec.config, shape, classes, spec.train_images):
                return log.fail(why, diverged=False)
            learner = Learner(spec.config, shape, classes, self.stream.steps_per_epoch)
            self._learner = learner
            log.epoch(learner.initial_record(batches, validation), learner)
        try:
            record = learner.epoch(batches, validation)
        except NonFiniteLoss as error:
            return log.fail(str(error), diverged=True)
        self.records.append(record)
        log.epoch(record, learner)
        self.progress.epoch(spec, record)
        return log.finish(self._result(learner)) if learner.finished else None

    def _result(self, learner: Learner) -> RunResult:
        """Evaluate the weights that are kept: the last ones, or early stopping's best."""
        stream, data, config = self.stream, self.stream.dataset, self.spec.config
        learner.restore_best()
        evaluation = Evaluation(
            data.ids[data.split.val].to_numpy(np.str_),
            stream.validation.labels,
            probabilities(learner.logits(stream.validation, final=True)),
            data.classes,
        )
        training = stream.training_images()
        trained = probabilities(learner.logits(training, final=True)).argmax(axis=1)
        scores = final_scores(evaluation)
        scores["train_accuracy"] = float((trained == training.labels).mean())
        scores["gap_accuracy"] = scores["train_accuracy"] - scores["accuracy"]
        facts = {
            "epochs": learner.epochs_done,
            "distinct_units": learner.distinct_units(),
            "kept_epoch": learner.best_epoch,
        }
        if len(data.leaked):
            unseen = ~np.isin(data.split.val, data.leaked)
            facts["leaked_images"] = len(data.leaked)
            if unseen.any():
                right = evaluation.predicted == evaluation.labels
                scores["unseen_accuracy"] = float(right[unseen].mean())
        images = data.pixels[data.split.val]
        network = build_network(config, data.shape, len(data.classes))
        network.load_state_dict(learner.network.state_dict())
        size, gray = data.shape[1], data.shape[0] == 1
        checkpoint = Checkpoint(network, data.classes, size, gray, stream.normalization, data.depth)
        return RunResult(
            scores={f"final/{name}": value for name, value in scores.items()},
            facts={f"facts/{name}": float(value) for name, value in facts.items()},
            records=self.records,
            evaluation=evaluation,
            images=images,
            ensemble=Ensemble((checkpoint,), data.familiarity),
            example=png(images[0]),
            split=self.datasets.split_file(config),
        )


def _too_little(spec: RunSpec, error: Exception) -> str:
    first = str(error).partition("\n")[0]
    return (
        f"not enough memory for {sizes(spec.config)} beside what trains with it "
        f"({first or 'no more was said'}); make one of them smaller, or arms_at_once"
    )
