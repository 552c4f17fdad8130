"""A packaged model's answers to labelled images, and the images that it was trained on."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from mlp.data.index import Index
from mlp.data.normalization import EVALUATION_BATCH
from mlp.data.pixels import load_pixels
from mlp.errors import DataError
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
    unknown = sorted(set(index.usable["class"]) - set(ensemble.classes))
    if unknown:
        raise DataError(
            f"{index.name}: the model does not know {', '.join(unknown)}; it knows "
            f"{', '.join(ensemble.classes)}"
        )
    first = ensemble.members[0]
    index, pixels = load_pixels(index, first.image_size, first.gray, first.depth)
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
    bar = tqdm(starts, "classifying", disable=None, delay=1, leave=False)
    parts = (images[start : start + EVALUATION_BATCH] for start in bar)
    answers = [answer for part in parts for answer in ensemble.answer(list(part))]
    number = {name: label for label, name in enumerate(ensemble.classes)}
    evaluation = Evaluation(
        table["path"].to_numpy(np.str_),
        table["class"].map(number).to_numpy(np.int64),
        np.array([answer.probabilities for answer in answers]),
        ensemble.classes,
    )
    return Evaluated(evaluation, images, np.array([a.unfamiliar for a in answers]), index)


def trained_on(store: Store, run_ids: Sequence[str]) -> set[str] | None:
    """SHA-256 of the images that some runs trained on, None where that is not recorded."""
    tables = [read_split(store, run_id) for run_id in run_ids]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables):
        return None
    every = pd.concat(known)
    return set(every.loc[every["split"] == "train", "sha256"])
