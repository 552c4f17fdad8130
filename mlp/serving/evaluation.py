"""A packaged model's answers to labelled images, alone and compared with another model's."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp import console
from mlp.data.index import Index
from mlp.data.normalization import EVALUATION_BATCH
from mlp.data.pixels import load_pixels
from mlp.errors import DataError
from mlp.evidence.comparison import of_two_models, verdict
from mlp.evidence.looks import LEVEL
from mlp.evidence.resampling import draws
from mlp.metrics import METRICS
from mlp.model.ensemble import Ensemble
from mlp.predictions import Evaluation
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.studies import read_split


@dataclass(frozen=True)
class Evaluated:
    """Answers, the images as decoded (N, H, W, C), and which of them are unlike training (N,)."""

    evaluation: Evaluation
    images: NDArray[np.uint8]
    unfamiliar: NDArray[np.bool_]
    index: Index  # with the images refused that could not be decoded


def evaluate(
    ensemble: Ensemble, index: Index, paths: Container[str] | None = None
) -> Evaluated | None:
    """Answers to the usable images of an index, or to those of them that `paths` names.

    None where there is no such image. Raises DataError for a class that the model does not know.
    """
    unknown = sorted(set(index.classes) - set(ensemble.classes))
    if unknown:
        raise DataError(
            f"{index.name}: the model does not know {', '.join(unknown)}; it knows "
            f"{', '.join(ensemble.classes)}"
        )
    member = ensemble.members[0]
    index, pixels = load_pixels(index, member.image_size, member.gray, member.depth)
    if index.usable.empty and len(index.damaged):
        first = index.damaged.iloc[0]
        raise DataError(
            f"{index.name}: none of its {len(index.table)} images can be used; the first, "
            f"{first['path']}: {first['reason']}"
        )
    table = index.usable.reset_index(drop=True)
    if paths is not None:
        table = table[[path in paths for path in table["path"]]]
    if table.empty:
        return None
    rows = table.index.to_numpy()
    images = pixels if len(rows) == len(pixels) else pixels[rows]
    starts = range(0, len(images), EVALUATION_BATCH)
    bar = console.passing(starts, "classifying", unit="it")
    parts = (images[start : start + EVALUATION_BATCH] for start in bar)
    answers = [answer for part in parts for answer in ensemble.answer(list(part))]
    evaluation = Evaluation(
        table["path"].to_numpy(np.str_),
        table["class"].cat.set_categories(ensemble.classes).cat.codes.to_numpy(np.int64),
        np.array([answer.probabilities for answer in answers]),
        ensemble.classes,
    )
    return Evaluated(evaluation, images, np.array([a.unfamiliar for a in answers]), index)


def trained_on(store: Store, run_ids: Sequence[str]) -> set[str] | None:
    """SHA-256 of the images that some runs trained on, None where that is not recorded."""
    tables = [read_split(store, run_id) for run_id in run_ids]
    if any(table is None for table in tables):
        return None
    every = pd.concat(tables)
    return set(every.loc[every["split"] == "train", "sha256"])


@dataclass(frozen=True)
class Challenge:
    """Challenger minus champion on `images`, with the interval by which arms are judged as well.

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
        found = verdict(self.low, self.high, 0, METRICS[self.metric].higher_is_better)
        return found == "better"


def compare(challenger: Evaluation, champion: Evaluation, metric: str) -> Challenge:
    """Compare two models by their answers to the same images in the same order."""
    assert (challenger.ids == champion.ids).all() and challenger.classes == champion.classes
    measure, images = METRICS[metric], len(challenger.ids)
    ours, theirs = (measure.scores(e, draws(images)) for e in (challenger, champion))
    own, other = measure.score(challenger), measure.score(champion)
    limits = of_two_models(own - other, ours - theirs, images)
    return Challenge(metric, images, own, other, *limits)


def interval(result: Evaluation, metric: str) -> tuple[float, float]:
    """The 95% interval of a model's score over the choice of images (percentile bootstrap)."""
    values = METRICS[metric].scores(result, draws(len(result.ids)))
    # A resample may lack what a score needs, as ROC AUC needs both kinds of images
    low, high = np.nanquantile(values, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)
