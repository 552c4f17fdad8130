"""The wording of runs that anybody may have logged: any metric in any unit, pairs of any kind."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mlp.escaping import line
from mlp.metrics import COMPARED, Metric
from mlp.predictions import Floats
from mlp.report.wording import Wording

_MOST_DIGITS = 6


@dataclass(frozen=True)
class Subject:
    """The names of what is judged: a table, or an `experiment`; of arms, pairs and the metric.

    `own`: runs of this project's studies.
    """

    source: str
    experiment: str
    arm: str
    pair: str
    metric: str
    own: bool = False


@dataclass(frozen=True)
class LoggedWording(Wording):
    """The wording of a metric that anybody may have logged, and of pairs of any kind."""

    row: Metric | None = None
    own: bool = False
    paired: bool = True
    decimals: int = 1

    @property
    def measure(self) -> Metric:
        return self.row or super().measure

    @property
    def unit(self) -> str:
        return super().unit if self.own else self("judge.pairs" if self.paired else "judge.runs")

    @property
    def metric_name(self) -> str:
        return super().metric_name if self.own else line(self.metric)

    @property
    def validation(self) -> str:
        scored = self.own and self.metric in COMPARED
        return super().validation if scored else self.metric_name

    @property
    def _digits(self) -> int:
        return self.decimals


def decimals(scores: Floats) -> int:
    """As many as show two digits of what scores vary by."""
    spread = float(scores.std())
    digits = 1 - math.floor(math.log10(spread)) if spread else 3
    return max(1, min(digits, _MOST_DIGITS))
