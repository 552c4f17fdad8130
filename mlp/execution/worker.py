"""A worker of a Dask cluster, which trains one seed (and fold) of a study after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from typing import Literal

import psutil
from distributed import Worker, WorkerPlugin, get_worker

from mlp.data.cache import cache_folder, replacing
from mlp.data.dataset import Datasets
from mlp.data.images.decoding import DECODER_VERSION
from mlp.data.index import Index
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


class PieceFailed(Exception):
    """A piece came to no end, and may at another worker; says why."""

    def __init__(self, reason: str, address: str) -> None:
        super().__init__(reason, address)
        self.address = address

    def __str__(self) -> str:
        return str(self.args[0])


class GivenUp(Exception):
    """A piece was tried often enough."""


class OtherVersion(Exception):
    """A worker would get other numbers; says which."""


class PixelsMissing(Exception):
    """The cache of a worker lacks the images, and so does the worker."""


class Resting(Exception):
    """A piece has failed at this worker a moment ago."""


@dataclass
class StudyPlugin(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
    """All that a worker, also one that comes later, has to know of a study. Sent once to each.

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
    ) -> dict[str, Outcome]:
        """Train what earlier tries have not; how each run ended, by identity.

        Raises PieceFailed, PixelsMissing, Resting, OtherVersion, GivenUp.
        """
        if time.monotonic() < self.rest_until:
            time.sleep(_PAUSE)
            raise Resting
        if version() != self.version:
            raise OtherVersion(
                f"{self.place} has another version of mlp or of what it computes with: install the "
                "same requirements.txt, start it again, and repeat the command"
            )
        try:
            self._unpack()
            tracker = self.open_tracker()
            ended = tracker.reuse(specs)
            left = [spec for spec in specs if spec.identity not in ended]
            try:
                if not left:
                    return ended
                datasets = Datasets(self.index)
                for spec in left:
                    datasets.get(spec.config)
                if tracker.count_try(left) > TRIES:
                    raise GivenUp(f"given up after {TRIES} tries, in which its worker died")
                free = psutil.virtual_memory().available
                # It has neighbours on its machine, which Dask has given their share
                memory = min(free, self.memory_limit or free) // 2
                ended |= train_piece(left, datasets, tracker, progress, arms_at_once, memory)
                tracker.deliver()
                tracker.forget_tries(left[0])
                return ended
            finally:
                tracker.close()
        except GivenUp:
            raise
        except PixelsMissing as error:
            if not self.files:
                raise
            raise self._failed(f" cannot use the images that it was sent: {error}") from None
        except Exception as error:
            logging.getLogger(__name__).exception("a piece of %s failed", self.name)
            # As text: not every exception survives the way to another process
            raise self._failed(f": {type(error).__name__}: {error}") from None

    def _failed(self, reason: str) -> PieceFailed:
        """The error to raise; from now on this worker rests."""
        self.rest_until = time.monotonic() + _REST
        return PieceFailed(f"{self.place}{reason}", self.address)

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


def without_files(index: Index) -> Index:
    """An index that can be sent to another machine: only the cache there has its images."""
    return replace(index, read=_elsewhere)


def _elsewhere(path: str) -> bytes:
    raise PixelsMissing(path)


def train(
    name: str, specs: Sequence[RunSpec], arms_at_once: int
) -> dict[str, Outcome] | Literal["images", "rest"]:
    """Train a piece of the study called `name`; a task of a Dask cluster.

    What the worker needs before it can, where that is so: the images, or rest.
    """
    worker = get_worker()
    plugin = worker.plugins[name]
    assert isinstance(plugin, StudyPlugin)
    with _one_at_a_time:
        try:
            return plugin.train(
                specs, arms_at_once, Sent(lambda message: worker.log_event(name, message))
            )
        except PixelsMissing:
            return "images"
        except Resting:
            return "rest"
