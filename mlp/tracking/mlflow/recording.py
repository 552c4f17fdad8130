"""Recording runs of a study in MLflow and TensorBoard, from any process that trains them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from mlp.data.dataset import Dataset
from mlp.study.tracker import Outcome, RunSpec, TakenOver
from mlp.tracking.mlflow import names, reuse
from mlp.tracking.mlflow.claims import Claims, alone
from mlp.tracking.mlflow.outbox import Outbox, send_left
from mlp.tracking.mlflow.place import RecordingPlace
from mlp.tracking.mlflow.run import MlflowRun
from mlp.tracking.mlflow.store import Store, reopen
from mlp.tracking.mlflow.waiting import is_server
from mlp.tracking.tensorboard.events import Events

CONTEXT = "training and validation"  # what a data set is for


class MlflowWorkerTracker:
    """Records runs of one study: as children of its parent run, or as that run itself."""

    def __init__(self, place: RecordingPlace, store: Store | None = None) -> None:
        """`store` is None where another process has opened the study, and may end its runs."""
        self._shared = store is None
        if store is None:
            store = reopen(place.uri, place.experiment_id, place.minutes)
            send_left(store, place.outbox)
        self.store, self.place = store, place
        self.study, self.run_id, self.single = place.study, place.run_id, place.single
        self.outbox = Outbox(store, place.outbox, self._shared)
        self._claims = Claims(store, place.run_id)
        self._claimed: dict[str, str] = {}  # runs that have not started, by identity

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        return self.ended_already(specs)

    def recorded(
        self, specs: Sequence[RunSpec], since: int = 0
    ) -> tuple[dict[str, Run], dict[str, str]]:
        """The runs that can be used again, see `reuse.find`."""
        return reuse.find(self.store, specs, self.study, since, self.place.models == "all")

    def claim(self, specs: Sequence[RunSpec]) -> list[RunSpec]:
        identities = {spec.identity for spec in specs}
        with alone(self.store, "claims"):
            taken = set(self._claims.of_others(identities))
            taken |= set(self.recorded(specs, self.place.begun)[0])
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
                        self.store.client.delete_tag(self.run_id, names.IDENTITY)
                    else:
                        self.store.client.set_terminated(own.run_id, "KILLED")
        return [spec for spec in free if spec.identity in self._claimed]

    def release(self) -> None:
        for run_id in self._claimed.values():
            if run_id != self.run_id:
                self.outbox.put("end", run_id, "KILLED")
        self._claimed.clear()

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MlflowRun:
        # A driver that is gone may have been followed by one that trains the same elsewhere
        if self._shared and (
            self.outbox.lost or self.store.client.get_run(self.run_id).info.status != "RUNNING"
        ):
            raise TakenOver("the study that this run is a part of was ended")
        run_id = self._claimed.pop(spec.identity, None) or self.open_run(spec)
        study = "" if self.single else self.store.page(self.run_id)
        events = Events(self.place.events(spec.name), spec)
        about = dataset, parameter_count, study, self.place
        return MlflowRun(self.outbox, run_id, spec, events, *about)

    def deliver(self) -> None:
        """Wait until all that was recorded has reached a server. Raises ServerAway, TakenOver."""
        self.outbox.deliver()
        if self.outbox.lost:
            raise TakenOver("runs of this piece were ended by another process")

    def count_try(self, specs: Sequence[RunSpec]) -> int:
        key = _tries(specs[0])
        tags = self.store.client.get_run(self.run_id).data.tags
        left, count = map(int, tags.get(key, "0 0").split())
        count = count + 1 if left == len(specs) else 1
        self.store.client.set_tag(self.run_id, key, f"{len(specs)} {count}")
        return count

    def forget_tries(self, spec: RunSpec) -> None:
        # Thousands of counts would make the page of a study hard to read
        try:
            self.store.client.delete_tag(self.run_id, _tries(spec))
        except MlflowException as error:
            # A server that had no time to answer has done it
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def close(self) -> None:
        self.outbox.close()

    def ended_already(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for spec in specs:
            own = f"tags.`{names.IDENTITY}` = '{spec.identity}'"
            for run in self.store.search(f"{own} and tags.`{names.PARENT}` = '{self.run_id}'"):
                if run.info.status == "RUNNING":
                    self.store.client.set_terminated(run.info.run_id, "KILLED")
                elif reuse.ended_for_good(run):
                    outcomes[spec.identity] = reuse.outcome(run, spec, run.info.run_id)
        return outcomes

    def open_run(self, spec: RunSpec) -> str:
        """A run with its tags, parameters and data set; its id."""
        tags = {
            names.KIND: "run",
            names.STUDY: self.study,
            names.IDENTITY: spec.identity,
            names.ARM: spec.arm,
            names.SEED: str(spec.config.seed),
            names.PLACE: f"{spec.place:04d}-{spec.config.seed:06d}",
            names.DATA: spec.data_digest,
        }
        if self.single:
            run_id = self.run_id
            self.store.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])
        else:
            run_id = self.store.new_run(spec.name, {**tags, names.PARENT: self.run_id})
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


def _tries(spec: RunSpec) -> str:
    """The tag of a study's run that counts them: how many runs are left, and tries of those."""
    return f"mlp.tries.{spec.config.seed}.{spec.config.fold.replace('/', '.')}"
