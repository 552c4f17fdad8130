"""Training the seeds (and folds) of a study: here, or with the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

from mlp.data.dataset import Datasets
from mlp.data.stream import stream_key
from mlp.study.lockstep import train_piece, train_shared
from mlp.study.plan import Study
from mlp.study.progress import Progress
from mlp.study.tracker import Outcome, RunSpec, Tracker

if TYPE_CHECKING:
    from distributed import Client

_PIECES = 2  # at least, for each worker: the last ones end at about the same time


def run(
    study: Study,
    tracker: Tracker,
    arms_at_once: int = 0,
    retrain: bool = False,
    client: Client | None = None,
) -> list[Outcome]:
    """Train what is not recorded yet; how each run of the study ended, in the order of its specs.

    Seeds and folds train one after the other, or side by side with the workers of `client`; the
    numbers are the same. Raises ClusterLost.
    """
    recorded = {} if retrain else tracker.reuse(study.specs)
    progress = Progress(len({spec.identity for spec in study.specs}), len(recorded))
    workers = 1
    if client is None:

        def train(pieces: Sequence[tuple[RunSpec, ...]]) -> dict[str, Outcome]:
            trained: dict[str, Outcome] = {}
            for piece in pieces:
                datasets = Datasets(study.source)  # of other pieces' none is needed again
                ended = train_piece(piece, datasets, tracker, progress, arms_at_once)
                tracker.draw_curves(piece, ended)
                trained |= ended
            tracker.deliver()
            return trained
    else:
        from mlp.execution.driver import Driver

        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        train = Driver(client, study, tracker, progress, arms_at_once).train
    try:
        tracker.draw_curves(study.specs, recorded)
        ended = train_shared(
            study.specs,
            recorded,
            tracker,
            lambda specs: train(in_pieces(specs, workers)),
            progress.taken,
        )
    finally:
        progress.close()
    # Also those that another command has trained meanwhile
    tracker.draw_curves(study.specs, {outcome.identity: outcome for outcome in ended})
    return ended


def in_pieces(specs: Sequence[RunSpec], workers: int) -> list[tuple[RunSpec, ...]]:
    """Runs by seed and fold; arms apart from others where that keeps several workers busy.

    Arms that share a stream stay together as far as they can: it is made once for them.
    """
    by = groupby(specs, key=lambda spec: (spec.config.seed, spec.config.fold))
    whole = [list(piece) for _, piece in by]
    if workers == 1:
        return [tuple(piece) for piece in whole]
    parts = -(-_PIECES * workers // len(whole))
    cut = []
    for piece in whole:
        lanes: dict[object, list[RunSpec]] = {}
        for spec in piece:
            lanes.setdefault(stream_key(spec.config), []).append(spec)
        ordered = [spec for lane in sorted(lanes.values(), key=len) for spec in lane]
        few = min(parts, len(ordered))
        bounds = [k * len(ordered) // few for k in range(few + 1)]
        cut += [tuple(ordered[start:end]) for start, end in pairwise(bounds)]
    return cut
