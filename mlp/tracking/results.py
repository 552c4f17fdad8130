"""Files of a model's answers to labelled images: scores, predictions, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from mlp.model.ensemble import Ensemble
from mlp.model.explanation import contributions, first_layer
from mlp.predictions import Evaluation, classification_report
from mlp.tracking import pictures
from mlp.tracking.confusion_matrix import confusion_matrix

PREDICTIONS = "predictions.parquet"
REPORT = "classification_report.txt"
COLUMNS = {"id", "label", "probabilities"}  # of that file
_EXPLAINED = 8  # images
_UNITS = 32


def draw_answers(
    evaluation: Evaluation, images: NDArray[np.uint8], title: str = "Validation"
) -> dict[str, Image.Image]:
    """Pictures by name; `images` (N, H, W, C) as decoded, in the order of the evaluation."""
    return {
        "confusion_matrix": confusion_matrix(evaluation, title),
        "mistakes": pictures.mistakes(evaluation, images),
    }


def draw(
    ensemble: Ensemble, evaluation: Evaluation, images: NDArray[np.uint8], title: str = "Validation"
) -> dict[str, Image.Image]:
    """The pictures of `draw_answers`, some answers, the reasons for them, and the first layer."""
    shown = pictures.examples(evaluation.labels, _EXPLAINED)
    units = first_layer(ensemble.members[0], _UNITS)
    added = contributions(ensemble, images[shown], evaluation.predicted[shown])
    return {
        **draw_answers(evaluation, images, title),
        "predictions": pictures.predictions(evaluation, images),
        "explanations": pictures.explanations(evaluation, images, shown, added),
        **({} if units is None else {"first_layer": pictures.first_layer(units)}),
    }


def files(
    evaluation: Evaluation, scores: Mapping[str, float], drawn: Mapping[str, Image.Image]
) -> dict[str, bytes]:
    """The pictures, and the numbers behind them, as the content of files by name."""
    answers = pd.DataFrame(
        {
            "id": evaluation.ids,
            "label": np.asarray(evaluation.classes)[evaluation.labels],
            "probabilities": list(evaluation.probabilities),
        }
    )
    return {
        **{f"{name}.png": pictures.png(picture) for name, picture in drawn.items()},
        REPORT: classification_report(evaluation).encode(),
        "scores.json": json.dumps(dict(scores), indent=1).encode(),
        PREDICTIONS: answers.to_parquet(index=False),
    }


def read_predictions(file: BinaryIO, classes: Sequence[str]) -> Evaluation:
    """The predictions that a run left as a file, sorted by id. Raises ValueError, KeyError."""
    table = pd.read_parquet(file).sort_values("id", kind="stable")
    number = {name: label for label, name in enumerate(classes)}
    return Evaluation(
        table["id"].to_numpy(dtype=np.str_),
        table["label"].map(number).to_numpy(np.int64),
        np.stack(list(table["probabilities"])).astype(np.float64),
        tuple(classes),
    )
