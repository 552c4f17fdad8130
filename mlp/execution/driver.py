"""The process that has the workers of a Dask cluster train a study."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from distributed import Client, Future, KilledWorker, as_completed

from mlp import console
from mlp.data.cache import cache_folder
from mlp.data.pixels import pixel_files
from mlp.errors import ClusterLost
from mlp.execution.worker import TRIES, NotTrained, StudyPlugin, missing, train, version
from mlp.study.plan import Study
from mlp.study.progress import Progress
from mlp.study.tracker import Outcome, RunSpec, Tracker

_PAUSE = 2.0  # seconds
Piece = tuple[RunSpec, ...]


@dataclass
class Driver:
    """Gives pieces (the arms of one seed and fold) to workers, again where that fails."""

    client: Client
    study: Study
    tracker: Tracker
    progress: Progress
    arms_at_once: int

    def __post_init__(self) -> None:
        self._name = f"mlp-{self.tracker.run_id}"
        self._sent = False  # the images, which a worker lacked
        self._tasks = as_completed(loop=self.client.loop)
        self._pieces: dict[Future, Piece] = {}
        self._tried = Counter[Piece]()
        self._avoided: set[str] = set()  # workers at which a piece has failed

    def train(self, pieces: Sequence[Piece]) -> dict[str, Outcome]:
        """Train pieces; how each run ended, by identity. Raises ClusterLost."""
        ended: dict[str, Outcome] = {}
        self.progress.group([spec for piece in pieces for spec in piece], "training")
        self.client.subscribe_topic(self._name, lambda event: self.progress.message(event[1]))
        try:
            if not self._workers():
                address = self.client.scheduler.address
                console.out(
                    f"no worker has come to {address} yet: waiting; "
                    f"`python -m dask worker {address} --nthreads 1` starts one"
                )
            self._tell()
            for piece in pieces:
                self._submit(piece)
            for future in self._tasks:
                piece = self._pieces.pop(future)
                outcomes = self._answer(future, piece)
                # Or an answer that dies with the worker which holds it would be asked for again
                future.release()
                for spec in piece:
                    if spec.identity in outcomes:  # and not trained by another command
                        outcome = outcomes[spec.identity]
                        self.progress.ended(spec, outcome, spec.config.epochs)
                self.tracker.draw_curves(piece, outcomes)
                ended |= outcomes
            return ended
        finally:
            self.progress.group_ended()
            if self.client.status == "running":
                # Of workers that do not answer, which is no reason to lose a study
                with suppress(Exception):
                    self.client.unsubscribe_topic(self._name)
                    self.client.cancel(list(self._pieces))
                    self.client.unregister_worker_plugin(self._name)

    def _workers(self) -> set[str]:
        return set(self.client.scheduler_info(n_workers=-1)["workers"])

    def _tell(self) -> None:
        """Let every worker, also one that comes later, know the study."""
        index = replace(self.study.source, read=missing)
        files = _files(self.study) if self._sent else {}
        plugin = StudyPlugin(self._name, self.tracker.remote(), index, version(), files)
        for last in (False, False, True):
            try:
                self.client.register_plugin(plugin, name=self._name)
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
        good = self._workers() - self._avoided if self._avoided else set()
        chosen = {"workers": sorted(good), "allow_other_workers": True} if good else {}
        future = self.client.submit(
            train, self._name, piece, self.arms_at_once, pure=False, **chosen
        )
        self._pieces[future] = piece
        self._tasks.add(future)

    def _answer(self, future: Future, piece: Piece) -> dict[str, Outcome]:
        """The outcomes of a piece, none where it is tried again."""
        answer: dict[str, Outcome] | NotTrained
        if future.status == "finished":
            answer = future.result()
        elif future.status == "error":
            error = future.exception()
            answer = NotTrained("died" if isinstance(error, KilledWorker) else "failed", str(error))
        elif self.client.status == "running":
            # Its worker died before the answer was fetched: what it has trained is recorded
            answer = NotTrained("rest")
        else:
            raise ClusterLost(
                "the Dask scheduler went away; what has finished is recorded: start it and its "
                "workers again, and repeat the command"
            )
        if not isinstance(answer, NotTrained):
            return answer
        if answer.why == "version":
            raise ClusterLost(answer.reason)
        if answer.why == "images" and not self._sent:
            self._sent = True
            self._tell()
        if answer.why in ("failed", "died", "given up"):
            self._tried[piece] += 1
            if answer.why == "given up" or self._tried[piece] == TRIES:
                ended = self.tracker.ended_already(piece)
                left = [spec for spec in piece if spec.identity not in ended]
                return ended | {s.identity: self.tracker.give_up(s, answer.reason) for s in left}
            if answer.address:
                self._avoided.add(answer.address)
            said = "its worker died" if answer.why == "died" else answer.reason
            console.out(f"{piece[0].name} and the other arms: {said}; tried again elsewhere")
        self._submit(piece)
        return {}


def _files(study: Study) -> dict[str, bytes]:
    """The decoded images of a study, by name in the cache folder."""
    kinds = {spec.config.key("pixels"): spec.config for spec in study.specs}
    names = {
        name
        for kind in kinds.values()
        for name in pixel_files(study.source, kind.image_size, kind.channels == "gray")
    }
    return {name: (cache_folder() / name).read_bytes() for name in sorted(names)}
