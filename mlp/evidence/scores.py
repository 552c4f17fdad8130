"""Scores of any runs: a row for each run, what is wrong with them, and the verdicts they give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mlp.errors import NoSuchRuns, SettingsError
from mlp.evidence.comparison import Comparison, Contrast, compare
from mlp.evidence.judge import Judge
from mlp.evidence.unpaired import compare_unpaired
from mlp.metrics import Metric
from mlp.predictions import Floats
from mlp.settings.base import did_you_mean
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun, RecordedStudy

Label = tuple[str, ...]  # of a pair: a seed, or a seed and a fold

_STEP = 1e-9  # share of the largest score, below which two are the same number


@dataclass(frozen=True)
class Note:
    """Something to know before believing a verdict: `judge.KIND` in mlp/languages, and values."""

    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """The measure that is judged by, the margin in its unit, and the overlap; see `compare`."""

    measure: Metric
    margin: float
    overlap: float | None = None


@dataclass(frozen=True)
class Judged:
    """Arms against their baseline.

    `pairs`: the most that a data set has; of runs that nothing pairs, the most of an arm. `scores`:
    those of each arm; `means`: of its data sets, of which each counts the same. `differences`: of
    the pairs, where there are pairs. `comparisons`: over all data sets; `datasets`: of each, where
    there are several. `images`: validation images of a run whose answers are known, else 0.
    """

    rule: Rule
    baseline: str
    paired: bool
    pairs: int
    scores: Mapping[str, Floats]
    means: Mapping[str, float]
    differences: Mapping[str, Floats]
    comparisons: Sequence[Comparison]
    datasets: Mapping[str, Sequence[Comparison]]
    images: int
    notes: Sequence[Note]


def judge_scores(rows: pd.DataFrame, baseline: str, rule: Rule) -> Judged:
    """Judge runs: rows of arm, pair (a Label or None), dataset, score, and the RecordedRun.

    Rows are in the order in which the runs began; of two of one arm, pair and data set, the later
    one counts. Runs with answers (all of them, or none) are scored by these. An empty `baseline`
    is the most frequent arm. Raises NoSuchRuns, SettingsError.
    """
    rows, notes = _usable(rows)
    counts = rows["arm"].value_counts(sort=False).to_dict()
    if not baseline:
        baseline = max(counts, key=lambda name: counts[name])
        notes.append(Note("baseline", {"arm": baseline, "n": counts[baseline]}))
    elif baseline not in counts:
        hint = did_you_mean(baseline, counts)
        raise SettingsError(f"baseline: no run of an arm {baseline!r}; {hint}{_arms(counts)}")
    paired = bool(rows["pair"].notna().all())
    names = [baseline, *(name for name in counts if name != baseline)]
    of_each = {str(name): part for name, part in rows.groupby("dataset", sort=False)}
    answered = all(run is not None and run.finished for run in rows["run"])
    judges = {
        name: (_by_answers if answered else _by_scores)(part, names, rule)
        for name, part in of_each.items()
        if paired
    }
    together = len(names) - 1

    def verdicts(chosen: Sequence[str], count: int) -> list[Comparison]:
        if paired:
            return _paired([judges[name] for name in chosen], names, rule, count)
        return _unpaired([of_each[name] for name in chosen], names, rule, count)

    several = len(of_each) > 1
    judged = Judged(
        rule,
        baseline,
        paired,
        max(_count(part, paired) for part in of_each.values()),
        {name: rows["score"][rows["arm"] == name].to_numpy(float) for name in names},
        rows.groupby(["arm", "dataset"])["score"].mean().groupby("arm").mean().to_dict(),
        {n: d for n, (d, _) in _contrasts(list(judges.values()), names).items()} if paired else {},
        verdicts(list(of_each), together),
        {n: verdicts([n], together * len(of_each)) for n in of_each}
        if several and together
        else {},
        max((judge.images for judge in judges.values()), default=0),
        notes,
    )
    return replace(judged, notes=[*notes, *_remarks(judged, of_each, names)])


def _count(rows: pd.DataFrame, paired: bool) -> int:
    return int(rows["pair"].nunique() if paired else rows["arm"].value_counts().max())


def _arms(names: Mapping[str, int]) -> str:
    return f"there are {', '.join(names)}"


def _usable(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Note]]:
    """The rows that count, and a note for each reason why others do not."""
    notes = []
    finite = np.isfinite(rows["score"].to_numpy(float))
    if not finite.all():
        notes.append(Note("not_finite", {"arms": _counted(rows["arm"][~finite])}))
        rows = rows[finite]
    if rows.empty:
        raise NoSuchRuns("no run has a score that is a number: there is nothing to judge")
    without = rows["pair"].isna()
    if without.any() and not without.all():
        notes.append(Note("no_pair", {"arms": _counted(rows["arm"][without])}))
        rows = rows[~without]
    again = rows.duplicated(["dataset", "arm", "pair"], keep="last")
    if again.any() and not without.all():
        first = rows[again].iloc[0]
        values = {"count": int(again.sum()), "arm": first["arm"], "pair": shown(first["pair"])}
        notes.append(Note("duplicates", values))
        rows = rows[~again]
    return rows, notes


def _remarks(
    judged: Judged, of_each: Mapping[str, pd.DataFrame], names: Sequence[str]
) -> list[Note]:
    """Notes on what is compared: missing pairs, arms that never vary, what a verdict is about."""
    notes = []
    if len(names) == 1:
        notes.append(Note("one_arm", {"arm": names[0]}))
    for dataset, part in of_each.items() if judged.paired else ():
        pairs, lacking = part["pair"].nunique(), []
        for name in names:
            count = pairs - int((part["arm"] == name).sum())
            lacking += [f"{name} ({count})"] * bool(count)
        if lacking:
            where = f"{dataset}: " if len(of_each) > 1 else ""
            values = {"where": where, "pairs": pairs, "arms": ", ".join(lacking)}
            notes.append(Note("missing", values))
    still = [name for name, own in judged.scores.items() if len(own) > 2 and np.ptp(own) == 0]
    if still and len(of_each) == 1:
        notes.append(Note("constant", {"arms": ", ".join(still)}))
    if not judged.paired and len(names) > 1:
        notes.append(Note("unpaired", {}))
    if len(of_each) > 1:
        notes.append(Note("datasets", {"datasets": ", ".join(of_each)}))
    if not judged.images and len(names) > 1:
        notes.append(Note("no_answers", {}))
    return notes


def _counted(names: pd.Series[str]) -> str:
    return ", ".join(f"{name} ({n})" for name, n in names.value_counts(sort=False).items())


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


def _by_scores(rows: pd.DataFrame, names: Sequence[str], rule: Rule) -> Judge:
    """The judge of runs of which the scores alone are known."""
    wide = rows.set_index(["pair", "arm"])["score"].unstack("arm")
    wide = wide.reindex(index=pd.Index(in_order(rows["pair"].tolist()), tupleize_cols=False))
    scores = {
        n: wide[n].to_numpy(float) if n in wide else np.full(len(wide), np.nan) for n in names
    }
    twice = {name: np.repeat(own[:, None], 2, axis=1) for name, own in scores.items()}
    step = _step(rows["score"].to_numpy(float))
    return Judge(rule.measure, rule.margin, rule.overlap, 0, scores, twice, step)


def _step(scores: Floats) -> float:
    """The smallest step between two scores; 0 where all are equal."""
    steps = np.diff(np.unique(scores))
    steps = steps[steps > _STEP * np.abs(scores).max()]
    return float(steps.min()) if len(steps) else 0.0


def _by_answers(rows: pd.DataFrame, names: Sequence[str], rule: Rule) -> Judge:
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


def _paired(
    judges: Sequence[Judge], names: Sequence[str], rule: Rule, count: int
) -> list[Comparison]:
    """Each arm against the first one, over data sets."""
    own = [judge.overlap for judge in judges if judge.overlap is not None]
    return compare(
        _contrasts(judges, names),
        images=sum(judge.images for judge in judges),
        overlap=float(np.mean(own)) if own else None,
        margin=rule.margin,
        higher_is_better=rule.measure.higher_is_better,
        comparisons=count,
        step=min(judge.step for judge in judges) / len(judges),
    )


def _contrasts(judges: Sequence[Judge], names: Sequence[str]) -> dict[str, Contrast]:
    """Each arm minus the first one: the k-th pairs of all data sets together make one pair."""
    baseline, *others = names
    contrasts: dict[str, Contrast] = {}
    for name in others:
        parts = [_differences(judge, name, baseline) for judge in judges]
        parts = [part for part in parts if len(part[0])] or parts[:1]
        n = min(len(differences) for differences, _ in parts)
        contrasts[name] = (
            np.mean([differences[:n] for differences, _ in parts], axis=0),
            # Images of one data set are drawn apart from those of another
            np.mean([np.roll(drawn[:n], k, axis=1) for k, (_, drawn) in enumerate(parts)], axis=0),
        )
    return contrasts


def _differences(judge: Judge, name: str, baseline: str) -> Contrast:
    """Of the pairs that both have."""
    differences = judge.scores[name] - judge.scores[baseline]
    there = np.isfinite(differences)
    return differences[there], (judge.replicates[name] - judge.replicates[baseline])[there]


def _unpaired(
    parts: Sequence[pd.DataFrame], names: Sequence[str], rule: Rule, count: int
) -> list[Comparison]:
    """Each arm against the first one: the k-th runs on all data sets together make one run."""
    every = pd.concat(parts)
    every["place"] = np.arange(len(every))
    every["number"] = every.groupby(["dataset", "arm"]).cumcount()
    of_arm = dict(list(every.groupby("arm")))
    baseline, *others = names
    samples = {}
    for name in others:
        shared = set(of_arm[name]["dataset"]) & set(of_arm[baseline]["dataset"])
        both = pd.concat([of_arm[name], of_arm[baseline]])
        runs = both[both["dataset"].isin(shared)].groupby(["arm", "number"], as_index=False)
        runs = runs.agg(score=("score", "mean"), place=("place", "max"), parts=("place", "size"))
        runs = runs[runs["parts"] == len(shared)].sort_values("place")
        samples[name] = runs["score"].to_numpy(float), (runs["arm"] == name).to_numpy(bool)
    return compare_unpaired(
        samples,
        margin=rule.margin,
        higher_is_better=rule.measure.higher_is_better,
        comparisons=count,
        step=min(_step(part["score"].to_numpy(float)) for part in parts) / len(parts),
    )
