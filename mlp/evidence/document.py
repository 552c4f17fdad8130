"""Comparisons as data: documents of one schema (docs/programs.md), and tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pandas as pd

from mlp.evidence.comparison import NAN, Comparison
from mlp.evidence.findings import Evidence
from mlp.metrics import METRICS
from mlp.study.record import RecordedStudy

SCHEMA = "mlp/1"  # another number where a field goes or changes its meaning
COLUMNS = ["difference", "low", "high", "verdict", "p_better"]  # of a table
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


def table(arms: Iterable[tuple[str, int, float, Comparison | None]]) -> pd.DataFrame:
    """A row for each arm, of its name, runs, mean and comparison; None: it is the baseline."""
    rows = {name: (n, mean, *row(c)) for name, n, mean, c in arms}
    made = pd.DataFrame.from_dict(rows, orient="index", columns=["n", "mean", *COLUMNS])
    return made.rename_axis("arm")


def row(comparison: Comparison | None) -> tuple[object, ...]:
    """The values of COLUMNS, of an arm or, with None, of the baseline."""
    if comparison is None:
        return NAN, NAN, NAN, "baseline", NAN
    return tuple(getattr(comparison, name) for name in COLUMNS)


def named(study: RecordedStudy) -> dict[str, str]:
    """The names of a recorded study."""
    return {"name": study.name, "run_id": study.run_id, "data": study.data_name}


def effects(evidence: Evidence) -> Iterator[tuple[str, Comparison]]:
    """Those of factorials, each with its kind."""
    for factorial in evidence.factorials:
        yield from zip(
            ("main effect", "main effect", "interaction"), factorial.effects, strict=True
        )


def of_study(evidence: Evidence) -> dict[str, object]:
    """A recorded study: its arms, the effects of factorials, the runs that have no score."""
    study = evidence.study
    contents = compared(
        evidence.comparisons,
        {arm.name: arm.mean for arm in evidence.arms},
        baseline=evidence.baseline.name,
        metric=evidence.metric,
        higher_is_better=METRICS[evidence.metric].higher_is_better,
        margin=evidence.margin,
    )
    contents |= {
        "study": named(study),
        "pairs": [{"seed": seed, "fold": fold} for seed, fold in study.pairs],
        "effects": [{"kind": kind, **numbers(c)} for kind, c in effects(evidence)],
        "unfinished": [
            {name: getattr(run, name) for name in ("arm", "seed", "fold", "status", "reason")}
            for run in evidence.unfinished
        ],
    }
    return document("study", contents)


def _plain(value: object) -> object:
    """A value as JSON takes it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
