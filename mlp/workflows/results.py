"""The answers of the library: studies, searches and audits, with their tables.

A notebook shows a study, a search and an audit as the first screen of their page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
import pandas as pd

from mlp.data.audit.findings import Audit
from mlp.errors import MlpError, SettingsError
from mlp.evidence.document import table
from mlp.report import audit as audit_page
from mlp.report import search as search_page
from mlp.report.report import Report
from mlp.report.wording import Wording
from mlp.search.trials import Search, top
from mlp.serving import announcement
from mlp.serving.choice import Pick, choose
from mlp.settings.commands import RegisterConfig
from mlp.settings.study import ReportConfig
from mlp.tables import Table
from mlp.tracking.mlflow.store import Store
from mlp.workflows.calls import call
from mlp.workflows.registration import recorded_registration


class Study:
    """A recorded study and its evidence, by the metric and margin that were asked for."""

    def __init__(self, store: Store, made: Report, reported: ReportConfig) -> None:
        """Raises MlpError where no run has finished."""
        if made.failure:
            raise MlpError(made.failure)
        self.store, self.evidence, self.lang = store, made.evidence, reported.lang
        self._made = made

    @property
    def run_id(self) -> str:
        """Of its run in MLflow, for `mlp.report`."""
        return self.evidence.study.run_id

    @cached_property
    def table(self) -> pd.DataFrame:
        """Each arm: finished runs, mean score, its difference from the baseline and the verdict."""
        return table(
            (arm.name, len(arm.finished), arm.mean, arm.comparison) for arm in self.evidence.arms
        )

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Each planned run: how it ended, where it is recorded, and its final scores and facts."""
        return pd.DataFrame(
            {
                **{n: getattr(run, n) for n in ("arm", "seed", "fold", "status", "reason")},
                "run_id": run.run_id,
                **{
                    name.partition("/")[2]: value
                    for name, value in sorted(run.metrics.items())
                    if name.startswith(("final/", "facts/"))
                },
            }
            for arm in self.evidence.arms
            for run in arm.runs
        )

    def predictions(self, arm: str, seed: int = 0, fold: str = "none") -> pd.DataFrame:
        """The answers of a run to its validation images, with the probability of each class.

        Raises SettingsError where there is no such run, or it has not finished.
        """
        arms = Table("arm", {each.name: each for each in self.evidence.arms})
        runs = {run.pair: run for run in arms[arm].runs}
        run = runs.get((seed, fold))
        if run is None:
            known = "; ".join(f"seed={seed}, fold={fold!r}" for seed, fold in runs)
            raise SettingsError(
                f"arm {arm!r} has no run of seed={seed}, fold={fold!r}; it has {known}"
            )
        if run.evaluation is None:
            raise SettingsError(f"run {run.run_id} has no predictions: {run.status} {run.reason}")
        answers, names = run.evaluation, np.asarray(run.evaluation.classes)
        table = {
            "label": names[answers.labels],
            "predicted": names[answers.predicted],
            "probability": answers.probabilities.max(axis=1),
            **{f"p({name})": answers.probabilities[:, k] for k, name in enumerate(names)},
        }
        return pd.DataFrame(table, index=pd.Index(answers.ids, name="image"))

    @property
    def best(self) -> Best:
        """The arm that was shown to be better than the baseline, else the baseline."""
        choice = choose(self.evidence, "median")
        return Best(self, choice.arm.name, choice.runs[0].run_id)

    def __repr__(self) -> str:
        return self._made.terminal

    def _repr_html_(self) -> str:
        return self._made.inline


@dataclass(frozen=True)
class Best:
    """The arm that is worth registering, and its run with the median score."""

    study: Study
    arm: str
    run_id: str

    def register(self, name: str = "", pick: Pick = "median", force: bool = False) -> Registered:
        """Make its model the challenger, and the champion if it beats the present one.

        The settings are those of `mlp register`. Raises MlpError.
        """
        given = RegisterConfig.parse({"name": name, "pick": pick, "force": force})
        with call():
            study, store = self.study, self.study.store
            made, _ = recorded_registration(
                study.evidence, store, given.name, given.pick, given.force, study.lang
            )
            text = announcement.terminal(made, study.lang, store)
        return Registered(made.version.name, int(made.version.version), made.is_champion, text)

    def __repr__(self) -> str:
        return f"{self.arm}, run {self.run_id}"


@dataclass(frozen=True)
class Registered:
    """A version of a registered model; `text` says how it was compared and tested."""

    name: str
    version: int
    is_champion: bool
    text: str

    @property
    def model(self) -> str:
        """Its address, for `mlp.load`."""
        return f"models:/{self.name}/{self.version}"

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Searched:
    """A search and its trials; `study` trains the best again beside the base, under fresh seeds."""

    search: Search
    found: optuna.Study
    run_id: str
    say: Wording
    study: Study | None

    @property
    def table(self) -> pd.DataFrame:
        """Each trial: its state, its score (`value`) and its settings."""
        made: pd.DataFrame = self.found.trials_dataframe(
            attrs=("number", "state", "value", "duration", "params")
        )
        return made.set_index("number")

    @property
    def best(self) -> Mapping[str, Any]:
        """The settings of the trial with the best score, which `study` judges."""
        return top(self.found, 1)[0].params

    def __repr__(self) -> str:
        return search_page.terminal(self.search, self.found, self.say)

    def _repr_html_(self) -> str:
        page = search_page.inline(self.search, self.found, self.say)
        return page + (self.study._repr_html_() if self.study else "")


@dataclass(frozen=True, repr=False)
class Audited:
    """An audit of images."""

    audit: Audit
    run_id: str
    say: Wording

    @property
    def table(self) -> pd.DataFrame:
        """Each image of each finding: the kind, the number of the finding, what it is."""
        columns, *rows = audit_page.table(self.audit)
        return pd.DataFrame(rows, columns=list(columns))

    @property
    def counts(self) -> pd.DataFrame:
        """The number of images by class and split."""
        return self.audit.counts

    def __repr__(self) -> str:
        return audit_page.terminal(self.audit, self.say)

    def _repr_html_(self) -> str:
        return audit_page.html(self.audit, self.say, whole=False)
