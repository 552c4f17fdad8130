"""The answers of recorded runs to their validation images, whoever recorded them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from mlp import console
from mlp.evidence.scores import Note
from mlp.metrics import Metric
from mlp.predictions import Evaluation
from mlp.study.record import RecordedRun
from mlp.tracking import results
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.experiments import Runs
from mlp.tracking.mlflow.store import Store

_FILES = (results.PREDICTIONS, "predictions.csv")
_READERS = 4  # as for studies
_NAMED = {"id", "label", "prediction"}


def with_answers(store: Store, runs: Runs, measure: Metric, file: str) -> list[RecordedRun | None]:
    """Each run with its answers; without any where a run lacks them, or they are of other images.

    What keeps answers from being used is noted.
    """
    rows = runs.rows
    nobody: list[RecordedRun | None] = [None] * len(rows)
    if file == "none" or measure.weighted is None or not rows["pair"].notna().all():
        return nobody
    first = rows["run_id"].iloc[0]
    if file == "auto":
        there = {found.path for found in store.client.list_artifacts(first)}
        file = next((name for name in _FILES if name in there), "")
    if not file:
        return nobody

    @cache
    def classes(parent: str) -> tuple[str, ...]:
        return tuple(json.load(store.read(parent, names.PLAN))["classes"])

    def read(row: tuple[str, str]) -> Evaluation | str:
        run_id, parent = row
        try:
            content = store.read(run_id, file)
            return (
                results.read_predictions(content, classes(parent or run_id))
                if runs.own
                else _any(content, file)
            )
        except (MlflowException, OSError, ValueError, KeyError) as error:
            return f"run {run_id}: {error}"

    with ThreadPoolExecutor(_READERS) as readers:
        made = readers.map(read, zip(rows["run_id"], rows["parent"], strict=True))
        answers = list(console.passing(made, "reading answers", total=len(rows)))
    why = _unusable(answers, runs, measure)
    if why:
        runs.notes.append(Note("answers_left_aside", {"file": file, "why": why}))
        return nobody
    sizes = zip(rows["run_id"], rows["train_images"], rows["val_images"], strict=True)
    return [
        RecordedRun("", 0, "", run_id, evaluation=answer, train_images=train, val_images=val)
        if isinstance(answer, Evaluation)
        else None
        for answer, (run_id, train, val) in zip(answers, sizes, strict=True)
    ]


def _any(content: BytesIO, file: str) -> Evaluation:
    """Answers that somebody recorded. Raises ValueError, KeyError."""
    if file.endswith(".csv"):
        table = pd.read_csv(content, dtype=str, keep_default_na=False)
    else:
        table = pd.read_parquet(content)
    if set(table) >= results.COLUMNS:
        found = sorted({str(label) for label in table["label"]})
        if any(len(shares) != len(found) for shares in table["probabilities"]):
            raise ValueError(f"{file} has other numbers of probabilities than of classes")
        content.seek(0)
        return results.read_predictions(content, found)
    if not set(table) >= _NAMED:
        raise ValueError(
            f"{file} has the columns {', '.join(map(str, table))}, not id, label, prediction"
        )
    table = table.astype(str).sort_values("id", kind="stable")
    classes = sorted(set(table["label"]) | set(table["prediction"]))
    number = {name: k for k, name in enumerate(classes)}
    return Evaluation(
        table["id"].to_numpy(dtype=np.str_),
        table["label"].map(number).to_numpy(np.int64),
        np.eye(len(classes))[table["prediction"].map(number)],
        tuple(classes),
    )


def _unusable(answers: Sequence[Evaluation | str], runs: Runs, measure: Metric) -> str:
    """The reason why answers tell nothing; empty where they do."""
    images: dict[str, NDArray[np.str_]] = {}
    for answer, score, dataset in zip(
        answers, runs.rows["score"], runs.rows["dataset"], strict=True
    ):
        if not np.isfinite(score):
            continue  # its run does not count
        if isinstance(answer, str):
            return answer
        same = images.setdefault(dataset, answer.ids)
        if not (runs.own or np.array_equal(same, answer.ids)):
            return "runs were asked about different images"
        # Half an image more or less
        if abs(measure.score(answer) - score) > 0.5 / len(answer.labels):
            return f"they give {measure.score(answer):.4g} where {score:.4g} was recorded"
    return ""
