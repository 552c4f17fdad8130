"""Answers of commands as data for programs: one schema, which docs/programs.md describes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from mlp.evidence.comparison import Comparison

SCHEMA = "mlp/1"  # another number where a field goes or changes its meaning
FIELDS = [field.name for field in dataclasses.fields(Comparison) if field.name != "precision"]


def document(kind: str, contents: Mapping[str, object]) -> dict[str, object]:
    """A document of one of the kinds of the schema; null where there is no number."""
    return {"schema": SCHEMA, "kind": kind, **{k: _plain(v) for k, v in contents.items()}}


def compared(
    comparisons: Sequence[Comparison],
    scores: Mapping[str, float],
    *,
    baseline: str,
    metric: str,
    higher_is_better: bool,
    margin: float,
) -> dict[str, object]:
    """Arms compared with their baseline. `scores`: the mean of each arm, the baseline's included.

    `margin`: the difference that would matter, in the unit of the metric.
    """
    return {
        "metric": metric,
        "higher_is_better": higher_is_better,
        "margin": margin,
        "baseline": baseline,
        "scores": scores,
        "arms": [numbers(c) for c in comparisons],
    }


def numbers(comparison: Comparison) -> dict[str, object]:
    """All numbers of a comparison, and its verdict."""
    return {name: getattr(comparison, name) for name in FIELDS}


def _plain(value: object) -> object:
    """A value as JSON takes it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
