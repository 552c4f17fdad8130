"""The evidence of a recorded study: each arm against the baseline, and its way to its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from mlp.evidence.comparison import POINT, Comparison, compare
from mlp.evidence.dynamics import TARGET_SHARE, Dynamics, dynamics, learned
from mlp.evidence.judge import Judge, require_defined
from mlp.metrics import METRICS
from mlp.predictions import Floats
from mlp.study.record import RecordedRun, RecordedStudy

InitialWeights = Mapping[str, Mapping[str, tuple[Floats, Floats]]]  # by arm, layer: edges, counts


@dataclass(frozen=True)
class ArmEvidence:
    """One arm. Arrays have an entry a pair (seed and fold) of the study, NaN where there is none.

    `runs` are those that were planned: an arm that had its verdict early has fewer. `comparison`
    with the baseline is None for the baseline itself, and `differences` (paired, of the fields of
    `Dynamics` and of the `gap`) empty.
    """

    name: str
    about: str
    changes: Mapping[str, object]
    runs: tuple[RecordedRun, ...]
    scores: Floats
    dynamics: tuple[Dynamics | None, ...]
    comparison: Comparison | None
    differences: Mapping[str, Comparison]

    @property
    def finished(self) -> list[RecordedRun]:
        """The runs that have scores."""
        return [run for run in self.runs if run.finished]

    @property
    def mean(self) -> float:
        """Mean score of the finished runs."""
        known = self.scores[np.isfinite(self.scores)]
        return float(known.mean()) if len(known) else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation of the score over the finished runs."""
        known = self.scores[np.isfinite(self.scores)]
        return float(known.std(ddof=1)) if len(known) > 1 else float("nan")

    @property
    def learned(self) -> int:
        """The number of runs that do better than always naming the most frequent class."""
        return sum(
            learned(run.metrics["final/accuracy"], run.evaluation.labels)
            for run in self.runs
            if run.evaluation is not None
        )

    def per_run(self, name: str) -> Floats:
        """A recorded metric of each run, NaN where there is none."""
        return np.array([run.metrics.get(name, np.nan) for run in self.runs])

    def of_dynamics(self, name: str) -> Floats:
        """A field of `Dynamics` of each run."""
        return np.array([getattr(d, name) if d else np.nan for d in self.dynamics], float)


@dataclass(frozen=True)
class Factorial:
    """Two changes alone and together: does the pair differ from the sum of both?"""

    first: str
    second: str
    both: str
    effects: tuple[Comparison, Comparison, Comparison]  # of the first, the second, interaction


@dataclass(frozen=True)
class Evidence:
    """Everything that a report says, as numbers."""

    study: RecordedStudy
    metric: str
    margin: float  # the difference that would matter, in the unit of the metric
    arms: tuple[ArmEvidence, ...]
    factorials: tuple[Factorial, ...]
    overlap: float | None
    lead: Comparison | None  # of the best arm over the second best
    weights: InitialWeights = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)  # JPEG by image

    @property
    def baseline(self) -> ArmEvidence:
        """The arm that the others are compared with."""
        return self.arms[0]

    @property
    def comparisons(self) -> list[Comparison]:
        """Of the other arms, in their order."""
        return [arm.comparison for arm in self.arms if arm.comparison is not None]

    def arm(self, name: str) -> ArmEvidence | None:
        """An arm by name, None where the study has none of it."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def ranked(self) -> list[ArmEvidence]:
        """The arms that have scores, the best first.

        By their differences from the baseline, so that arms with other seeds are compared fairly;
        by their means where the baseline has no score.
        """
        known = [arm for arm in self.arms if np.isfinite(arm.mean)]
        paired = all(arm.comparison is None or arm.comparison.pairs for arm in known)
        if not (paired and self.baseline in known):
            return sorted(known, key=lambda arm: -self.sign * arm.mean)
        return sorted(
            known, key=lambda a: -self.sign * (a.comparison.difference if a.comparison else 0.0)
        )

    def proven(self) -> list[ArmEvidence]:
        """The arms that were shown to be better than the baseline, the best first."""
        return [arm for arm in self.ranked() if arm.comparison and arm.comparison.improves]

    @property
    def sign(self) -> int:
        """1 where more of the metric is better, else -1."""
        return 1 if METRICS[self.metric].higher_is_better else -1

    @property
    def unfinished(self) -> list[RecordedRun]:
        """Planned runs that have no score, whatever the reason."""
        return [run for arm in self.arms for run in arm.runs if not run.finished]


def weigh(study: RecordedStudy, metric: str, margin: float = POINT) -> Evidence:
    """The evidence of a recorded study by one of `metrics.COMPARED`.

    Raises SettingsError where its validation images do not define that.
    """
    require_defined(study, metric)
    judge = Judge.of(study, METRICS[metric], margin)
    names = study.arm_names
    baseline = names[0]
    compared = judge.against(baseline)
    targets = {
        pair: TARGET_SHARE * run.metrics["final/accuracy"]
        for pair, run in study.of(baseline).items()
        if run.finished
    }
    moves = {name: _dynamics(study, name, targets) for name in names}
    arms = []
    for arm in study.arms:
        name = arm.name
        runs = tuple(sorted(study.of(name).values(), key=lambda run: run.pair))
        arms.append(
            ArmEvidence(
                name,
                arm.about,
                arm.changes,
                runs,
                judge.scores[name],
                moves[name],
                compared.get(name),
                _paired(study, name, baseline, moves, judge.overlap) if name != baseline else {},
            )
        )
    factorials = tuple(_factorial(arms, judge))
    evidence = Evidence(study, metric, margin, tuple(arms), factorials, judge.overlap, None)
    return replace(evidence, lead=_lead(evidence, judge))


def _dynamics(
    study: RecordedStudy, arm: str, targets: Mapping[tuple[int, str], float]
) -> tuple[Dynamics | None, ...]:
    runs = study.of(arm)
    return tuple(
        dynamics(_kept(run), targets.get(pair, np.nan))
        if (run := runs.get(pair)) is not None and run.finished
        else None
        for pair in study.pairs
    )


def _kept(run: RecordedRun) -> Mapping[str, Floats]:
    """The history up to the epoch whose weights were kept: what came after was thrown away."""
    epochs = int(run.metrics.get("facts/kept_epoch", 0)) or None
    return {name: values[:epochs] for name, values in run.history.items()}


def _paired(
    study: RecordedStudy,
    arm: str,
    baseline: str,
    moves: Mapping[str, tuple[Dynamics | None, ...]],
    overlap: float | None,
) -> dict[str, Comparison]:
    """Differences in dynamics, by seeds alone: there are no images to resample."""
    made = {}
    for name in ("epochs_to_target", "seconds_to_target", "roughness", "first_loss", "last_loss"):
        ours, theirs = (
            np.array([getattr(d, name) if d else np.nan for d in moves[which]], float)
            for which in (arm, baseline)
        )
        made[name] = ours - theirs
    gaps = []
    for which in (arm, baseline):
        own = {p: run.metrics.get("final/gap_accuracy") for p, run in study.of(which).items()}
        gaps.append(np.array([own.get(pair) for pair in study.pairs], float))
    made["gap"] = gaps[0] - gaps[1]
    contrasts = {name: (d, np.repeat(d[:, None], 2, axis=1)) for name, d in made.items()}
    # Each with an interval of its own
    compared = compare(contrasts, images=None, overlap=overlap, comparisons=1)
    return dict(zip(made, compared, strict=True))


def _factorial(arms: Sequence[ArmEvidence], judge: Judge) -> list[Factorial]:
    """Every pair of changes that the study has alone and together."""
    base = arms[0].name
    changes = {arm.name: dict(arm.changes) for arm in arms[1:]}
    found = [
        (one, two, both)
        for one, two in combinations(changes, 2)
        if changes[one] and changes[two] and not changes[one].keys() & changes[two].keys()
        for both, made in changes.items()
        if made == changes[one] | changes[two]
    ]
    factorials = []
    for one, two, both in found:
        contrasts = {
            one: {one: 0.5, base: -0.5, both: 0.5, two: -0.5},
            two: {two: 0.5, base: -0.5, both: 0.5, one: -0.5},
            f"{one} x {two}": {both: 1.0, one: -1.0, two: -1.0, base: 1.0},
        }
        first, second, interaction = judge.family(contrasts, comparisons=3 * len(found))
        factorials.append(Factorial(one, two, both, (first, second, interaction)))
    return factorials


def _lead(evidence: Evidence, judge: Judge) -> Comparison | None:
    """The best arm against the second best: which two they are was seen in the same scores."""
    ranked = evidence.ranked()
    if len(ranked) < 2:
        return None
    first, second = ranked[0].name, ranked[1].name
    pairs = len(evidence.arms) * (len(evidence.arms) - 1) // 2
    return judge.family({first: {first: 1.0, second: -1.0}}, comparisons=pairs)[0]
