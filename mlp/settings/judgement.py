"""Settings of a judgement: which runs, what tells them apart, and what is said of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mlp.settings.base import Place, Settings
from mlp.settings.study import LanguageConfig


class JudgeConfig(LanguageConfig):
    """Runs to judge, and how."""

    experiment: str = ""
    """MLflow experiment whose runs are judged: its name or number, or several with commas"""
    filter: str = ""
    """only runs that match, as MLflow's search has it, such as "params.model = 'cnn'" """
    table: Place = ""
    """CSV file to judge in place of an experiment, with a row for each run; arm, pair, dataset and
    metric name its columns then, if they are not called arm, pair, dataset and score"""
    arm: str = ""
    """what is compared: params.NAME, tags.NAME, several of these with commas, name:PATTERN (a
    regular expression with a group, for the names of runs), or name; empty: the arms of this
    project's studies"""
    pair: str = ""
    """what the runs to be compared share, such as params.seed or params.seed,params.fold; none:
    nothing, each arm has runs of its own; empty: seed and fold of this project's studies, else
    none"""
    dataset: str = ""
    """what tells data sets apart, such as params.data, or data for the data set that a run has
    logged; the verdict is over all of them; empty: one data set"""
    metric: str = ""
    """score by which arms are compared; empty: accuracy of this project's studies"""
    better: Literal["auto", "higher", "lower"] = "auto"
    """direction of the metric; auto: lower for names of losses and errors, else higher"""
    baseline: str = ""
    """arm that the others are compared with; empty: the most frequent"""
    margin: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        "auto", json_schema_extra={"expected": "auto, or a number that is not negative"}
    )
    """difference that would matter: in points (hundredths) where all scores lie within 0..1 and
    higher is better, else in the unit of the metric; 0: no arm is ever called equal; auto: 1 point,
    else 0"""
    overlap: float = Field(0.0, ge=0, le=10)
    """validation images for each training image where each pair has validation images of its own,
    such as 0.25 with five folds; 0: all pairs share theirs; runs of this project's studies say it
    themselves"""
    predictions: str = "auto"
    """file of each run with its answers to validation images (Parquet as this project writes it, or
    CSV of id, label, prediction), which the interval then allows for; auto: predictions.parquet or
    predictions.csv, if the runs have it; none: scores alone"""


class JudgementConfig(Settings):
    """Places for a judgement, and what it leads to."""

    record: str = ""
    """experiment in which the judgement becomes a run; empty: that of the judged runs; a table is
    recorded only if one is named"""
    out: Place = ""
    """folder to write judge.html, judge.md, comparison.csv and comparison.json to; empty: none"""
    fail_on: Literal["nothing", "worse"] = "nothing"
    """end with exit code 3; worse: if an arm is worse than the baseline, and not just by less than
    the margin"""
