"""Recording runs of a study in MLflow and TensorBoard, from any process that trains them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlflow.entities import RunTag

from mlp.data.dataset import Dataset
from mlp.study.tracker import Outcome, RunSpec
from mlp.tracking.mlflow import reuse
from mlp.tracking.mlflow.claims import Claims, alone
from mlp.tracking.mlflow.outbox import Outbox
from mlp.tracking.mlflow.place import RecordingPlace
from mlp.tracking.mlflow.run import MlflowRun
from mlp.tracking.mlflow.store import ARM, DATA, IDENTITY, KIND, PARENT, SEED, STUDY, Store
from mlp.tracking.mlflow.waiting import is_server
from mlp.tracking.tensorboard.events import Events

CONTEXT = "training and validation"  # what a data set is for


class RunRecorder:
    """Records runs of one study: as children of its parent run, or as that run itself."""

    def __init__(self, store: Store, place: RecordingPlace, shared: bool) -> None:
        """`shared`: other processes may end its runs."""
        self.store, self.place = store, place
        self.study, self.run_id, self.single = place.study, place.run_id, place.single
        self.outbox = Outbox(store, place.outbox, shared)
        self._claims = Claims(store, place.run_id)
        self._claimed: dict[str, str] = {}  # runs that have not started, by identity

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        identities = {spec.identity for spec in specs}
        with alone(self.store, "claims"):
            taken = set(self._claims.of_others(identities))
            taken |= set(reuse.find(self.store, specs, self.study, self.place.begun)[0])
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

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MlflowRun:
        run_id = self._claimed.pop(spec.identity, None) or self.open_run(spec)
        self.store.log_params(run_id, {"parameter_count": str(parameter_count)})
        study = "" if self.single else self.store.page(self.run_id)
        events = Events(self.place.folder / spec.name, spec)
        return MlflowRun(self.outbox, run_id, spec, events, dataset, study)

    def deliver(self) -> None:
        """Wait until all that was recorded has reached a server. Raises ServerAway."""
        self.outbox.deliver()

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for spec in specs:
            own = f"tags.`{PARENT}` = '{self.run_id}' and tags.`{IDENTITY}` = '{spec.identity}'"
            for run in self.store.search(own):
                if run.info.status == "RUNNING":
                    self.store.client.set_terminated(run.info.run_id, "KILLED")
                elif run.info.status == "FINISHED" or reuse.is_diverged(run):
                    outcomes[spec.identity] = reuse.outcome(run, spec, run.info.run_id)
        return outcomes

    def open_run(self, spec: RunSpec) -> str:
        """A run with its tags, parameters and data set; its id."""
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
            self.store.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
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
        name, digest, count = spec.data_name, spec.data_digest, len(spec.classes)
        self.store.log_dataset(run_id, name, digest, spec.config.data, count, CONTEXT)
        return run_id
