"""Recording some runs of a study from another process than the one that began it."""

from __future__ import annotations

from collections.abc import Iterable

from mlp.tracking.interface import Outcome, RunSpec, TakenOver
from mlp.tracking.mlflow_tracker import Desk, MlflowTracker
from mlp.tracking.outbox import FOLDER, send_left
from mlp.tracking.store import reopen


class Branch(MlflowTracker):
    """Records runs as children of a study's run that another process has opened, and will end."""

    shared = True

    def __init__(self, desk: Desk) -> None:
        store = reopen(desk.uri, desk.experiment_id, desk.patience)
        send_left(store, desk.runs_dir / FOLDER)
        self._sit_down(store, desk)

    def reuse(self, specs: Iterable[RunSpec]) -> dict[str, Outcome]:
        """The runs that ended for good in earlier tries of the same piece of the study."""
        return self.ended_already(specs)

    def count_try(self, spec: RunSpec) -> int:
        """How often the seed (and fold) of a run was tried by now, this time included."""
        key = _tries(spec)
        tags = self.store.client.get_run(self.run_id).data.tags
        count = int(tags.get(key, "0")) + 1
        self.store.client.set_tag(self.run_id, key, str(count))
        return count

    def forget_tries(self, spec: RunSpec) -> None:
        """The last one did it: thousands of counts would make the page of a study hard to read."""
        self.store.client.delete_tag(self.run_id, _tries(spec))

    def deliver(self) -> None:
        """Wait until all that was recorded has reached a server. Raises ServerAway, TakenOver."""
        super().deliver()
        if self.outbox.lost:
            raise TakenOver("runs of this piece were ended by another process")

    def close(self) -> None:
        """Tidy up; the study goes on."""
        self.outbox.close()


def _tries(spec: RunSpec) -> str:
    """The tag of a study's run that counts them."""
    return f"mlp.tries.{spec.config.seed}.{spec.config.fold.replace('/', '.')}"
