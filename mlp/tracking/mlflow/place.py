"""The place where the runs of a study are recorded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mlp.errors import SettingsError
from mlp.settings.study import Models

# Within the folder of all events; the second: files that several runs have in common
OUTBOX, ONCE = ".outbox", ".once"


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
    models: Models = "all"  # that are kept

    @property
    def folder(self) -> Path:
        """The folder of the study's TensorBoard events."""
        return Path(self.runs_dir) / self.study

    @property
    def arms(self) -> Path:
        """The folder of its arms' curves and its report, which is looked at alone."""
        return self.folder / "arms"

    def events(self, run: str) -> Path:
        """The folder of a run's events, by the name of the run."""
        return self.folder / "runs" / run

    @property
    def outbox(self) -> Path:
        """The folder of all processes' outboxes."""
        return Path(self.runs_dir) / OUTBOX


def check_runs_dir(runs_dir: str) -> None:
    """Make the folder of the TensorBoard events. Raises SettingsError where that cannot be."""
    try:
        Path(runs_dir).mkdir(parents=True, exist_ok=True)
        why = "" if os.access(runs_dir, os.W_OK) else "nothing may be written there"
    except FileExistsError:
        why = "it is a file"
    except (OSError, ValueError) as error:
        why = str(error)
    if why:
        raise SettingsError(f"runs_dir: {runs_dir!r} cannot be a folder for events: {why}")
