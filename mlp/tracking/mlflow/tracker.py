"""The tracker that people see: MLflow runs and TensorBoard events, always the same numbers."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from PIL import Image

from mlp import console
from mlp.data.dataset import Dataset
from mlp.data.index import Index
from mlp.data.split_file import split_text
from mlp.errors import ServerAway
from mlp.escaping import markdown
from mlp.settings.training import RunConfig
from mlp.study.tracker import Outcome, RunSpec, Status
from mlp.tracking.mlflow import reuse
from mlp.tracking.mlflow.claims import Claims, alone
from mlp.tracking.mlflow.outbox import FOLDER, Outbox, send_left
from mlp.tracking.mlflow.patience import is_server
from mlp.tracking.mlflow.run import MlflowRun
from mlp.tracking.mlflow.store import (
    ARM,
    DATA,
    IDENTITY,
    KIND,
    NOTE,
    PARENT,
    PLAN,
    REASON,
    SEED,
    SPLIT,
    STUDY,
    Store,
    status_after,
)
from mlp.tracking.tensorboard.writer import Events

_MONITOR_SECONDS = 5.0
_CONTEXT = "training and validation"  # what a data set is for
_LAST_MINUTES = 0.2  # waited for a server when a command was interrupted


@dataclass(frozen=True)
class Desk:
    """Where the runs of a study are recorded: enough for another process to record some of them."""

    uri: str
    experiment_id: str
    study: str
    runs_dir: str  # a Path of one system cannot be sent to another
    run_id: str
    single: bool
    patience: float  # minutes
    begun: int  # milliseconds of the epoch

    @property
    def outbox(self) -> Path:
        """The folder of all processes' outboxes."""
        return Path(self.runs_dir) / FOLDER


class MlflowTracker:
    """Records the runs of one study: as children of its parent run, or as that run itself."""

    shared = False  # whether other processes may end its runs
    _monitor: SystemMetricsMonitor | None = None

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
        run_id = store.top_run(name, {KIND: "run" if single else kind, STUDY: study})
        minutes = store.patience.minutes
        folder = runs_dir.as_posix()
        now = int(time.time() * 1000)
        desk = Desk(store.uri, store.experiment_id, study, folder, run_id, single, minutes, now)
        self._sit_down(store, desk)
        # Of the machine, while this process works
        self._monitor = SystemMetricsMonitor(
            self.run_id, _MONITOR_SECONDS, resume_logging=True, tracking_uri=store.uri
        )
        self._monitor.start()

    def _sit_down(self, store: Store, desk: Desk) -> None:
        self.store, self.desk = store, desk
        self.study, self.run_id, self.single = desk.study, desk.run_id, desk.single
        self.folder = Path(desk.runs_dir) / desk.study
        self.outbox = Outbox(store, desk.outbox, self.shared)
        self._claims = Claims(store, desk.run_id)
        self._claimed: dict[str, str] = {}  # runs that have not started, by identity

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        specs = list(specs)
        since = self.desk.begun if fresh else 0
        found, lost = reuse.find(self.store, specs, self.study, since)
        if lost:
            first = next(spec for spec in specs if spec.identity in lost)
            what = (
                "run is not used again: its" if len(lost) == 1 else "runs are not used again: their"
            )
            said = f"(the first: {first.name}: {lost[first.identity]})"
            console.out(f"{len(lost)} recorded {what} files are gone or damaged {said}")
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

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        identities = {spec.identity for spec in specs}
        with alone(self.store, "claims"):
            taken = set(self._claims.of_others(identities))
            taken |= set(reuse.find(self.store, specs, self.study, self.desk.begun)[0])
            free = [spec for spec in specs if spec.identity not in taken]
            for spec in free:
                self._claimed[spec.identity] = self.open_run(spec)
        if free and is_server(self.store.uri):
            # Commands on other machines, which that lock does not keep out: the first claim holds
            for identity, (run, _) in self._claims.of_others(identities - taken).items():
                own = self.store.client.get_run(self._claimed[identity]).info
                if (run.info.start_time, run.info.run_id) < (own.start_time, own.run_id):
                    del self._claimed[identity]
                    if self.single:
                        self.store.client.delete_tag(self.run_id, IDENTITY)
                    else:
                        self.store.client.set_terminated(own.run_id, "KILLED")
        return [spec for spec in free if spec.identity in self._claimed]

    def release(self) -> None:
        for run_id in self._claimed.values():
            if run_id != self.run_id:
                self.outbox.end(run_id, "KILLED")
        self._claimed.clear()

    def wait(self, specs: Sequence[RunSpec]) -> None:
        self._claims.wait({spec.identity for spec in specs})

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
        run_id = self.open_run(spec)
        count = run.data.params["parameter_count"]
        self.store.log_params(run_id, {"parameter_count": count})
        reuse.copy_contents(self.store, run, run_id, self.folder / spec.name)
        if not self.single:
            self.store.client.set_terminated(run_id, run.info.status)
        return run_id

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MlflowRun:
        run_id = self._claimed.pop(spec.identity, None) or self.open_run(spec)
        self.store.log_params(run_id, {"parameter_count": str(parameter_count)})
        study = "" if self.single else self.store.page(self.run_id)
        events = Events(self.folder / spec.name, spec)
        return MlflowRun(self.outbox, run_id, spec, events, dataset, study)

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        """Of some runs of this study, how those ended that did for good; by identity.

        Whoever left the others in training is told to stop: they are ended as KILLED.
        """
        outcomes: dict[str, Outcome] = {}
        for spec in specs:
            own = f"tags.`{PARENT}` = '{self.run_id}' and tags.`{IDENTITY}` = '{spec.identity}'"
            for run in self.store.search(own):
                if run.info.status == "RUNNING":
                    self.store.client.set_terminated(run.info.run_id, "KILLED")
                elif run.info.status == "FINISHED" or reuse.is_diverged(run):
                    outcomes[spec.identity] = reuse.outcome(run, spec, run.info.run_id)
        return outcomes

    def give_up(self, spec: RunSpec, reason: str) -> Outcome:
        """Record that a run could not be trained, and why."""
        run_id = self.open_run(spec)
        self.store.client.set_tag(run_id, REASON, reason)
        self.store.client.set_tag(run_id, NOTE, f"Failed: {markdown(reason)}")
        self.store.client.set_terminated(run_id, "FAILED")
        return Outcome(spec.arm, spec.config.seed, spec.identity, "FAILED", run_id, {}, reason)

    def bring_events(self, spec: RunSpec, outcome: Outcome) -> None:
        """Have the TensorBoard events of a run here that was trained on another machine."""
        folder = self.folder / spec.name
        if folder.exists() or outcome.status != "FINISHED":
            return
        with tempfile.TemporaryDirectory(prefix="mlp-events-") as name:
            try:
                events = self.store.client.download_artifacts(outcome.run_id, "tensorboard", name)
            except (MlflowException, OSError) as error:
                console.out(f"{spec.name}: no events for TensorBoard ({error})")
            else:
                shutil.copytree(events, folder)

    def deliver(self) -> None:
        """Wait until all that was recorded has reached a server. Raises ServerAway."""
        self.outbox.deliver()

    def open_run(self, spec: RunSpec) -> str:
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
            _CONTEXT,
        )
        return run_id

    def describe(self, base: RunConfig, index: Index) -> None:
        """Say in the run of the command what its runs have in common."""
        self.store.log_params(self.run_id, base.as_text())
        self.store.log_dataset(
            self.run_id, index.name, index.digest, base.data, len(index.classes), _CONTEXT
        )

    def plan(self, contents: object, split: pd.DataFrame | None) -> None:
        """Record what the study is made of, before any of it is trained.

        `split`: the sides of its images, where all its runs share them.
        """
        self.store.client.log_dict(self.run_id, contents, PLAN)
        if split is not None:
            self.store.client.log_text(self.run_id, split_text(split), SPLIT)

    def show(self, text: str, shown: Mapping[str, bytes]) -> None:
        """Put a report on the study, and its pictures (PNG by name), into TensorBoard."""
        with alone(self.store, "claims"):
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

    @contextmanager
    def ended_if_cut_off(self) -> Iterator[None]:
        """End the run of the command where what it does fails or is interrupted."""
        try:
            yield
        except BaseException as error:
            self.end(status_after(error))
            raise

    def end(self, status: Status) -> None:
        """End the run of the command, and as KILLED whatever of it still runs anywhere.

        Raises ServerAway, or what was wrong with a record.
        """
        if self._monitor is not None:
            self._monitor.finish()
        if status != "FINISHED":
            self.store.patience.minutes = _LAST_MINUTES
        refused = None
        try:
            self.deliver()
            if status != "FINISHED":
                # Of workers of this machine that had to go
                send_left(self.store, self.desk.outbox)
        except ServerAway:
            raise
        except Exception as error:
            refused = error
        finally:
            self.outbox.close()
        for run in self.store.children(self.run_id, "RUNNING"):
            self.store.client.set_terminated(run.info.run_id, "KILLED")
        self.store.client.set_terminated(self.run_id, "FAILED" if refused else status)
        if refused is not None:
            raise refused
