"""Populations of trainings from which `calibration` draws studies whose true differences are known.

An answer is right or wrong: a study is an array (1 + arms, pairs, images) of which answers are
right, the baseline first.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from mlp.data.dataset import load, open_index
from mlp.data.stream import Stream
from mlp.evidence.comparison import Contrast
from mlp.learning.learner import Learner
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

Right = NDArray[np.bool_]
Generator = np.random.Generator

VAL_SHARE = 0.2  # of the images of digits
_OWN = "trained: digits, own splits"


class Population(Protocol):
    """Where studies are drawn from. `sizes`: numbers of validation images they may have.

    `overlap`: validation images per training image where pairs have their own; see `compare`.
    """

    @property
    def sizes(self) -> tuple[int, ...]: ...

    @property
    def overlap(self) -> float | None: ...

    @property
    def about(self) -> str: ...

    def draw(self, rng: Generator, gains: Sequence[float], pairs: int, images: int) -> Right:
        """The baseline, and arms whose accuracy is higher than its by `gains`."""


@dataclass(frozen=True)
class MadeUp:
    """Answers from logits: images differ in difficulty, arms in opinion, runs in luck.

    `lucky`: an arm (0: the baseline) whose luck varies three times as much as that of the others.
    """

    seed_spread: float
    disagreement: float
    lucky: int | None = None
    sizes: tuple[int, ...] = (100, 181, 1000)
    overlap: None = None

    @property
    def about(self) -> str:
        return f"luck varies by {self.seed_spread}, opinions by {self.disagreement} (logits)"

    def draw(self, rng: Generator, gains: Sequence[float], pairs: int, images: int) -> Right:
        arms = 1 + len(gains)
        spread = np.full((arms, 1, 1), self.seed_spread)
        if self.lucky is not None and self.lucky < arms:
            spread[self.lucky] *= 3
        logit = rng.normal(0.5, 1.5, images) + rng.normal(0, self.disagreement, (arms, 1, images))
        logit = logit + spread * rng.normal(0, 1, (arms, pairs, 1))
        chance = 1 / (1 + np.exp(-logit.astype(np.float32)))
        return shifted(rng.random(chance.shape, np.float32) < chance, (0.0, *gains), rng)


@dataclass(frozen=True)
class Trained:
    """Runs (R, N) scored on the same images. A study draws its runs and its images from them."""

    right: Right
    sizes: tuple[int, ...] = (100, 181, 1000)
    overlap: None = None

    @property
    def about(self) -> str:
        return _scores(self.right)

    def draw(self, rng: Generator, gains: Sequence[float], pairs: int, images: int) -> Right:
        runs, every = self.right.shape
        seen = self.right[:, rng.integers(0, every, images)]
        drawn = seen[rng.integers(0, runs, (1 + len(gains), pairs))]
        return shifted(drawn, (0.0, *gains), rng)


@dataclass(frozen=True)
class OwnSplits:
    """Runs (S, R, N) that each of S splits has trained, scored on the images of their split.

    A pair of a study is a split, whose runs are dealt to the arms.
    """

    right: Right
    overlap: float

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.right.shape[2],)

    @property
    def about(self) -> str:
        return _scores(self.right)

    def draw(self, rng: Generator, gains: Sequence[float], pairs: int, images: int) -> Right:
        splits, runs, _ = self.right.shape
        chosen = rng.permutation(splits)[:pairs, None]
        dealt = rng.permuted(np.tile(np.arange(runs), (pairs, 1)), axis=1)[:, : 1 + len(gains)]
        return shifted(self.right[chosen, dealt].swapaxes(0, 1), (0.0, *gains), rng)


def _scores(right: Right) -> str:
    runs = 100 * right.mean(axis=-1).ravel()
    return (
        f"{len(runs)} trainings, accuracy {runs.mean():.1f} ± {runs.std(ddof=1):.1f}%, "
        f"{right.shape[-1]} validation images"
    )


def shifted(right: Right, gains: Sequence[float], rng: Generator) -> Right:
    """Answers of each arm corrected, or spoilt, so that accuracy changes by `gains` (expectation).

    Where there are too few wrong answers for that, all arms are lowered alike.
    """
    changes = np.asarray(gains)
    if changes.max() > (1 - right.mean()) / 2:
        changes = changes - changes.max()
    made = right.copy()
    for answers, gain in zip(made, changes, strict=True):
        if gain:
            share = gain / (1 - answers.mean()) if gain > 0 else -gain / answers.mean()
            answers[rng.random(answers.shape, np.float32) < share] = gain > 0
    return made


def contrasts(right: Right, shared: bool = True) -> dict[str, Contrast]:
    """The differences of a study's arms, with resamples that stand for infinitely many.

    A bootstrap of images changes a mean of answers by their covariance over images / N^2: each
    column of its root is added once and subtracted once. `shared`: by all pairs.
    """
    pairs, images = right.shape[1:]
    each = right[1:].astype(np.float32) - right[0]
    differences = each.mean(axis=2, dtype=np.float64)
    each -= differences[..., None].astype(np.float32)
    covariance = (each @ each.swapaxes(1, 2)).astype(np.float64) / images**2
    if not shared:
        covariance *= np.eye(pairs)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)[:, None] * (pairs - 0.5))
    moved = np.concatenate([root, -root], axis=2) + differences[..., None]
    return {f"arm {k + 1}": pair for k, pair in enumerate(zip(differences, moved, strict=True))}


def made_up() -> dict[str, Population]:
    return {
        "arms disagree about images": MadeUp(0.05, 1.0),
        "seeds differ": MadeUp(0.3, 0.0),
        "both": MadeUp(0.3, 1.0),
        "one arm is luckier": MadeUp(0.3, 0.0, lucky=1),
        "the baseline is luckier": MadeUp(0.3, 0.0, lucky=0),
        "usual": MadeUp(0.1, 0.3),
    }


def trained(
    pool: Executor, file: Path | None, data: str, runs: int, splits: int, epochs: int
) -> dict[str, Population]:
    """Trainings of digits and of `data` where it is there; kept in a file if one is named."""
    if file is not None and file.exists():
        with np.load(file) as stored:
            made = dict(stored)
    else:
        made = _train_all(pool, data, runs, splits, epochs)
        if file is not None:
            np.savez_compressed(file, allow_pickle=False, **made)
    own = made.pop(_OWN)
    every: dict[str, Population] = {name: Trained(right) for name, right in made.items()}
    return every | {_OWN: OwnSplits(own, VAL_SHARE / (1 - VAL_SHARE))}


def _train_all(pool: Executor, data: str, runs: int, splits: int, epochs: int) -> dict[str, Right]:
    per_split = [range(8 * k, 8 * (k + 1)) for k in range(splits)]  # seeds: one a run
    jobs = [("trained: digits", "digits", 0, range(runs)[k : k + 8]) for k in range(0, runs, 8)]
    if Path(data).is_dir():
        name = f"trained: {Path(data).name}"
        jobs += [(name, data, 0, range(runs)[k : k + 8]) for k in range(0, runs, 8)]
    jobs += [(_OWN, "digits", split, seeds) for split, seeds in enumerate(per_split)]
    arguments = [(folder, epochs, split, seeds) for _, folder, split, seeds in jobs]
    trained = list(
        tqdm(pool.map(_train, *zip(*arguments, strict=True)), "training", len(jobs), disable=None)
    )
    made: dict[str, list[Right]] = {}
    for (name, *_), right in zip(jobs, trained, strict=True):
        made.setdefault(name, []).append(right)
    return {
        name: np.stack(parts) if name == _OWN else np.concatenate(parts)
        for name, parts in made.items()
    }


def _train(data: str, epochs: int, split: int, seeds: range) -> Right:
    """Which answers of a network are right (R, N), for each seed of R, under one split."""
    torch.set_num_threads(1)
    index = open_index(data, on_leak="drop")
    base = resolve(RunConfig(data=data, epochs=epochs, val_fraction=VAL_SHARE, seed=split), index)
    _, dataset = load(index, base)
    right = []
    for seed in seeds:
        config = base.changed({"seed": seed})
        stream = Stream(dataset, config)
        learner = Learner(config, dataset.shape, len(dataset.classes), stream.steps_per_epoch)
        for epoch in range(epochs):
            learner.epoch(stream.epoch(epoch), stream.validation)
        right.append(learner.logits(stream.validation).argmax(axis=1) == stream.validation.labels)
    return np.array(right)
