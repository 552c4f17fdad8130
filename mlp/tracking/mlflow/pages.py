"""Pages of the MLflow UI, and commands that a person types to see what is recorded."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

_TRAINING = "workflowType=machine_learning"  # or the UI shows what concerns language models
_SHARED = "mlflow.sharedViewState."  # experiment tags in which the UI keeps what "Share" shares

# The columns that are there anyway, in pixels: a checkbox, the name, when, how long
_FIXED_WIDTHS = {"1": 70, "attributes.`Run Name`": 260, "runDateAndNestInfo": 150, "duration": 90}


def run_page(experiment_id: str, run_id: str) -> str:
    """The address of a run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{_TRAINING}"


def view_page(experiment_id: str, view: str, charts: bool) -> str:
    """The address of a `shared_view`, as charts or as a table."""
    query = {"viewStateShareKey": view, "compareRunsMode": "CHART" if charts else "TABLE"}
    return f"#/experiments/{experiment_id}/runs?{_TRAINING}&{urlencode(query)}"


def shared_view(
    view: str, filter_string: str, metrics: Iterable[str], settings: Iterable[str]
) -> tuple[str, str]:
    """The experiment tag that makes a view: runs grouped by arm, with means of their metrics.

    The first metric orders them, highest first. `settings` are the parameters that have columns.
    """
    kinds = [("metrics", name) for name in metrics] + [("params", name) for name in settings]
    columns = {f"{kind}.`{name}`": 50 + 8 * len(name) for kind, name in kinds}
    widths = _FIXED_WIDTHS | columns
    state = {
        "searchFilter": filter_string,
        "orderByKey": next(iter(columns)),
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": "arm"}],
        },
        "selectedColumns": list(columns),
        "columnOrder": list(widths),
        "columnWidths": widths,
    }
    return _SHARED + view, json.dumps(state)


def command_line(*words: str) -> str:
    """The words as one line of this system's shell, with quotes where they have blanks."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def tensorboard(folder: Path) -> str:
    """A command that shows the events below a folder, wherever it is typed.

    `mlflow run` works in a folder of its own, which need not be that of the person who reads this.
    """
    return command_line("tensorboard", "--logdir", str(folder.resolve()))
