"""How a report speaks: its language, its metric, and how its numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlp.data.audit.remarks import Remark
from mlp.escaping import line
from mlp.evidence.comparison import Comparison
from mlp.metrics import METRICS
from mlp.report.phrases import LANGUAGES, PHRASES

NONE = "–"  # in the place of a number that there is not


@dataclass(frozen=True)
class Wording:
    """The language of a report, the metric it is about, and whether pairs are folds."""

    lang: Literal["en", "es"]
    metric: str
    folds: bool = False

    def __call__(self, key: str, **values: object) -> str:
        """A phrase with its values."""
        shown = {n: line(v) if isinstance(v, str) else v for n, v in values.items()}
        return PHRASES[key][LANGUAGES.index(self.lang)].format(**shown)

    def has(self, key: str) -> bool:
        """Whether there is a text of this key in the language."""
        return key in PHRASES and bool(PHRASES[key][LANGUAGES.index(self.lang)])

    def remark(self, remark: Remark) -> str:
        """A remark on the data, in the language of the report."""
        key = f"remark.{remark.kind}"
        return self(key, **remark.values) if self.has(key) else line(remark)

    @property
    def unit(self) -> str:
        """What pairs are called."""
        return self("pairs" if self.folds else "seeds")

    @property
    def metric_name(self) -> str:
        """The metric in words."""
        return self(f"metric.{self.metric}")

    def score(self, value: float) -> str:
        """A score: `64.1%`, or a number in the metric's unit."""
        if math.isnan(value):
            return NONE
        return f"{100 * value:.1f}%" if METRICS[self.metric].percent else f"{value:.3f}"

    def number(self, value: float) -> str:
        """A signed difference without its unit."""
        if math.isnan(value):
            return NONE
        text = f"{100 * value:+.1f}" if METRICS[self.metric].percent else f"{value:+.3f}"
        # A typographic minus; and no sign on a zero
        return (text[1:] if not text.strip("+-0.") else text).replace("-", "−")

    def difference(self, value: float) -> str:
        """A signed difference with its unit."""
        unit = self("points") if METRICS[self.metric].percent else self("nats")
        return f"{self.number(value)} {unit}"

    def interval(self, comparison: Comparison) -> str:
        """Both ends of the 95% interval."""
        if math.isnan(comparison.low):
            return NONE
        to = "to" if self.lang == "en" else "a"
        return f"{self.number(comparison.low)} {to} {self.number(comparison.high)}"

    def list_of(self, parts: list[str]) -> str:
        """`a, b and c`."""
        if len(parts) < 2:
            return "".join(parts)
        return ", ".join(parts[:-1]) + self("and") + parts[-1]
