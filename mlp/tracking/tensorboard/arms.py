"""The curves of a study's arms: of each one line, in the band that its runs leave."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import custom_scalars

from mlp.predictions import Floats
from mlp.study.record import HISTORIES
from mlp.tracking.tensorboard.events import read_events

_SHOWN = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")  # shown last first
_LAYOUT = {
    "arms: the mean of their runs, between the lowest and the highest": {
        name: ["Margin", [name, f"{name} lowest", f"{name} highest"]] for name in _SHOWN
    }
}


class ArmCurves:
    """Writes the curves of arms, again whenever runs of theirs have ended."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets a folder for each arm, and can be looked at alone."""
        self._folder = folder
        self._runs: dict[str, dict[Path, dict[str, list[float]]]] = defaultdict(dict)

    def add(self, ended: Iterable[tuple[str, Path]]) -> None:
        """Add runs that have ended, each with the name of its arm and the folder of its events."""
        changed: dict[str, None] = {}  # in the order of the arms
        for arm, events in ended:
            if events not in self._runs[arm] and events.is_dir():
                self._runs[arm][events] = _histories(events)
                changed[arm] = None
        for arm in changed:
            self._write(self._folder / arm, list(self._runs[arm].values()))

    def _write(self, folder: Path, runs: list[dict[str, list[float]]]) -> None:
        written = io.BytesIO()
        records = RecordWriter(written)
        for event in _events(runs):
            event.wall_time = time.time()
            records.write(event.SerializeToString())
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "events.out.tfevents.arm").open("ab") as file:
            file.write(written.getvalue())


def _histories(folder: Path) -> dict[str, list[float]]:
    """The values of HISTORIES by epoch, from the events of a run."""
    found: dict[str, list[float]] = {name: [] for name in HISTORIES}
    for event in read_events(folder):
        for value in event.summary.value:
            if value.tag in found:
                found[value.tag].append(value.simple_value)
    return found


def _events(runs: list[dict[str, list[float]]]) -> Iterator[Event]:
    yield Event(file_version="brain.Event:2")
    # TensorBoard forgets what was there of these steps before
    yield Event(session_log=SessionLog(status=SessionLog.START), step=0)
    yield Event(summary=custom_scalars(_LAYOUT))  # type: ignore[no-untyped-call]
    lines = {name: line for metric in HISTORIES for name, line in _band(metric, runs).items()}
    for epoch in range(1, 1 + max(map(len, lines.values()))):
        at = {name: line[epoch - 1] for name, line in lines.items() if len(line) >= epoch}
        shown = [Summary.Value(tag=name, simple_value=value) for name, value in at.items()]
        yield Event(summary=Summary(value=shown), step=epoch)


def _band(metric: str, runs: list[dict[str, list[float]]]) -> Mapping[str, Floats]:
    """The mean, the lowest and the highest value of each epoch, of the runs that had it."""
    longest = max(len(run[metric]) for run in runs)
    padded = [
        np.pad(run[metric], (0, longest - len(run[metric])), constant_values=np.nan) for run in runs
    ]
    values = np.ma.masked_invalid(padded)
    made = {
        metric: values.mean(0),
        f"{metric} lowest": values.min(0),
        f"{metric} highest": values.max(0),
    }
    return {name: line.filled(np.nan) for name, line in made.items()}
