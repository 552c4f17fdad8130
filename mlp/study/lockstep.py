"""The loop: every arm of a study, side by side on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from mlp.data.dataset import Datasets
from mlp.data.stream import Stream, stream_key
from mlp.learning.learner import EpochRecord
from mlp.learning.memory import keep_freed_memory, memory_bytes
from mlp.processes import free_memory
from mlp.study.tracker import Outcome, PieceTracker, RunSpec, Tracker
from mlp.study.training_run import RunProgress, TrainingRun

if TYPE_CHECKING:
    from mlp.study.plan import Study

Watch = Callable[[Sequence[Sequence[EpochRecord]]], None]


@dataclass(frozen=True)
class Lane:
    """A stream, and the runs that share it."""

    stream: Stream
    runs: list[TrainingRun] = field(default_factory=list)

    @property
    def training(self) -> list[TrainingRun]:
        """The runs that have not ended."""
        return [run for run in self.runs if run.outcome is None]


def lockstep(lanes: Collection[Lane]) -> Iterator[int]:
    """Train every run to its end; gives the number of each epoch after it, counted from 0.

    This is the only loop in which anything is trained.
    """
    epoch = 0
    while any(lane.training for lane in lanes):
        for lane in lanes:
            if lane.training:
                batches = lane.stream.epoch(epoch)  # augmented once
                for run in lane.training:
                    run.train(batches)  # the same batches for every arm
        yield epoch
        epoch += 1


def train_side_by_side(
    specs: Sequence[RunSpec],
    datasets: Datasets,
    tracker: PieceTracker,
    progress: RunProgress,
    watch: Watch = lambda _: None,
) -> dict[str, Outcome]:
    """Train some runs in lockstep; how each ended, by identity.

    Runs that another command trains, or has trained meanwhile, are left out.
    """
    specs = tracker.claim(specs)
    if not specs:
        return {}
    keep_freed_memory()
    progress.group(specs)
    lanes: dict[object, Lane] = {}
    runs: list[TrainingRun] = []
    try:
        for spec in specs:
            key = stream_key(spec.config)
            if key not in lanes:
                lanes[key] = Lane(Stream(datasets.get(spec.config), spec.config))
            lane = lanes[key]
            runs.append(TrainingRun(spec, lane.stream, datasets, tracker, progress))
            lane.runs.append(runs[-1])
        # NumPy's products are small here: their threads would only wait for each other
        with threadpool_limits(1, user_api="blas"):
            for _ in lockstep(lanes.values()):
                if any(lane.training for lane in lanes.values()):
                    watch([run.records for run in runs])
    except BaseException as error:
        for run in runs:
            run.abandon(error)
        tracker.release()
        raise
    progress.group_ended()
    return {run.spec.identity: run.outcome for run in runs if run.outcome is not None}


def train_piece(
    specs: Sequence[RunSpec],
    datasets: Datasets,
    tracker: PieceTracker,
    progress: RunProgress,
    arms_at_once: int = 0,
    memory: int = 0,
) -> dict[str, Outcome]:
    """Train the arms of one seed (and fold); how each ended, by identity.

    `arms_at_once` limits how many train side by side, 0: as many as fit in `memory` bytes, 0: half
    of what is free. Neither changes a number. When this is interrupted, or fails, the runs in
    training are ended in the tracker before the exception goes on.
    """
    ended: dict[str, Outcome] = {}
    for group in _groups(specs, datasets, arms_at_once, memory):
        ended |= train_side_by_side(group, datasets, tracker, progress)
    return ended


def train_shared(
    specs: Sequence[RunSpec],
    recorded: Mapping[str, Outcome],
    tracker: Tracker,
    train: Callable[[Sequence[RunSpec]], dict[str, Outcome]],
    taken: Callable[[int], None] = lambda _: None,
) -> list[Outcome]:
    """Train what is not recorded; how each run ended, in the order of `specs`.

    `train` may leave out the runs that other commands train. These are waited for when the rest is
    done, and trained here after all where they come to no end. `taken` is told how many were taken.
    """
    ended, runs = dict(recorded), {spec.identity: spec for spec in specs}
    while left := [spec for identity, spec in runs.items() if identity not in ended]:
        ended |= train(left)
        if others := [spec for spec in left if spec.identity not in ended]:
            tracker.wait(others)
            found = tracker.reuse(others, fresh=True)
            taken(len(found))
            ended |= found
    return [replace(ended[s.identity], arm=s.arm, seed=s.config.seed) for s in specs]


def run_together(
    study: Study, tracker: Tracker, progress: RunProgress, watch: Watch
) -> list[Outcome]:
    """Train the folds of one arm side by side; how each ended, in the order of its specs.

    `watch` is called after each epoch with the records of every run that had to be trained. What
    it raises ends those in training as KILLED and goes on.
    """

    def train(specs: Sequence[RunSpec]) -> dict[str, Outcome]:
        trained = train_side_by_side(specs, Datasets(study.source), tracker, progress, watch)
        tracker.deliver()
        return trained

    return train_shared(study.specs, tracker.reuse(study.specs), tracker, train)


def _groups(
    specs: Sequence[RunSpec], datasets: Datasets, arms_at_once: int, memory: int
) -> Iterator[list[RunSpec]]:
    """Cut the runs of a seed (and fold) into groups that fit in memory."""
    free = memory or free_memory() // 2
    group: list[RunSpec] = []
    taken = 0
    for spec in specs:
        shape = datasets.get(spec.config).shape
        needed = memory_bytes(spec.config, shape, len(spec.classes))
        full = len(group) == arms_at_once if arms_at_once else taken + needed > free
        if group and full:
            yield group
            group, taken = [], 0
        group.append(spec)
        taken += needed
    if group:
        yield group
