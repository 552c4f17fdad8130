"""The process that has the workers of a Dask cluster train a study."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from distributed import Client, Future, KilledWorker, as_completed

from mlp.data.cache import cache_folder
from mlp.data.pixels import pixel_files
from mlp.errors import ClusterLost
from mlp.execution.worker import (
    TRIES,
    GivenUp,
    OtherVersion,
    PieceFailed,
    StudyPlugin,
    train,
    version,
    without_files,
)
from mlp.study.plan import Study
from mlp.study.progress import Received
from mlp.study.tracker import Outcome, RunSpec, Tracker

_PAUSE = 2.0  # seconds
Piece = tuple[RunSpec, ...]


class Driver:
    """Gives pieces (the arms of one seed and fold) to workers, again where that fails."""

    def __init__(
        self,
        client: Client,
        study: Study,
        tracker: Tracker,
        progress: Received,
        arms_at_once: int,
    ) -> None:
        self._client, self._study, self._tracker = client, study, tracker
        self._progress, self._arms_at_once = progress, arms_at_once
        self._name = f"mlp-{tracker.run_id}"
        self._sent = False
        self._tasks = as_completed(loop=client.loop)
        self._pieces: dict[str, Piece] = {}  # by the key of the task
        self._futures: set[Future] = set()
        self._tried: dict[Piece, int] = {}
        self._avoided: set[str] = set()  # workers at which a piece has failed

    def train(self, pieces: Sequence[Piece]) -> Iterator[dict[str, Outcome]]:
        """Yield the outcomes of each piece, by identity, as it ends. Raises ClusterLost."""
        self._client.subscribe_topic(self._name, lambda event: self._progress.message(event[1]))
        try:
            self._look_for_workers()
            self._tell(_files(self._study) if self._sent else {})
            for piece in pieces:
                self._submit(piece)
            for future in self._tasks:
                piece = self._pieces[future.key]
                outcomes = self._answer(future, piece)
                # Or an answer that dies with the worker which holds it would be asked for again
                self._futures.discard(future)
                future.release()
                if outcomes is not None:
                    self._progress.piece(piece, outcomes)
                    for spec in piece:
                        if spec.identity in outcomes:  # and not trained by another command
                            self._tracker.bring_events(spec, outcomes[spec.identity])
                    yield outcomes
        finally:
            if self._client.status == "running":
                # Of workers that do not answer, which is no reason to lose a study
                with suppress(Exception):
                    self._client.unsubscribe_topic(self._name)
                    self._client.cancel(list(self._futures))
                    self._client.unregister_worker_plugin(self._name)

    def _look_for_workers(self) -> None:
        if not self._workers():
            address = self._client.scheduler.address
            self._progress.say(
                f"no worker has come to {address} yet: waiting; "
                f"`python -m dask worker {address} --nthreads 1` starts one"
            )

    def _workers(self) -> set[str]:
        return set(self._client.scheduler_info(n_workers=-1)["workers"])

    def _tell(self, files: dict[str, bytes]) -> None:
        """Let every worker, also one that comes later, know the study."""
        index = without_files(self._study.source)
        plugin = StudyPlugin(self._name, self._tracker.remote(), index, version(), files)
        for last in (False, False, True):
            try:
                self._client.register_plugin(plugin, name=self._name)
                return
            except OSError as error:
                # One that went away just now, or does not answer
                if last:
                    raise ClusterLost(f"a worker cannot be reached: {error}") from error
                time.sleep(_PAUSE)
            except Exception as error:
                raise ClusterLost(
                    f"a worker cannot load the study ({error}): start each in the folder of the "
                    "project, with its environment"
                ) from error

    def _submit(self, piece: Piece) -> None:
        key = f"{self._name}-{len(self._pieces)}"
        self._pieces[key] = piece
        good = self._workers() - self._avoided if self._avoided else set()
        chosen = {"workers": sorted(good), "allow_other_workers": True} if good else {}
        future = self._client.submit(
            train, self._name, piece, self._arms_at_once, key=key, **chosen
        )
        self._futures.add(future)
        self._tasks.add(future)

    def _answer(self, future: Future, piece: Piece) -> dict[str, Outcome] | None:
        """The outcomes of a piece, None where it is tried again."""
        if future.status == "finished":
            answer: dict[str, Outcome] | Literal["images", "rest"] = future.result()
            if not isinstance(answer, str):
                return answer
            if answer == "images" and not self._sent:
                self._tell(_files(self._study))
                self._sent = True
            self._submit(piece)
            return None
        if future.status != "error":
            if self._client.status == "running":
                # Its worker died before the answer was fetched: what it has trained is recorded
                self._submit(piece)
                return None
            raise ClusterLost(
                "the Dask scheduler went away; what has finished is recorded: start it and its "
                "workers again, and repeat the command"
            )
        error = future.exception()
        if isinstance(error, OtherVersion):
            raise ClusterLost(str(error))
        self._tried[piece] = self._tried.get(piece, 0) + 1
        if isinstance(error, GivenUp) or self._tried[piece] == TRIES:
            ended = self._tracker.ended_already(piece)
            left = [spec for spec in piece if spec.identity not in ended]
            return ended | {s.identity: self._tracker.give_up(s, str(error)) for s in left}
        if isinstance(error, PieceFailed):
            self._avoided.add(error.address)
        said = "its worker died" if isinstance(error, KilledWorker) else error
        self._progress.say(f"{piece[0].name} and the other arms: {said}; tried again elsewhere")
        self._submit(piece)
        return None


def _files(study: Study) -> dict[str, bytes]:
    """The decoded images of a study, by name in the cache folder."""
    kinds = {spec.config.key("pixels"): spec.config for spec in study.specs}
    names = {
        name
        for kind in kinds.values()
        for name in pixel_files(study.source, kind.image_size, kind.channels == "gray")
    }
    return {name: (cache_folder() / name).read_bytes() for name in sorted(names)}
