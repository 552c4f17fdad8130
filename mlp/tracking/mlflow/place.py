"""The place where the runs of a study are recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OUTBOX = ".outbox"  # within the folder of all events


@dataclass(frozen=True)
class RecordingPlace:
    """Enough for another process to record some runs of a study."""

    uri: str
    experiment_id: str
    study: str
    runs_dir: str  # a Path of one system cannot be sent to another
    run_id: str
    single: bool
    minutes: float  # for which a server is waited for
    begun: int  # milliseconds of the epoch

    @property
    def folder(self) -> Path:
        """The folder of the study's TensorBoard events."""
        return Path(self.runs_dir) / self.study

    @property
    def outbox(self) -> Path:
        """The folder of all processes' outboxes."""
        return Path(self.runs_dir) / OUTBOX
