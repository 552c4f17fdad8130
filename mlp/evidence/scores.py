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
from mlp.evidence.pairing import Rule, by_answers, by_scores, shown, step
from mlp.evidence.unpaired import compare_unpaired
from mlp.predictions import Floats
from mlp.settings.base import did_you_mean


@dataclass(frozen=True)
class Note:
    """Something to know before believing a verdict: `judge.KIND` in mlp/languages, and values."""

    kind: str
    values: Mapping[str, Any]


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
    rows, notes = _usable(rows.assign(place=np.arange(len(rows))))
    counts = rows["arm"].value_counts(sort=False).to_dict()
    if not baseline:
        baseline = max(counts, key=lambda name: counts[name])
        notes.append(Note("baseline", {"arm": baseline, "n": counts[baseline]}))
    elif baseline not in counts:
        hint = did_you_mean(baseline, counts)
        known = ", ".join(counts)
        raise SettingsError(f"baseline: no run of an arm {baseline!r}; {hint}there are {known}")
    paired = bool(rows["pair"].notna().all())
    names = [baseline, *(name for name in counts if name != baseline)]
    of_each = {str(name): part for name, part in rows.groupby("dataset", sort=False)}
    answered = all(run is not None and run.finished for run in rows["run"])
    judges = {
        name: (by_answers if answered else by_scores)(part, names, rule)
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
    if still and len(of_each) == 1 and not judged.images:
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
        step=min(step(part["score"].to_numpy(float)) for part in parts) / len(parts),
    )
