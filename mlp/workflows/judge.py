"""The verdict for runs that exist, of any model in any MLflow store, or in a table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlp.errors import DataError, SettingsError
from mlp.evidence.comparison import POINT
from mlp.evidence.pairing import Rule
from mlp.evidence.scores import Note, judge_scores
from mlp.metrics import COMPARED, METRICS, Metric, higher_is_better, recognized
from mlp.report.judgement import Judgement
from mlp.report.logged_wording import Subject
from mlp.settings.base import did_you_mean
from mlp.settings.judgement import JudgeConfig
from mlp.tracking.mlflow.answers import with_answers
from mlp.tracking.mlflow.environment import take_adopted_run
from mlp.tracking.mlflow.experiments import open_to_read, read_runs
from mlp.tracking.mlflow.store import Store, open_store
from mlp.workflows.calls import call

_COLUMNS = {"arm": "arm", "pair": "pair", "dataset": "dataset", "metric": "score"}


def judge(
    frame: pd.DataFrame | str | Path | None = None,
    *,
    experiment: str = "",
    arm: str = "",
    pair: str = "",
    metric: str = "",
    dataset: str = "",
    baseline: str = "",
    **settings: Any,
) -> Judgement:
    """Judge runs: a table of them (or a CSV file), or those of an MLflow experiment.

    A table has a row for each run; `arm`, `pair`, `metric` and `dataset` name its columns, if they
    are not called arm, pair, score and dataset. The other `settings` are those of `JudgeConfig`,
    such as `margin=2` and `better="lower"`. Nothing is recorded: `record` does that. Raises
    SettingsError, DataError, NoSuchRuns and what the store raises.
    """
    own = {"arm": arm, "pair": pair, "metric": metric, "dataset": dataset, "baseline": baseline}
    given = {name: value for name, value in own.items() if value}
    if isinstance(frame, str | Path):
        settings["table"], frame = str(frame), None
    with call():
        return judged(JudgeConfig.parse({"experiment": experiment, **given, **settings}), frame)


def judged(config: JudgeConfig, frame: pd.DataFrame | None = None) -> Judgement:
    """The judgement that a configuration describes, of a table in memory where there is one."""
    tables = bool(config.table) + (frame is not None)
    if tables + bool(config.experiment) != 1:
        given = "both were given" if tables else "neither was given"
        raise SettingsError(f"experiment: give an experiment, or a table: {given}")
    if tables:
        if config.filter:
            raise SettingsError("filter: is for runs of an experiment; leave out rows of a table")
        name = Path(config.table).name or "table"
        rows, notes, metric, own = *_read(config, frame), False
        subject = Subject(name, "", config.arm or "arm", config.pair or "pair", metric)
    else:
        store, experiments = open_to_read(config.experiment)
        runs = read_runs(store, experiments, config)
        rows, notes, metric, own = runs.rows, runs.notes, runs.metric, runs.own
        arm, pair = config.arm or "arm", config.pair or "seed"
        subject = Subject(config.experiment, config.experiment, arm, pair, metric, own)
    scores = rows["score"].to_numpy(float)
    measure, margin, said = _measure(config, metric, own, scores)
    rows["run"] = with_answers(store, runs, measure, config.predictions) if not tables else None
    rule = Rule(measure, margin, config.overlap or None)
    found = judge_scores(rows, config.baseline, rule)
    return Judgement(replace(found, notes=[*notes, *said, *found.notes]), subject, config.lang)


def record(judgement: Judgement, experiment: str) -> tuple[Store, str]:
    """Make a judgement a run of an experiment, which is made if need be: the store, and its id.

    An empty name stands for the experiment whose runs were judged. A run that `mlflow run` has made
    for this process is taken. Raises SettingsError where a table names no experiment.
    """
    adopted = take_adopted_run()
    if experiment or adopted:
        store = open_store(experiment, adopted=adopted)
    elif judgement.subject.experiment:
        store, _ = open_to_read(judgement.subject.experiment)
    else:
        raise SettingsError("record: name an experiment for the judgement of a table")
    with store.command_run(judgement.title, "judgement") as run_id:
        metric = judgement.subject.metric
        shown = {
            f"{metric} difference/{c.name}": c.difference
            for c in judgement.found.comparisons
            if c.pairs
        }
        store.report(run_id, judgement.description, judgement.files, shown)
    return store, run_id


def _measure(
    config: JudgeConfig, metric: str, own: bool, scores: np.ndarray
) -> tuple[Metric, float, list[Note]]:
    """The measure, the margin in its unit, and what was taken for granted of both."""
    if own and metric in COMPARED:
        margin = POINT if config.margin == "auto" else config.margin / 100
        return COMPARED[metric], margin, []
    known = recognized(metric)
    higher = higher_is_better(metric) if config.better == "auto" else config.better == "higher"
    notes = [] if higher or config.better != "auto" else [Note("lower", {"metric": metric})]
    finite = scores[np.isfinite(scores)]
    percent = higher and len(finite) > 0 and finite.min() >= 0 and finite.max() <= 1
    made = Metric(
        metric,
        METRICS[known].weighted if known else None,
        higher_is_better=higher,
        unit="percent" if percent else "none",
    )
    if config.margin == "auto":
        margin = POINT if percent else 0.0
        if not percent:
            notes.append(Note("no_margin", {"metric": metric}))
    else:
        margin = config.margin / 100 if percent else config.margin
    return made, margin, notes


def _read(config: JudgeConfig, frame: pd.DataFrame | None) -> tuple[pd.DataFrame, list[Note], str]:
    """The rows of a table as `judge_scores` takes them, what is wrong with it, and the metric."""
    if frame is None:
        try:
            frame = pd.read_csv(config.table, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise DataError(f"table: {config.table} cannot be read: {error}") from None
    columns = {}
    for setting, usual in _COLUMNS.items():
        name = getattr(config, setting)
        needed = name or setting in ("arm", "metric")
        name = name or usual
        if name in frame.columns:
            columns[setting] = name
        elif needed and not (setting == "pair" and name == "none"):
            meant = did_you_mean(name, map(str, frame.columns))
            known = ", ".join(map(str, frame.columns))
            raise SettingsError(
                f"{setting}: the table has no column {name!r}; {meant}(known: {known})"
            )
    if config.pair == "none":
        columns.pop("pair", None)
    arms = frame[columns["arm"]]
    there = arms.notna() & (arms.astype(str) != "")
    notes = [Note("no_arm", {"count": int((~there).sum())})] if not there.all() else []
    frame = frame[there]

    def text(setting: str) -> list[str]:
        return [f"{value}" for value in frame[columns[setting]]] if setting in columns else []

    said = frame[columns["metric"]]
    rows = pd.DataFrame({"arm": text("arm"), "score": pd.to_numeric(said, "coerce").to_list()})
    pairs = [(label,) if label not in ("", "nan", "None") else None for label in text("pair")]
    rows["pair"] = pd.Series(pairs or [None] * len(rows), dtype=object)
    rows["dataset"] = text("dataset") or ""
    return rows, notes, columns["metric"]
