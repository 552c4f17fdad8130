"""Recording some runs of a study from another process than the one that began it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlflow.exceptions import MlflowException

from mlp.data.dataset import Dataset
from mlp.study.tracker import Outcome, RunSpec, TakenOver
from mlp.tracking.mlflow.outbox import send_left
from mlp.tracking.mlflow.place import RecordingPlace
from mlp.tracking.mlflow.recording import RunRecorder
from mlp.tracking.mlflow.run import MlflowRun
from mlp.tracking.mlflow.store import reopen


class MlflowWorkerTracker(RunRecorder):
    """Records runs as children of a study's run that another process has opened, and will end."""

    def __init__(self, place: RecordingPlace) -> None:
        store = reopen(place.uri, place.experiment_id, place.minutes)
        send_left(store, place.outbox)
        super().__init__(store, place, shared=True)

    def reuse(self, specs: Iterable[RunSpec], fresh: bool = False) -> dict[str, Outcome]:
        return self.ended_already(specs)

    def start(self, spec: RunSpec, parameter_count: int, dataset: Dataset) -> MlflowRun:
        # A driver that is gone may have been followed by one that trains the same elsewhere
        if self.outbox.lost or self.store.client.get_run(self.run_id).info.status != "RUNNING":
            raise TakenOver("the study that this run is a part of was ended")
        return super().start(spec, parameter_count, dataset)

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

    def deliver(self) -> None:
        """Wait until all that was recorded has reached a server. Raises ServerAway, TakenOver."""
        super().deliver()
        if self.outbox.lost:
            raise TakenOver("runs of this piece were ended by another process")

    def close(self) -> None:
        self.outbox.close()


def _tries(spec: RunSpec) -> str:
    """The tag of a study's run that counts them: how many runs are left, and tries of those."""
    return f"mlp.tries.{spec.config.seed}.{spec.config.fold.replace('/', '.')}"
