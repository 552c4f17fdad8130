"""One run of a study while it trains: from its first weights to what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from mlp.data.dataset import is_own
from mlp.data.images.decoding import png
from mlp.data.index import Index
from mlp.data.split_file import split_table
from mlp.data.stream import Batches, Stream
from mlp.failures import is_out_of_memory
from mlp.learning.learner import EpochRecord, Learner, NonFiniteLoss
from mlp.learning.memory import most_memory, shortage
from mlp.learning.networks.building import build_network, parameter_count
from mlp.metrics import final_scores
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.predictions import Evaluation
from mlp.settings.base import field_text
from mlp.softmax import probabilities
from mlp.study.tracker import Outcome, PieceTracker, RunLog, RunResult, RunSpec, TakenOver


class Stopped(Exception):
    """Training is not worth going on with; says why."""


class RunProgress(Protocol):
    """Hears of the runs in training."""

    def group(self, specs: Sequence[RunSpec]) -> None:
        """These runs start, side by side."""

    def epoch(self, spec: RunSpec, record: EpochRecord) -> None:
        """A run has finished an epoch."""

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        """A run has ended, after this many epochs."""

    def group_ended(self) -> None:
        """All runs of the group have ended."""


class TrainingRun:
    """A run on a stream. `records` has its epochs; `outcome` is there once it has ended."""

    def __init__(
        self,
        spec: RunSpec,
        stream: Stream,
        index: Index,
        tracker: PieceTracker,
        progress: RunProgress,
    ) -> None:
        """Hold no memory yet: the network is made when the run first trains."""
        self.spec, self.records = spec, list[EpochRecord]()
        self.outcome: Outcome | None = None
        self._stream, self._index, self._tracker = stream, index, tracker
        self._progress = progress
        self._begun: tuple[Learner, RunLog] | None = None

    def train(self, batches: Batches) -> None:
        """Train for one epoch, and end the run where that was the last, or failed."""
        try:
            self.outcome = self._epoch(batches)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.outcome = self._fail(_too_little(self.spec, error))
        if self.outcome is not None:
            self._begun = None  # gives the memory of the network back
            self._progress.ended(self.spec, self.outcome, len(self.records))

    def abandon(self, error: BaseException) -> None:
        """End the record of a run that will not go on, because of an error or an interruption."""
        if self._begun is None:
            return
        _, log = self._begun
        if isinstance(error, Stopped):
            log.kill(str(error))
        elif isinstance(error, Exception) and not isinstance(error, TakenOver):
            log.fail(f"{type(error).__name__}: {error}", diverged=False)
        else:
            log.kill()

    def _epoch(self, batches: Batches) -> Outcome | None:
        """Train for one epoch; how the run ended, if it did."""
        validation = self._stream.validation
        if self._begun is None:
            if why := self._shortage():
                return self._fail(why)
            self._begun = learner, log = self._begin()
            log.epoch(learner.initial_record(batches, validation), learner)
        learner, log = self._begun
        try:
            record = learner.epoch(batches, validation)
        except NonFiniteLoss as error:
            return log.fail(str(error), diverged=True)
        self.records.append(record)
        log.epoch(record, learner)
        self._progress.epoch(self.spec, record)
        return log.finish(self._result(learner)) if learner.finished else None

    def _begin(self) -> tuple[Learner, RunLog]:
        config, data = self.spec.config, self._stream.dataset
        classes, steps = len(self.spec.classes), self._stream.steps_per_epoch
        learner = Learner(config, data.shape, classes, steps)
        return learner, self._tracker.start(self.spec, learner.parameter_count, data)

    def _shortage(self) -> str:
        config, shape, classes = self.spec.config, self._stream.dataset.shape, self.spec.classes
        free = most_memory(config.device)
        return shortage(config, shape, len(classes), self.spec.train_images, free)

    def _fail(self, why: str) -> Outcome:
        """End the run for want of memory, which there may be another time."""
        if self._begun is not None:
            return self._begun[1].fail(why, diverged=False)
        data = self._stream.dataset
        count = parameter_count(self.spec.config, data.shape, len(self.spec.classes))
        return self._tracker.start(self.spec, count, data).fail(why, diverged=False)

    def _result(self, learner: Learner) -> RunResult:
        """Evaluate the weights that are kept: the last ones, or early stopping's best."""
        stream, index, config = self._stream, self._index, self.spec.config
        data = stream.dataset
        learner.restore_best()
        evaluation = Evaluation(
            data.ids[data.split.val],
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
            split=split_table(index, data.split) if is_own(index, config) else None,
        )


def _too_little(spec: RunSpec, error: Exception) -> str:
    config, first = spec.config, str(error).partition("\n")[0]
    return (
        f"not enough memory for hidden {field_text(config.hidden)}, batch_size "
        f"{config.batch_size} and image_size {config.image_size} beside what trains with it "
        f"({first or 'no more was said'}); make one of them smaller, or arms_at_once"
    )
