"""The record of one run that people see."""

from __future__ import annotations

import io
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import Metric
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from numpy.typing import NDArray
from PIL import Image

from mlp.data.dataset import Dataset
from mlp.escaping import markdown
from mlp.learning.learner import EpochRecord, Learner
from mlp.predictions import Evaluation
from mlp.softmax import probabilities
from mlp.study.tracker import Outcome, RunResult, RunSpec, Status, TakenOver
from mlp.tracking import pictures, results
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.artifacts import copy_tree
from mlp.tracking.mlflow.outbox import OF_MODEL, OF_RUN, Outbox
from mlp.tracking.mlflow.packaging import model_files
from mlp.tracking.mlflow.place import RecordingPlace
from mlp.tracking.mlflow.store import now, timed
from mlp.tracking.tensorboard.events import POINTS, Events

_FLUSH_SECONDS = 10.0
_HISTOGRAMS_A_RUN = 10
# The slider over epochs: most is learned in the first ones
_FRAMES = {0, *(5**k for k in range(15))}
_FRAME_SIDE = 104  # pixels of an image


class MlflowRun:
    """The record of one run: metrics go to MLflow every few seconds, to TensorBoard at once."""

    def __init__(
        self,
        outbox: Outbox,
        run_id: str,
        spec: RunSpec,
        events: Events,
        dataset: Dataset,
        parameter_count: int,
        study: str,
        place: RecordingPlace,
    ) -> None:
        """`study`: the page of the study that it is a part of, empty for a training of its own."""
        self.run_id = run_id
        self._outbox, self._study, self._place = outbox, study, place
        self._spec, self._events = spec, events
        self._pending: list[Metric] = []
        self._tags: dict[str, str] = {}
        self._params = {"parameter_count": str(parameter_count)}
        self._frames: dict[str, bytes] = {}  # files of the slider over epochs
        self._flushed = time.monotonic()
        self._every = max(1, spec.config.epochs // _HISTOGRAMS_A_RUN)
        val = dataset.split.val
        self._watched = pictures.examples(dataset.labels[val], pictures.EXAMPLES)
        watched = val[self._watched]
        self._ids = dataset.ids[watched].to_numpy(np.str_)
        self._labels = dataset.labels[watched]
        self._images = dataset.pixels[watched]
        if spec.shown:
            self._tags[MLFLOW_LOGGED_IMAGES] = "True"  # or MLflow shows no epochs

    def epoch(self, record: EpochRecord, learner: Learner) -> None:
        self._pending += timed(record.metrics, record.epoch)
        self._events.scalars(record.metrics, record.epoch)
        often = self._spec.shown and (record.epoch % self._every == 0 or record.epoch == 1)
        if often or not record.epoch:  # a report shows the weights before training
            self._events.histograms(learner.histogram_samples(), record.epoch)
        # That of the last epoch is drawn by `finish`
        logits = None if learner.finished else learner.validation_logits
        if self._spec.shown and record.epoch in _FRAMES and logits is not None:
            title = f"After epoch {record.epoch}" if record.epoch else "Before training"
            answers = probabilities(logits[self._watched])
            shown = self._predictions(answers, record.epoch, title)
            self._events.picture("validation/predictions", *shown, record.epoch)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()
        self._check()

    def finish(self, result: RunResult) -> Outcome:
        self._check()
        step = result.records[-1].epoch
        if self._spec.shown:
            answers = result.evaluation.probabilities[self._watched]
            self._predictions(answers, step, "The network that is kept")
            drawn = results.draw(result.ensemble, result.evaluation, result.images)
        else:
            drawn = results.draw_answers(result.evaluation, result.images)
        numbers = {**result.scores, **result.facts}
        kept = results.files(result.evaluation, numbers, drawn)
        kept["curves.png"] = pictures.png(pictures.curves(result.records))
        self._events.text("classification_report", kept[results.REPORT].decode())
        if self._spec.shown:
            self._events.pictures(drawn, kept, step)
            self._show_whole(result, step)
        self._events.close(numbers)

        def write(folder: Path) -> None:
            own = folder / OF_RUN
            own.mkdir()
            for file, content in kept.items():
                (own / file).write_bytes(content)
            if result.split:
                (own / names.SPLIT).write_text(result.split, encoding="utf-8", newline="")
            if self._frames:
                self._write_frames(own)
            copy_tree(self._events.folder, own / "tensorboard")
            if self._place.models != "none":
                (folder / OF_MODEL).mkdir()
                model_files(result.ensemble, result.example, folder / OF_MODEL)

        if self._study:
            share, count = result.scores["final/accuracy"], len(result.images)
            self._tags[names.NOTE] = (
                f"{share:.1%} of {count} validation images are right. "
                f"Part of [a study]({self._study})."
            )
        value = self._unsent() | {
            "numbers": timed(numbers, 0),  # at step 0: MLflow then draws bars to compare runs
            "status": "FINISHED" if self._study else "",
            "waiting_for": self._place.study if self._place.models == "best" else "",
        }
        self._outbox.put("result", self.run_id, value, write)
        return self._outcome("FINISHED", scores=result.scores, facts=result.facts)

    def _show_whole(self, result: RunResult, step: int) -> None:
        self._events.curves(result.evaluation, step)
        # Evenly spaced: they often stand in the order of their classes
        count = len(result.images)
        rows = np.linspace(0, count - 1, min(count, POINTS)).astype(np.int64)
        shown = result.images[rows]
        features = result.ensemble.members[0].features(shown)
        self._events.projector(result.evaluation, rows, features, shown, step)

    def fail(self, reason: str, diverged: bool) -> Outcome:
        if diverged:
            self._tags[names.DIVERGED] = reason
        self._stop("FAILED", reason, f"Failed: {markdown(reason)}")
        return self._outcome("FAILED", reason=reason)

    def kill(self, reason: str = "") -> None:
        self._stop("KILLED", reason, markdown(reason))

    def _stop(self, status: Status, reason: str, note: str) -> None:
        if reason:
            self._tags |= {names.REASON: reason, names.NOTE: note}
        self._flush()
        if self._frames:
            self._outbox.put("artifacts", self.run_id, None, self._write_frames)
        self._events.close({})
        if self._study:
            self._outbox.put("end", self.run_id, status)

    def _predictions(
        self, answers: NDArray[np.float64], epoch: int, title: str
    ) -> tuple[Image.Image, bytes]:
        """Keep what is said of some images by now, for a slider over epochs; the picture, and as
        PNG."""
        said = Evaluation(self._ids, self._labels, answers, self._spec.classes)
        picture = pictures.predictions(said, self._images, title, _FRAME_SIDE)
        stem = f"predictions+step+{epoch}+timestamp+{now()}+{uuid.uuid4()}"
        small = io.BytesIO()
        compress_image_size(picture).save(small, "webp", method=0)
        # As `MlflowClient.log_image` calls them
        self._frames[f"{stem}.png"] = file = pictures.png(picture)
        self._frames[f"{stem}+compressed.webp"] = small.getvalue()
        return picture, file

    def _write_frames(self, folder: Path) -> None:
        place = folder / "images"
        place.mkdir()
        for name, content in self._frames.items():
            (place / name).write_bytes(content)

    def _check(self) -> None:
        if self.run_id in self._outbox.lost:
            raise TakenOver(f"run {self.run_id} was ended by another process")

    def _outcome(self, status: Status, **said: Any) -> Outcome:
        return Outcome.of(self._spec, status, self.run_id, **said)

    def _flush(self) -> None:
        if self._pending or self._tags or self._params:
            self._outbox.put("batch", self.run_id, self._unsent())
        self._flushed = time.monotonic()

    def _unsent(self) -> dict[str, Any]:
        """Metrics, tags and parameters that were not sent yet."""
        unsent = {"metrics": self._pending, "tags": self._tags, "params": self._params}
        self._pending, self._tags, self._params = [], {}, {}
        return unsent
