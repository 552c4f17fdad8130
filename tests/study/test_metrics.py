"""A metric is one row of a table: a new one is found wherever metrics are known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from click.testing import CliRunner

from mlp.commands.command import command
from mlp.metrics import COMPARED, METRICS, Metric, final_scores
from mlp.predictions import Evaluation, Floats
from mlp.report.wording import Wording
from mlp.settings.base import ConfigError, field_choices
from mlp.settings.study import ReportConfig
from mlp.settings.training import RunConfig
from scripts.mlproject import mlproject
from tests.study.conftest import MakeRecorded
from tests.study.test_report import make


def _brier(result: Evaluation, weights: np.ndarray) -> Floats:
    """Brier's score of each resample: the squared distance from the right answer."""
    right = np.eye(len(result.classes))[result.labels]
    squares = ((result.probabilities - right) ** 2).sum(axis=1)
    return np.asarray(weights @ squares / weights.sum(axis=1, dtype=np.float64))


@pytest.fixture
def brier() -> Iterator[str]:
    row = Metric("Brier score", _brier, higher_is_better=False, unit="none")
    # COMPARED is made of the rows that METRICS has when it is imported
    METRICS["brier"] = COMPARED["brier"] = row
    yield "brier"
    del METRICS["brier"], COMPARED["brier"]


def test_a_metric_is_added_by_one_row(brier: str, make_recorded: MakeRecorded) -> None:
    study = make_recorded({"baseline": [0.6, 0.61, 0.6], "arm": [0.8, 0.81, 0.8]})
    scores = final_scores(next(r.evaluation for r in study.runs if r.evaluation is not None))
    assert scores[brier] == pytest.approx(0.4 * 1.46 + 0.6 * 0.06, abs=1e-6)
    made = make(study, metric=brier)
    # Arms are compared by it, less is better, and it has no unit
    assert "arm helps: −0.2" in made.description and " of Brier score (95%" in made.description
    assert "nats of" not in made.description and "points of" not in made.description
    assert "val Brier score" in made.terminal

    @command(ReportConfig)
    def shown(config: ReportConfig) -> None:
        """Nothing."""

    assert "|brier]" in "".join(CliRunner().invoke(shown, ["--help"]).output.split())
    assert "brier" in mlproject()


def test_an_unknown_metric_is_refused_with_those_that_there_are() -> None:
    known = "accuracy, macro_f1, balanced_accuracy, log_loss, roc_auc"
    assert list(COMPARED) == known.split(", ")
    with pytest.raises(ConfigError, match=f"should be one of {known}; 'brier' was given"):
        ReportConfig.parse({"metric": "brier"})
    with pytest.raises(ConfigError, match="should be one of en, es; 'fr' was given"):
        ReportConfig.parse({"lang": "fr"})
    monitored = ("val/loss", "val/accuracy", "val/macro_f1", "val/balanced_accuracy")
    assert field_choices(RunConfig, "monitor") == monitored


@pytest.mark.parametrize("name", COMPARED)
def test_nats_are_said_of_nats_alone(name: str) -> None:
    say = Wording("en", name)
    assert ("nats" in say.difference(0.1)) == (name == "log_loss")
