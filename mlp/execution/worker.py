"""A worker of a Dask cluster, which trains one seed (and fold) of a study after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Literal

from distributed import Worker, WorkerPlugin, get_worker

from mlp.data.cache import cache_folder, replacing
from mlp.data.dataset import Datasets
from mlp.data.images.decoding import DECODER_VERSION
from mlp.data.index import Index
from mlp.processes import free_memory
from mlp.study.identity import source_digest
from mlp.study.lockstep import train_piece
from mlp.study.progress import Sent
from mlp.study.tracker import Outcome, PieceTracker, RunSpec

TRIES = 3
# A worker at which a piece has failed, of a full disk for one, would fail the next ones in no time
_REST = 30.0  # seconds for which it takes none
_PAUSE = 2.0  # seconds before it says so
# Torch's number of threads is the process's: of several pieces in one, each waits for the other
_one_at_a_time = threading.Lock()


class PixelsMissing(Exception):
    """The cache of a worker lacks the images, and so does the worker."""


@dataclass(frozen=True)
class NotTrained:
    """A piece that a worker did not train.

    It needs the images or rest before it can, would get other numbers, failed or died, or the
    piece was tried often enough.
    """

    why: Literal["images", "rest", "version", "failed", "died", "given up"]
    reason: str = ""  # for people
    address: str = ""  # of the worker, where another one may not fail


@dataclass
class StudyPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """All that a worker has to know of a study. Sent once to each, also to one that comes later.

    `files`: the decoded images, by name in the cache folder; empty as long as no worker lacked
    them.
    """

    name: str
    open_tracker: Callable[[], PieceTracker]
    index: Index = field(repr=False)
    version: str
    files: Mapping[str, bytes] = field(repr=False)

    def setup(self, worker: Worker) -> None:
        self.rest_until, self.unpacked = 0.0, False
        self.address = worker.address
        self.memory_limit = worker.memory_manager.memory_limit
        self.place = f"worker {worker.name} at {worker.address}"

    def train(
        self, specs: Sequence[RunSpec], arms_at_once: int, progress: Sent
    ) -> dict[str, Outcome] | NotTrained:
        """Train what earlier tries have not; how each run ended, by identity."""
        if time.monotonic() < self.rest_until:
            time.sleep(_PAUSE)
            return NotTrained("rest")
        if version() != self.version:
            return NotTrained(
                "version",
                f"{self.place} has another version of mlp or of what it computes with: install the "
                "same requirements.txt, start it again, and repeat the command",
            )
        try:
            self._unpack()
            with closing(self.open_tracker()) as tracker:
                ended = tracker.reuse(specs)
                left = [spec for spec in specs if spec.identity not in ended]
                if not left:
                    return ended
                datasets = Datasets(self.index)
                for spec in left:
                    datasets.get(spec.config)
                if tracker.count_try(left) > TRIES:
                    said = f"given up after {TRIES} tries, in which its worker died"
                    return NotTrained("given up", said)
                free = free_memory()
                # It has neighbours on its machine, which Dask has given their share
                memory = min(free, self.memory_limit or free) // 2
                ended |= train_piece(left, datasets, tracker, progress, arms_at_once, memory)
                tracker.deliver()
                tracker.forget_tries(left[0])
                return ended
        except PixelsMissing as error:
            if not self.files:
                return NotTrained("images")
            reason = f" cannot use the images that it was sent: {error}"
        except Exception as error:
            logging.getLogger(__name__).exception("a piece of %s failed", self.name)
            reason = f": {type(error).__name__}: {error}"
        self.rest_until = time.monotonic() + _REST
        return NotTrained("failed", f"{self.place}{reason}", self.address)

    def _unpack(self) -> None:
        if self.unpacked:
            return
        for name, content in self.files.items():
            target = cache_folder() / name
            # It may be damaged
            if not target.exists() or target.read_bytes() != content:
                with replacing(target) as temporary:
                    temporary.write_bytes(content)
        self.unpacked = True


@cache
def version() -> str:
    """Everything that the numbers of a worker depend on besides what it is given."""
    packages = [f"{name} {metadata.version(name)}" for name in ("albumentations", "numpy")]
    return ", ".join([source_digest(), DECODER_VERSION, *packages])


def missing(path: str) -> bytes:
    """Read an image of an index on another machine: only the cache there has its images."""
    raise PixelsMissing(path)


def train(
    name: str, specs: Sequence[RunSpec], arms_at_once: int
) -> dict[str, Outcome] | NotTrained:
    """Train a piece of the study called `name`; a task of a Dask cluster."""
    worker = get_worker()
    plugin: StudyPlugin = worker.plugins[name]
    progress = Sent(lambda message: worker.log_event(name, message))
    with _one_at_a_time:
        return plugin.train(specs, arms_at_once, progress)
