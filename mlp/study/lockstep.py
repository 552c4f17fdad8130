"""The loop: every arm of a study, side by side on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mlp.data.index import Index
from mlp.data.split_file import split_table
from mlp.data.stream import STREAM_FIELDS, Batches, Stream
from mlp.failures import is_out_of_memory
from mlp.learning.learner import (
    EpochRecord,
    Learner,
    NonFiniteLoss,
    build_network,
    memory_bytes,
    parameter_count,
)
from mlp.learning.memory import free_memory, keep_freed_memory, most_memory, shortage
from mlp.metrics import Evaluation, final_scores, probabilities
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.settings.base import field_text
from mlp.study.plan import Datasets, Study, is_own
from mlp.study.progress import RunProgress
from mlp.study.tracker import Outcome, PieceTracker, RunLog, RunResult, RunSpec, TakenOver, Tracker

Watch = Callable[[Sequence[Sequence[EpochRecord]]], None]
Train = Callable[[Sequence[RunSpec]], dict[str, Outcome]]


class Stopped(Exception):
    """Training is not worth going on with; says why."""


def train_piece(
    specs: Sequence[RunSpec],
    datasets: Datasets,
    tracker: PieceTracker,
    progress: RunProgress,
    arms_at_once: int = 0,
    memory: int = 0,
) -> dict[str, Outcome]:
    """Train the arms of one seed (and fold); how each ended, by identity.

    Runs that another command trains, or has trained meanwhile, are left out.
    `arms_at_once` limits how many train side by side, 0: as many as fit in `memory` bytes, 0: half
    of what is free. Neither changes a number. When this is interrupted, or fails, the runs in
    training are ended in the tracker before the exception goes on.
    """
    ended: dict[str, Outcome] = {}
    for group in _groups(specs, datasets, arms_at_once, memory):
        ended |= _run_side_by_side(tracker.claim(group), datasets, tracker, progress)
    return ended


def train_shared(
    specs: Sequence[RunSpec], tracker: Tracker, train: Train, taken: Callable[[int], None]
) -> dict[str, Outcome]:
    """Train what no other command does, and take from those what they have; how each ended.

    `train` may leave out the runs that others train. These are waited for when the rest is done,
    and trained here after all where they come to no end. `taken` is told how many were taken.
    """
    ended: dict[str, Outcome] = {}
    left = list(specs)
    while left:
        ended |= train(left)
        left = [spec for spec in left if spec.identity not in ended]
        if left:
            tracker.wait(left)
            others = tracker.reuse(left, fresh=True)
            ended |= others
            taken(len(others))
            left = [spec for spec in left if spec.identity not in ended]
    return ended


def run_together(
    study: Study, tracker: Tracker, progress: RunProgress, watch: Watch
) -> list[Outcome]:
    """Train the folds of one arm side by side; how each ended, in the order of its specs.

    `watch` is called after each epoch with the records of every run that had to be trained. What
    it raises ends those in training as KILLED and goes on.
    """
    ended = tracker.reuse(study.specs)
    todo = [spec for spec in study.specs if spec.identity not in ended]

    def train(specs: Sequence[RunSpec]) -> dict[str, Outcome]:
        free = tracker.claim(specs)
        trained = _run_side_by_side(free, Datasets(study.source), tracker, progress, watch)
        tracker.deliver()
        return trained

    ended |= train_shared(todo, tracker, train, lambda _: None)
    return [ended[spec.identity] for spec in study.specs]


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


@dataclass
class _Run:
    spec: RunSpec
    learner: Learner
    log: RunLog
    records: list[EpochRecord]
    index: Index


def _run_side_by_side(
    specs: list[RunSpec],
    datasets: Datasets,
    tracker: PieceTracker,
    progress: RunProgress,
    watch: Watch = lambda _: None,
) -> dict[str, Outcome]:
    """Train runs side by side: each epoch of a stream is made once, and its runs train on it."""
    if not specs:
        return {}
    torch.set_num_threads(specs[0].config.threads)
    keep_freed_memory()
    streams: dict[tuple[object, ...], Stream] = {}
    waiting: dict[Stream, list[RunSpec]] = {}
    live: dict[Stream, list[_Run]] = {}
    ended: dict[str, Outcome] = {}
    progress.group(specs)

    def train(run: _Run, stream: Stream, batches: Batches) -> None:
        outcome = _epoch(run, stream, batches, progress)
        if outcome is not None:
            live[stream].remove(run)
            ended[run.spec.identity] = outcome
            progress.ended(run.spec, outcome, len(run.records))

    try:
        for spec in specs:
            key = tuple(getattr(spec.config, field) for field in STREAM_FIELDS)
            if key not in streams:
                streams[key] = Stream(datasets.get(spec.config), spec.config)
            waiting.setdefault(streams[key], []).append(spec)
        for stream, own in waiting.items():
            batches, live[stream] = stream.epoch(0), []
            for spec in own:
                # Made when its turn comes: the first one need not wait for the others' weights
                started = _start(spec, stream, tracker, datasets.index)
                if isinstance(started, _Run):
                    live[stream].append(started)
                    train(started, stream, batches)
                else:
                    ended[spec.identity] = started
                    progress.ended(spec, started, 0)
        # Not the runs: what one of them holds is given back when it ends
        records = [run.records for runs in live.values() for run in runs]
        epoch = 1
        while any(live.values()):
            watch(records)
            for stream in [stream for stream, runs in live.items() if runs]:
                batches = stream.epoch(epoch)
                for run in list(live[stream]):
                    train(run, stream, batches)
            epoch += 1
    except BaseException as error:
        _abandon([run for runs in live.values() for run in runs], error)
        tracker.release()
        raise
    progress.group_ended()
    return ended


def _start(spec: RunSpec, stream: Stream, tracker: PieceTracker, index: Index) -> _Run | Outcome:
    """A run that has begun, or how it ended for want of memory."""
    config, shape, classes = spec.config, stream.dataset.shape, len(spec.classes)
    why = shortage(config, shape, classes, spec.train_images, most_memory(config.device))
    if not why:
        try:
            learner = Learner(config, shape, classes, stream.steps_per_epoch)
            log = tracker.start(spec, learner.parameter_count, stream.dataset)
            return _Run(spec, learner, log, [], index)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            why = _too_little(spec, error)
    count = parameter_count(config, shape, classes)
    return tracker.start(spec, count, stream.dataset).fail(why, diverged=False)


def _too_little(spec: RunSpec, error: Exception) -> str:
    config, first = spec.config, str(error).partition("\n")[0]
    return (
        f"not enough memory for hidden {field_text(config.hidden)}, batch_size "
        f"{config.batch_size} and image_size {config.image_size} beside what trains with it "
        f"({first or 'no more was said'}); make one of them smaller, or arms_at_once"
    )


def _epoch(run: _Run, stream: Stream, batches: Batches, progress: RunProgress) -> Outcome | None:
    """Train a run for one epoch; how it ended, if it did."""
    try:
        return _one_epoch(run, stream, batches, progress)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return run.log.fail(_too_little(run.spec, error), diverged=False)


def _one_epoch(
    run: _Run, stream: Stream, batches: Batches, progress: RunProgress
) -> Outcome | None:
    if run.learner.epochs_done == 0:
        run.log.epoch(run.learner.initial_record(batches, stream.validation), run.learner)
    try:
        record = run.learner.epoch(batches, stream.validation)
    except NonFiniteLoss as error:
        return run.log.fail(str(error), diverged=True)
    run.records.append(record)
    run.log.epoch(record, run.learner)
    progress.epoch(run.spec, record)
    if not run.learner.finished:
        return None
    return run.log.finish(_result(run, stream))


def _result(run: _Run, stream: Stream) -> RunResult:
    """Evaluate the weights that are kept: the last ones, or early stopping's best."""
    learner, data, config = run.learner, stream.dataset, run.spec.config
    learner.restore_best()
    evaluation = Evaluation(
        data.ids[data.split.val],
        stream.validation.labels,
        probabilities(learner.logits(stream.validation, final=True)),
        data.classes,
    )
    training = stream.training_images()
    trained = probabilities(learner.logits(training, final=True)).argmax(axis=1)
    scores = final_scores(evaluation)
    scores["train_accuracy"] = float((trained == training.labels).mean())
    scores["gap_accuracy"] = scores["train_accuracy"] - scores["accuracy"]
    facts = {
        "epochs": learner.epochs_done,
        "distinct_units": learner.distinct_units(),
        "kept_epoch": learner.best_epoch,
    }
    if len(data.leaked):
        unseen = ~np.isin(data.split.val, data.leaked)
        facts["leaked_images"] = len(data.leaked)
        if unseen.any():
            right = evaluation.predicted == evaluation.labels
            scores["unseen_accuracy"] = float(right[unseen].mean())
    images = data.pixels[data.split.val]
    network = build_network(config, data.shape, len(data.classes))
    network.load_state_dict(learner.network.state_dict())
    size, gray = data.shape[1], data.shape[0] == 1
    checkpoint = Checkpoint(network, data.classes, size, gray, stream.normalization, data.depth)
    return RunResult(
        scores={f"final/{name}": value for name, value in scores.items()},
        facts={f"facts/{name}": float(value) for name, value in facts.items()},
        records=run.records,
        evaluation=evaluation,
        images=images,
        ensemble=Ensemble((checkpoint,), data.familiarity),
        example=_encode(images[0]),
        split=split_table(run.index, data.split) if is_own(run.index, config) else None,
    )


def _encode(image: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def _abandon(runs: list[_Run], error: BaseException) -> None:
    for run in runs:
        if isinstance(error, Stopped):
            run.log.kill(str(error))
        elif isinstance(error, Exception) and not isinstance(error, TakenOver):
            run.log.fail(f"{type(error).__name__}: {error}", diverged=False)
        else:
            run.log.kill()
