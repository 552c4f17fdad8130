"""The tracker that people see: MLflow runs and TensorBoard events, always the same numbers."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Run, RunTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from numpy.typing import NDArray
from PIL import Image

from mlp.data.dataset import Dataset
from mlp.learning.learner import EpochRecord, Learner
from mlp.learning.scores import Evaluation, probabilities
from mlp.tracking import pictures, results, reuse
from mlp.tracking.interface import Outcome, RunResult, RunSpec, Status
from mlp.tracking.packaging import Packager
from mlp.tracking.store import (
    ARM,
    DATA,
    DIVERGED,
    IDENTITY,
    KIND,
    NOTE,
    PARENT,
    PLAN,
    SEED,
    SPLIT,
    STUDY,
    Store,
)
from mlp.tracking.tensorboard import POINTS, Events

_FLUSH_SECONDS = 10.0
_HISTOGRAMS_A_RUN = 10
# The slider over epochs: most is learned in the first ones
_FRAMES = {0, *(3**k for k in range(20))}
_FRAME_SIDE = 104  # pixels of an image
_MONITOR_SECONDS = 5.0


class MlflowTracker:
    """Records the runs of one study: as children of its parent run, or as that run itself."""

    def __init__(
        self,
        store: Store,
        study: str,
        runs_dir: Path,
        *,
        name: str,
        single: bool,
        kind: str = "study",
    ) -> None:
        """`study` names the TensorBoard folder under `runs_dir`, `name` the run of the command.

        `single`: the one run of this study is the run of the command and has no parent. `kind` is
        what the run of the command is called otherwise.
        """
        self.store, self.single = store, single
        self.packager = Packager(store.client)
        self.study = study
        self.folder = runs_dir / study
        self.run_id = store.top_run(name, {KIND: "run" if single else kind, STUDY: study})
        # Of the machine, while this process works
        self._monitor = SystemMetricsMonitor(
            self.run_id, _MONITOR_SECONDS, resume_logging=True, tracking_uri=store.uri
        )
        self._monitor.start()

    def reuse(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        specs = list(specs)
        found = reuse.find(self.store, specs, self.study)
        outcomes: dict[str, Outcome] = {}
        for spec in specs:
            run = found.get(spec.identity)
            if run is None or spec.identity in outcomes:
                continue
            if run.data.tags.get(STUDY) == self.study:
                run_id = run.info.run_id
                self._take_over(run)
            else:
                run_id = self._copy(run, spec)
            outcomes[spec.identity] = reuse.outcome(run, spec, run_id)
        return outcomes

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Numbers of the command itself, in its run."""
        now = int(time.time() * 1000)
        logged = [Metric(name, value, now, step) for name, value in metrics.items()]
        self.store.client.log_batch(self.run_id, metrics=logged)

    def take_over_all(self) -> None:
        """Make the runs of earlier attempts at this study that died children of this one."""
        own = f"tags.`{STUDY}` = '{self.study}' and tags.`{KIND}` = 'run'"
        for run in self.store.search(own):
            self._take_over(run)

    def _take_over(self, run: Run) -> None:
        """An earlier attempt at this study that died: its finished runs become children of this."""
        parent = run.data.tags.get(PARENT)
        if parent is not None and parent != self.run_id:
            former = self.store.client.get_run(parent)
            if former.info.status in ("KILLED", "FAILED"):
                self.store.client.set_tag(run.info.run_id, PARENT, self.run_id)

    def _copy(self, run: Run, spec: RunSpec) -> str:
        """A run of this study with what another study recorded: each study has all of its runs."""
        run_id = self._open(spec, int(run.data.params["parameter_count"]))
        reuse.copy_contents(self.store, run, run_id, self.folder / spec.name)
        if not self.single:
            self.store.client.set_terminated(run_id, run.info.status)
        return run_id

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MlflowRun:
        run_id = self._open(spec, parameter_count)
        return MlflowRun(self, run_id, spec, Events(self.folder / spec.name, spec), dataset)

    def _open(self, spec: RunSpec, parameter_count: int) -> str:
        """A run with its tags, parameters and data set; its id."""
        client = self.store.client
        tags = {
            KIND: "run",
            STUDY: self.study,
            IDENTITY: spec.identity,
            ARM: spec.arm,
            SEED: str(spec.config.seed),
            DATA: spec.data_digest,
        }
        if self.single:
            run_id = self.run_id
            client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        else:
            run_id = self.store.new_run(spec.name, {**tags, PARENT: self.run_id})
        params = spec.config.as_text() | {
            "arm": spec.arm,
            "data_name": spec.data_name,
            "data_digest": spec.data_digest,
            "class_count": str(len(spec.classes)),
            "parameter_count": str(parameter_count),
            "train_images": str(spec.train_images),
            "val_images": str(spec.val_images),
        }
        self.store.log_params(run_id, params)
        self.store.log_dataset(
            run_id,
            spec.data_name,
            spec.data_digest,
            spec.config.data,
            len(spec.classes),
            "training and validation",
        )
        return run_id

    def plan(self, contents: object, split: pd.DataFrame | None) -> None:
        """Record what the study is made of, before any of it is trained.

        `split`: the sides of its images, where all its runs share them.
        """
        self.store.client.log_dict(self.run_id, contents, PLAN)
        if split is not None:
            self.store.client.log_text(self.run_id, split.to_csv(index=False), SPLIT)

    def show(self, text: str, shown: Mapping[str, bytes]) -> None:
        """Put a report on the study, and its pictures (PNG by name), into TensorBoard."""
        events = Events(self.folder / "report")
        events.text("report", text)
        for name, content in shown.items():
            events.picture(f"report/{name}", Image.open(io.BytesIO(content)).convert("RGB"), 0)
        events.close({})

    def refer_to(self, outcome: Outcome) -> None:
        """Say in the run of a single training that another run has these numbers already."""
        note = (
            f"Nothing was trained: [this run]({self.store.page(outcome.run_id)}) has the same "
            "configuration, seed, data and code."
        )
        self.store.client.set_tag(self.run_id, NOTE, note)
        # Not a run with numbers of its own
        self.store.client.set_tag(self.run_id, KIND, "reference")

    def end(self, status: Status) -> None:
        """End the run of the command, and as KILLED whatever of this process still runs."""
        self._monitor.finish()
        self.packager.close()
        for run_id in self.store.own_running_runs():
            if run_id != self.run_id:
                self.store.client.set_terminated(run_id, "KILLED")
        self.store.client.set_terminated(self.run_id, status)


class MlflowRun:
    """The record of one run: metrics go to MLflow every few seconds, to TensorBoard at once."""

    def __init__(
        self, tracker: MlflowTracker, run_id: str, spec: RunSpec, events: Events, dataset: Dataset
    ) -> None:
        self.run_id = run_id
        self._tracker, self._client = tracker, tracker.store.client
        self._spec, self._events = spec, events
        self._pending: list[Metric] = []
        self._flushed = time.monotonic()
        self._every = max(1, spec.config.epochs // _HISTOGRAMS_A_RUN)
        val = dataset.split.val
        self._watched = pictures.examples(dataset.labels[val], pictures.EXAMPLES)
        watched = val[self._watched]
        self._ids, self._labels = dataset.ids[watched], dataset.labels[watched]
        self._images = dataset.pixels[watched]

    def epoch(self, record: EpochRecord, learner: Learner) -> None:
        self._add(record.metrics, record.epoch)
        if record.epoch % self._every == 0 or record.epoch == 1:
            self._events.histograms(learner.histogram_samples(), record.epoch)
        # That of the last epoch is drawn by `finish`
        logits = None if learner.finished else learner.validation_logits
        if record.epoch in _FRAMES and logits is not None:
            title = f"After epoch {record.epoch}" if record.epoch else "Before training"
            answers = probabilities(logits[self._watched])
            picture = self._predictions(answers, record.epoch, title)
            self._events.picture("validation/predictions", picture, record.epoch)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._flush()

    def finish(self, result: RunResult) -> Outcome:
        step = result.records[-1].epoch
        self._flush()
        answers = result.evaluation.probabilities[self._watched]
        self._predictions(answers, step, "The network that is kept")
        with tempfile.TemporaryDirectory(prefix="mlp-run-") as name:
            folder = Path(name)
            drawn = results.draw(result.ensemble, result.evaluation, result.images)
            kept = results.files(result.evaluation, result.scores, drawn)
            kept["curves.png"] = pictures.png(pictures.curves(result.records))
            for file, content in kept.items():
                (folder / file).write_bytes(content)
            if result.split is not None:
                result.split.to_csv(folder / SPLIT, index=False)
            self._events.evaluation(result.evaluation, drawn, step)
            # Evenly spaced: they often stand in the order of their classes
            count = len(result.images)
            rows = np.linspace(0, count - 1, min(count, POINTS)).astype(np.int64)
            shown = result.images[rows]
            features = result.ensemble.members[0].features(shown)
            self._events.projector(result.evaluation, rows, features, shown, step)
            self._events.close(result.scores)
            shutil.copytree(self._events.folder, folder / "tensorboard")
            self._client.log_artifacts(self.run_id, str(folder))
        now = int(time.time() * 1000)
        # At step 0: MLflow then draws bars to compare runs
        metrics = [Metric(name, value, now, 0) for name, value in result.scores.items()]
        run = self._client.get_run(self.run_id)
        self._tracker.packager.log_model(run, result.ensemble, result.example, metrics)
        if not self._tracker.single:
            share, count = result.scores["final/accuracy"], len(result.images)
            study = self._tracker.store.page(self._tracker.run_id)
            note = (
                f"{share:.1%} of {count} validation images are right. Part of [a study]({study})."
            )
            self._client.set_tag(self.run_id, NOTE, note)
        return self._end("FINISHED", result.scores)

    def fail(self, reason: str, diverged: bool) -> Outcome:
        if diverged:
            self._client.set_tag(self.run_id, DIVERGED, reason)
        self._client.set_tag(self.run_id, NOTE, f"Failed: {reason}")
        self._flush()
        self._events.close({})
        return self._end("FAILED", {}, reason)

    def kill(self, reason: str = "") -> None:
        if reason:
            self._client.set_tag(self.run_id, NOTE, reason)
        self._flush()
        self._events.close({})
        self._end("KILLED", {})

    def _predictions(self, answers: NDArray[np.float64], epoch: int, title: str) -> Image.Image:
        """Log what is said of some images by now, for a slider over epochs; the picture."""
        said = Evaluation(self._ids, self._labels, answers, self._spec.classes)
        picture = pictures.predictions(said, self._images, title, _FRAME_SIDE)
        self._client.log_image(self.run_id, picture, key="predictions", step=epoch)
        return picture

    def _end(self, status: Status, scores: Mapping[str, float], reason: str = "") -> Outcome:
        if not self._tracker.single:
            self._client.set_terminated(self.run_id, status)
        spec = self._spec
        return Outcome(
            spec.arm, spec.config.seed, spec.identity, status, self.run_id, scores, reason
        )

    def _add(self, metrics: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        self._pending += [Metric(name, value, now, step) for name, value in metrics.items()]
        self._events.scalars(metrics, step)

    def _flush(self) -> None:
        # A request to an MLflow server holds at most 1000 metrics
        while self._pending:
            self._client.log_batch(self.run_id, metrics=self._pending[:1000])
            del self._pending[:1000]
        self._flushed = time.monotonic()
