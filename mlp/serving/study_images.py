"""The images of a study, and those among them that its runs trained on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pandas as pd

from mlp.data.dataset import index_of, load, reread
from mlp.data.index import Index
from mlp.errors import DataError
from mlp.serving.choice import Choice
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.studies import read_split


class StudyImages:
    """The images of a study, read when they are first asked for."""

    def __init__(self, choice: Choice) -> None:
        self._run = choice.runs[0]

    @cached_property
    def index(self) -> Index:
        """Raises DataError where they are not there, or no longer what they were."""
        config, then = self._run.config, self._run.data_digest
        index, _ = reread(lambda: load(index_of(config), config))
        if index.digest != then:
            raise DataError(
                f"{config.data} has changed since the study: its digest was {then} and is "
                f"{index.digest}"
            )
        return index


def trained_on(store: Store, run_ids: Sequence[str]) -> set[str] | None:
    """SHA-256 of the images that some runs trained on, None where that is not recorded."""
    tables = [read_split(store, run_id) for run_id in run_ids]
    known = [table for table in tables if table is not None]
    if len(known) < len(tables):
        return None
    every = pd.concat(known)
    return set(every.loc[every["split"] == "train", "sha256"])
