"""Runs that share something, such as a seed: the order of their pairs, and who judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mlp.evidence.judge import Judge
from mlp.metrics import Metric
from mlp.predictions import Floats
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun, RecordedStudy

Label = tuple[str, ...]  # of a pair: a seed, or a seed and a fold

_SAME = 1e-9  # share of the largest score, below which two are the same number


@dataclass(frozen=True)
class Rule:
    """The measure that is judged by, the margin in its unit, and the overlap; see `compare`."""

    measure: Metric
    margin: float
    overlap: float | None = None


def shown(label: Label) -> str:
    """A pair, as a person reads it."""
    return ", ".join(label)


def in_order(labels: Sequence[Label]) -> list[Label]:
    """Pairs by their numbers; in the order in which they came where they have none.

    So a verdict stays while pairs with higher numbers, or new names, are added.
    """
    every = list(dict.fromkeys(labels))
    numeric = [all(map(_is_number, column)) for column in zip(*every, strict=True)]
    if not any(numeric):
        return every

    def key(label: Label) -> list[Any]:
        return [float(t) if number else t for t, number in zip(label, numeric, strict=True)]

    return sorted(every, key=key)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def by_scores(rows: pd.DataFrame, names: Sequence[str], rule: Rule) -> Judge:
    """The judge of runs of which the scores alone are known."""
    wide = rows.set_index(["pair", "arm"])["score"].unstack("arm")
    wide = wide.reindex(index=pd.Index(in_order(rows["pair"].tolist()), tupleize_cols=False))
    scores = {
        n: wide[n].to_numpy(float) if n in wide else np.full(len(wide), np.nan) for n in names
    }
    twice = {name: np.repeat(own[:, None], 2, axis=1) for name, own in scores.items()}
    coarse = step(rows["score"].to_numpy(float))
    return Judge(rule.measure, rule.margin, rule.overlap, 0, scores, twice, coarse)


def step(scores: Floats) -> float:
    """The smallest step between two scores; 0 where all are equal."""
    steps = np.diff(np.unique(scores))
    steps = steps[steps > _SAME * np.abs(scores).max()]
    return float(steps.min()) if len(steps) else 0.0


def by_answers(rows: pd.DataFrame, names: Sequence[str], rule: Rule) -> Judge:
    """The judge of runs whose answers are known."""
    number = {label: k for k, label in enumerate(in_order(rows["pair"].tolist()))}
    runs = [
        replace(run, arm=arm, seed=number[pair], fold="none")
        for run, arm, pair in zip(rows["run"], rows["arm"], rows["pair"], strict=True)
    ]
    return Judge.of(study_of(names, runs), rule.measure, rule.margin)


def study_of(names: Sequence[str], runs: Sequence[RecordedRun]) -> RecordedStudy:
    """Runs as a study of which nothing else is known."""
    arms = [Arm(name, {}, "") for name in names]
    return RecordedStudy("", "", "", "", "", "", "", arms, {}, (), runs)
