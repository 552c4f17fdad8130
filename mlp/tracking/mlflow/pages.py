"""Pages of the MLflow UI, and commands that a person types to see what is recorded."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mlp.tracking.mlflow import names

_TRAINING = "workflowType=machine_learning"  # or the UI shows what concerns language models
SEEDS = "-seeds"  # after the name of a view
_CURVES = ("val/accuracy", "val/loss", "train/accuracy", "train/loss")
_SHARED = "mlflow.sharedViewState."  # experiment tags in which the UI keeps what "Share" shares

# The columns that are there anyway, in pixels: a checkbox, the name, when, how long
_FIXED_WIDTHS = {"1": 70, "attributes.`Run Name`": 260, "runDateAndNestInfo": 150, "duration": 90}


def run_page(experiment_id: str, run_id: str) -> str:
    """The address of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def view_page(experiment_id: str, view: str, charts: bool) -> str:
    """The address of one of the `shared_views`, as charts or as a table."""
    query = {"viewStateShareKey": view, "compareRunsMode": "CHART" if charts else "TABLE"}
    return f"#/experiments/{experiment_id}/runs?{_TRAINING}&{urlencode(query)}"


def shared_views(
    view: str, filter_string: str, metrics: Sequence[str], settings: Iterable[str]
) -> dict[str, str]:
    """The experiment tags that make two views of runs, in the order of the arms.

    `view` has them grouped by arm, with means of their metrics, and `view` with SEEDS each as a
    point. `metrics` are final scores; `settings` are the parameters that have columns.
    """
    kinds = [("metrics", name) for name in metrics] + [("params", name) for name in settings]
    columns = {f"{kind}.`{name}`": 50 + 8 * len(name) for kind, name in kinds}
    widths = _FIXED_WIDTHS | columns
    by_arm = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": "arm"}],
    }
    state = {
        "searchFilter": filter_string,
        "orderByKey": f"tags.`{names.PLACE}`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "selectedColumns": list(columns),
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "runListHidden": True,  # beside charts
        "isAccordionReordered": True,  # or the charts that the UI adds come first
    }
    arm = {"key": "arm", "type": "PARAM"}
    points: list[Mapping[str, Any]] = [
        {"type": "SCATTER", "xaxis": arm, "yaxis": {"key": name, "type": "METRIC"}}
        for name in metrics
    ]
    curves = [{"type": "LINE", "metricKey": name, "selectedMetricKeys": [name]} for name in _CURVES]
    means: list[Mapping[str, Any]] = [{"type": "BAR", "metricKey": metrics[0]}, *curves]
    return {
        _SHARED + view: json.dumps(state | {"groupBy": by_arm} | _charts("Arms", means, 2)),
        _SHARED + view + SEEDS: json.dumps(state | _charts("A point for each run", points, 1)),
    }


def _charts(section: str, charts: Sequence[Mapping[str, Any]], columns: int) -> dict[str, Any]:
    """The charts that stand first, before those that the UI adds for each metric."""
    shared = {"metricSectionId": "mlp", "runsCountToCompare": 100, "deleted": False}
    return {
        "compareRunSections": [
            {"uuid": "mlp", "name": section, "display": True, "columns": columns}
        ],
        "compareRunCharts": [
            {"uuid": f"mlp-{number}", **shared, **chart} for number, chart in enumerate(charts)
        ],
    }


def command_line(*words: str) -> str:
    """The words as one line of this system's shell, with quotes where they have blanks."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def tensorboard(folder: Path) -> str:
    """A command that shows the events below a folder, wherever it is typed.

    `mlflow run` works in a folder of its own, which need not be that of the person who reads this.
    """
    return command_line("tensorboard", "--logdir", str(folder.resolve()))
