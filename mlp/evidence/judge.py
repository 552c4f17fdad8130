"""Contrasts of the arms of a recorded study, compared together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlp import console
from mlp.evidence.comparison import POINT, Comparison, compare
from mlp.evidence.resampling import draws
from mlp.metrics import Metric, require
from mlp.predictions import Floats
from mlp.study.record import RecordedStudy

# The score of a run, and those of its resampled images, by its id and the seed of the resamples
Resampled = dict[tuple[str, int], tuple[float, Floats]]


@dataclass(frozen=True)
class Judge:
    """Compares arms by contrasts: weights by arm name, such as 1 for an arm and -1 for another.

    `margin`: the difference that would matter, in the unit of the metric. `images`: 0 where nothing
    is known of the answers. `step`: see `compare`.
    """

    measure: Metric
    margin: float
    overlap: float | None
    images: int
    scores: Mapping[str, Floats]
    replicates: Mapping[str, Floats]
    step: float = 0.0

    @classmethod
    def of(
        cls,
        study: RecordedStudy,
        measure: Metric,
        margin: float = POINT,
        known: Resampled | None = None,
    ) -> Judge:
        """The judge of a recorded study by a metric.

        `known`: what was resampled before of a study that has grown since; it grows as well.
        """
        overlap = _overlap(study)
        known = {} if known is None else known
        scores, replicates = _resample(study, measure, overlap is None, known)
        images = (len(run.evaluation.labels) for run in study.runs if run.evaluation is not None)
        return cls(measure, margin, overlap, next(images, 0), scores, replicates)

    def against(self, baseline: str) -> dict[str, Comparison]:
        """Each other arm against the baseline, by its name."""
        names = [name for name in self.scores if name != baseline]
        made = self.family({name: {name: 1.0, baseline: -1.0} for name in names})
        return dict(zip(names, made, strict=True))

    def family(
        self, contrasts: Mapping[str, Mapping[str, float]], comparisons: int | None = None
    ) -> list[Comparison]:
        """The contrasts, with intervals that hold for all of them, or for so many, together."""

        def total(weights: Mapping[str, float], values: Mapping[str, Floats]) -> Floats:
            return np.asarray(sum(weight * values[arm] for arm, weight in weights.items()))

        return compare(
            {
                name: (total(weights, self.scores), total(weights, self.replicates))
                for name, weights in contrasts.items()
            },
            images=self.images,
            overlap=self.overlap,
            margin=self.margin,
            higher_is_better=self.measure.higher_is_better,
            comparisons=comparisons,
            step=self.step,
        )


def require_defined(study: RecordedStudy, metric: str) -> None:
    """Raise SettingsError where a metric is not defined on the images that validated a run."""
    for run in study.runs:
        if run.evaluation is not None:
            fold = "" if run.fold == "none" else f", fold {run.fold}"
            of = f" of {study.name}, seed {run.seed}{fold},"
            require(metric, run.evaluation.present, of)


def _overlap(study: RecordedStudy) -> float | None:
    """Validation images per training image where pairs have images of their own, else None."""
    finished = [run for run in study.runs if run.evaluation is not None]
    if len({run.evaluation.ids.tobytes() for run in finished if run.evaluation}) <= 1:
        return None
    return float(np.mean([run.val_images / run.train_images for run in finished]))


def _resample(
    study: RecordedStudy, measure: Metric, shared: bool, known: Resampled
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """By arm: the score of each pair (P,), and of its resampled images (P, R); NaN without one."""
    scores: dict[str, list[float]] = {name: [] for name in study.arm_names}
    replicates: dict[str, list[Floats]] = {name: [] for name in scores}
    bar = console.passing(None, "comparing", total=len(study.runs), unit="it")
    width = 0
    runs = {name: study.of(name) for name in scores}
    for number, pair in enumerate(study.pairs):
        for name in scores:
            bar.update()
            run = runs[name].get(pair)
            if run is None or run.evaluation is None:
                scores[name].append(np.nan)
                replicates[name].append(np.full(1, np.nan))
                continue
            seed = 0 if shared else number
            if (run.run_id, seed) not in known:
                resampled = measure.scores(
                    run.evaluation, draws(len(run.evaluation.labels), seed=seed)
                )
                known[run.run_id, seed] = measure.score(run.evaluation), resampled
            score, resampled = known[run.run_id, seed]
            scores[name].append(score)
            replicates[name].append(resampled)
            width = max(width, len(resampled))
    bar.close()
    width = max(width, 1)
    return (
        {name: np.array(values) for name, values in scores.items()},
        {
            name: np.stack([np.broadcast_to(row, width) for row in rows])
            for name, rows in replicates.items()
        },
    )
