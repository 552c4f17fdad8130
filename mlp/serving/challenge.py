"""Two models compared on the same images: the one that challenges, and the champion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlp.evidence.comparison import LEVEL
from mlp.evidence.resampling import draws
from mlp.metrics import METRICS
from mlp.predictions import Evaluation, Floats


@dataclass(frozen=True)
class Challenge:
    """Challenger minus champion on `images`, with the 95% interval of a paired bootstrap.

    The models are what they are: unlike the arms of a study, they vary with the images alone.
    """

    metric: str
    images: int
    challenger: float
    champion: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Challenger minus champion."""
        return self.challenger - self.champion

    @property
    def won(self) -> bool:
        """True where the challenger is better, and the interval leaves out zero."""
        return self.low > 0 if METRICS[self.metric].higher_is_better else self.high < 0


def compare(challenger: Evaluation, champion: Evaluation, metric: str) -> Challenge:
    """Compare two models by their answers to the same images in the same order."""
    assert (challenger.ids == champion.ids).all() and challenger.classes == champion.classes
    measure, images = METRICS[metric], len(challenger.ids)
    ours, theirs = (measure.scores(e, draws(images)) for e in (challenger, champion))
    scores = measure.score(challenger), measure.score(champion)
    return Challenge(metric, images, *scores, *_middle(ours - theirs))


def interval(result: Evaluation, metric: str) -> tuple[float, float]:
    """The 95% interval of a model's score over the choice of images (percentile bootstrap)."""
    return _middle(METRICS[metric].scores(result, draws(len(result.ids))))


def _middle(values: Floats) -> tuple[float, float]:
    """The ends of the 95% in the middle."""
    # A resample may lack what a score needs, as ROC AUC needs both kinds of images
    low, high = np.nanquantile(values, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)
