"""The tracker that people see: MLflow runs and TensorBoard events, always the same numbers."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from PIL import Image

from mlp import console
from mlp.data.index import Index
from mlp.data.split_file import split_text
from mlp.errors import ServerAway
from mlp.escaping import markdown
from mlp.settings.study import Models, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.study.tracker import Files, Numbers, Outcome, PieceTracker, RunSpec, Status
from mlp.tracking.mlflow import names, reuse
from mlp.tracking.mlflow.claims import alone
from mlp.tracking.mlflow.environment import open_worker_tracker
from mlp.tracking.mlflow.kept_models import settle
from mlp.tracking.mlflow.outbox import send_left
from mlp.tracking.mlflow.place import ONCE, OUTBOX, RecordingPlace, check_runs_dir
from mlp.tracking.mlflow.recording import CONTEXT, MlflowWorkerTracker
from mlp.tracking.mlflow.store import Store, now, open_store, timed
from mlp.tracking.mlflow.studies import MlflowStudies
from mlp.tracking.tensorboard.arms import ArmCurves
from mlp.tracking.tensorboard.events import Events

_MONITOR_SECONDS = 5.0
_REPORT = "the report"  # its folder among those of arms, whose names have no blanks
_LAST_MINUTES = 0.2  # waited for a server when a command was interrupted


def open_to_record(config: TrackingConfig, adopted: str | None) -> Store:
    """Open the store; send what a process that died could not, and end its runs as KILLED.

    `adopted`: the run that `mlflow run` made for this process.
    Raises MlflowException, ServerAway, SettingsError.
    """
    check_runs_dir(config.runs_dir)
    store = open_store(config.experiment_name, config.patience, adopted)
    send_left(store, Path(config.runs_dir) / OUTBOX)
    if stale := store.end_stale_runs():
        console.err(f"Note: {stale} runs of a process that died were ended as KILLED")
    return store


class MlflowTracker(MlflowWorkerTracker):
    """Records one study for the command that began it; see `mlp.study.tracker.Tracker`."""

    def __init__(
        self,
        store: Store,
        study: str,
        runs_dir: Path,
        *,
        name: str,
        single: bool,
        kind: str = "study",
        models: Models = "all",
    ) -> None:
        """`study` names the TensorBoard folder under `runs_dir`, `name` the run of the command.

        `single`: the one run of this study is the run of the command and has no parent. `kind` is
        what the run of the command is called otherwise.
        """
        run_id = store.top_run(name, "run" if single else kind, study)
        folder, minutes = runs_dir.as_posix(), store.limit.minutes
        place = (store.uri, store.experiment_id, study, folder, run_id, single, minutes, now())
        super().__init__(RecordingPlace(*place, models), store)
        self.studies = MlflowStudies(store)
        self._curves = ArmCurves(self.place.arms)
        # Of the machine, while this process works
        self._monitor = SystemMetricsMonitor(
            self.run_id, _MONITOR_SECONDS, resume_logging=True, tracking_uri=store.uri
        )
        self._monitor.start()

    def remote(self) -> Callable[[], PieceTracker]:
        return partial(open_worker_tracker, self.place)

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        specs = list(specs)
        since = self.place.begun if fresh else 0
        found, lost = self.recorded(specs, since)
        if lost:
            first = next(spec for spec in specs if spec.identity in lost)
            console.out(
                f"recorded runs that are not used again: {len(lost)}, of which files are gone or "
                f"damaged (the first: {first.name}: {lost[first.identity]})"
            )
        outcomes: dict[str, Outcome] = {}
        for spec in specs:
            run = found.get(spec.identity)
            if run is None or spec.identity in outcomes:
                continue
            if run.data.tags.get(names.STUDY) == self.study:
                run_id = run.info.run_id
                self._take_over(run)
            else:
                run_id = self._copy(run, spec)
            outcomes[spec.identity] = reuse.outcome(run, spec, run_id)
        return outcomes

    def keep_models(self, run_ids: Collection[str]) -> set[str]:
        settle(self.store, self.study, self.run_id, run_ids)
        return set(reuse.problems(self.store, [self.store.client.get_run(r) for r in run_ids]))

    def wait(self, specs: Sequence[RunSpec]) -> None:
        self._claims.wait({spec.identity for spec in specs})

    def log(self, metrics: Numbers, step: int) -> None:
        self.store.client.log_batch(self.run_id, metrics=timed(metrics, step))

    def take_over_all(self) -> None:
        own = f"tags.`{names.STUDY}` = '{self.study}' and tags.`{names.KIND}` = 'run'"
        for run in self.store.search(own):
            self._take_over(run)

    def _take_over(self, run: Run) -> None:
        """An earlier attempt at this study that died: its finished runs become children of this."""
        parent = run.data.tags.get(names.PARENT)
        if parent is not None and parent != self.run_id:
            former = self.store.client.get_run(parent)
            if former.info.status in ("KILLED", "FAILED"):
                self.store.client.set_tag(run.info.run_id, names.PARENT, self.run_id)

    def _copy(self, run: Run, spec: RunSpec) -> str:
        """A run of this study with what another study recorded: each study has all of its runs."""
        run_id = self.open_run(spec)
        self.store.log_params(run_id, {"parameter_count": run.data.params["parameter_count"]})
        reuse.copy_contents(self.store, run, run_id, self.place.events(spec.name))
        if not self.single:
            self.store.client.set_terminated(run_id, run.info.status)
        return run_id

    def give_up(self, spec: RunSpec, reason: str) -> Outcome:
        run_id = self.open_run(spec)
        self.store.client.set_tag(run_id, names.REASON, reason)
        self.store.client.set_tag(run_id, names.NOTE, f"Failed: {markdown(reason)}")
        self.store.client.set_terminated(run_id, "FAILED")
        return Outcome.of(spec, "FAILED", run_id, reason=reason)

    def draw_curves(self, specs: Iterable[RunSpec], outcomes: Mapping[str, Outcome]) -> None:
        ended = {i: outcome for i, outcome in outcomes.items() if outcome.status == "FINISHED"}
        finished = [spec for spec in specs if spec.identity in ended]
        for spec in finished:
            if not self.place.events(spec.name).exists():
                self._bring_events(spec, ended[spec.identity])
        if not self.single:
            self._curves.add((spec.arm, self.place.events(spec.name)) for spec in finished)

    def _bring_events(self, spec: RunSpec, outcome: Outcome) -> None:
        with tempfile.TemporaryDirectory(prefix="mlp-events-") as name:
            try:
                events = self.store.client.download_artifacts(outcome.run_id, "tensorboard", name)
            except (MlflowException, OSError) as error:
                console.out(f"{spec.name}: no events for TensorBoard ({error})")
            else:
                shutil.copytree(events, self.place.events(spec.name))

    def describe(self, base: RunConfig, index: Index) -> None:
        self.store.log_params(self.run_id, base.as_text())
        count = len(index.classes)
        self.store.log_dataset(self.run_id, index.name, index.digest, base.data, count, CONTEXT)

    def plan(self, contents: Mapping[str, Any], split: pd.DataFrame | None) -> None:
        self.store.client.log_dict(self.run_id, contents, names.PLAN)
        if split is not None:
            self.store.client.log_text(self.run_id, split_text(split), names.SPLIT)

    def show(self, text: str, shown: Files) -> None:
        with alone(self.store, "claims"):
            events = Events(self.place.arms / _REPORT)
            events.text("report", text)
            for name, content in shown.items():
                events.picture(f"report/{name}", Image.open(io.BytesIO(content)), content, 0)
            events.close({})

    def refer_to(self, outcome: Outcome) -> None:
        other = f"[this run]({self.store.page(outcome.run_id)})"
        note = f"Nothing was trained: {other} has the same configuration, seed, data and code."
        self.store.client.set_tag(self.run_id, names.NOTE, note)
        # Not a run with numbers of its own
        self.store.client.set_tag(self.run_id, names.KIND, "reference")

    def end(self, status: Status) -> None:
        self._monitor.finish()
        if status != "FINISHED":
            self.store.limit.minutes = _LAST_MINUTES
        refused = None
        try:
            self.deliver()
            if status != "FINISHED":
                # Of workers of this machine that had to go
                send_left(self.store, self.place.outbox)
        except ServerAway:
            raise
        except Exception as error:
            refused = error
        finally:
            self.outbox.close()
            # Its runs have these files, of which another command makes a new one
            shutil.rmtree(self.place.folder.with_name(ONCE), ignore_errors=True)
        for run in self.store.children(self.run_id, "RUNNING"):
            self.store.client.set_terminated(run.info.run_id, "KILLED")
        self.store.client.set_terminated(self.run_id, "FAILED" if refused else status)
        if refused is not None:
            raise refused
