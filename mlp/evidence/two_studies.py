"""Two recorded studies: each arm that both have, the second study against the first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from mlp.errors import NoSuchStudy
from mlp.evidence.comparison import POINT, Comparison, Contrast, compare
from mlp.evidence.judge import Judge, require_defined
from mlp.evidence.looks import FIRST_LOOK
from mlp.metrics import METRICS
from mlp.predictions import Floats
from mlp.study.record import RecordedStudy

Pair = tuple[int, str]


@dataclass(frozen=True)
class Between:
    """`comparisons`: of the arms that both studies have, second study minus first.

    `paired`: whether the runs of both were scored on the same images under the same seeds.
    `means`: of both studies by arm.
    """

    first: RecordedStudy
    second: RecordedStudy
    metric: str
    paired: bool
    means: dict[str, tuple[float, float]]
    comparisons: list[Comparison]


def between(
    first: RecordedStudy, second: RecordedStudy, metric: str, margin: float = POINT
) -> Between:
    """Compare two studies arm by arm: seed by seed where they share them, else run by run.

    Raises NoSuchStudy when they have no arm in common, and SettingsError where the validation
    images of one do not define the metric.
    """
    for study in (first, second):
        require_defined(study, metric)
    names, theirs = first.arm_names, set(second.arm_names)
    common = [name for name in names if name in theirs]
    if not common:
        raise NoSuchStudy(
            f"the studies have no arm in common: {', '.join(names)} and {', '.join(sorted(theirs))}"
        )
    both = [pair for pair in first.pairs if pair in second.pairs]
    # Fewer would leave most of what is recorded aside, and tell nothing
    paired = len(both) >= FIRST_LOOK and all(
        len(_images(first, common, [pair]) | _images(second, common, [pair])) <= 1 for pair in both
    )
    one, two = (
        Judge.of(_part(study, common, both if paired else study.pairs), METRICS[metric], margin)
        for study in (first, second)
    )
    means = {name: (_mean(one.scores[name]), _mean(two.scores[name])) for name in common}
    if not any(np.isfinite(values).all() for values in means.values()):
        raise NoSuchStudy(
            "there is nothing to compare: no arm that both studies have has finished runs in both"
        )
    if paired:
        contrasts = {
            name: (
                two.scores[name] - one.scores[name],
                two.replicates[name] - one.replicates[name],
            )
            for name in common
        }
    else:
        images = [_images(study, common, study.pairs) for study in (first, second)]
        alike = len(images[0] | images[1]) == 1
        contrasts = {name: _run_by_run(one, two, name, alike) for name in common}
    compared = compare(
        contrasts,
        images=min(one.images, two.images),
        overlap=_overlap(one, two),
        margin=margin,
        higher_is_better=METRICS[metric].higher_is_better,
    )
    return Between(first, second, metric, paired, means, compared)


def _part(study: RecordedStudy, arms: Collection[str], pairs: Collection[Pair]) -> RecordedStudy:
    """A study of some of its arms and pairs."""
    return replace(
        study,
        arms=[arm for arm in study.arms if arm.name in arms],
        runs=[run for run in study.runs if run.arm in arms and run.pair in pairs],
    )


def _images(
    study: RecordedStudy, arms: Collection[str], pairs: Collection[Pair]
) -> set[tuple[bytes, bytes]]:
    """The labelled images that runs were scored on, each set of them once."""
    return {
        (run.evaluation.ids.tobytes(), run.evaluation.labels.tobytes())
        for run in _part(study, arms, pairs).runs
        if run.evaluation is not None
    }


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _run_by_run(first: Judge, second: Judge, arm: str, alike: bool) -> Contrast:
    """The finished runs of an arm in the order of their seeds, as many as both studies have.

    `alike`: whether all runs were scored on the same images. Else resamples of one study stand
    beside other ones of the other study, which have nothing to do with them.
    """
    (ours, drawn), (theirs, drawn_there) = (
        (judge.scores[arm][there], judge.replicates[arm][there])
        for judge in (second, first)
        for there in [np.isfinite(judge.scores[arm])]
    )
    n = min(len(ours), len(theirs))
    other = drawn_there[:n] if alike else np.roll(drawn_there[:n], 1, axis=1)
    return ours[:n] - theirs[:n], drawn[:n] - other


def _overlap(first: Judge, second: Judge) -> float | None:
    """Validation images per training image where runs have images of their own, else None.

    Where the runs of one study share theirs, these vary its mean about as much as those of the
    other study vary each of its scores, were they as many.
    """
    drawn = [judge for judge in (first, second) if judge.overlap is not None]
    shared = [judge for judge in (first, second) if judge.overlap is None]
    if not drawn:
        return None
    most = max(judge.overlap or 0.0 for judge in drawn)
    return most + sum(drawn[0].images / judge.images for judge in shared)
