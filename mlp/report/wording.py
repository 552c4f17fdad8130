"""The language, the metric and the form of numbers in which something is reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlp.data.audit.remarks import Remark
from mlp.escaping import line
from mlp.evidence.comparison import Comparison, verdict
from mlp.languages import LANGUAGES
from mlp.metrics import METRICS, Metric

NONE = "–"  # in the place of a number that there is not
_MOST_DIGITS = 9


@dataclass(frozen=True)
class Wording:
    """The language of a report, the metric it is about, and whether pairs are folds."""

    lang: str
    metric: str = ""
    folds: bool = False

    def __call__(self, key: str, **values: object) -> str:
        """A phrase with its values."""
        shown = {n: line(v) if isinstance(v, str) else v for n, v in values.items()}
        return LANGUAGES[self.lang].phrases[key].format(**shown)

    def named(self, key: str, english: object, **values: object) -> str:
        """The same of what has its English elsewhere, and in other languages where we named it."""
        has = key in LANGUAGES[self.lang].phrases
        return self(key, **values) if has else self.said(english)

    def said(self, english: object) -> str:
        """A message in one line."""
        return line(LANGUAGES[self.lang].said(str(english)))

    def remark(self, remark: Remark) -> str:
        """A remark on the data."""
        return self.said(self.named(f"remark.{remark.kind}", remark, **remark.values))

    @property
    def measure(self) -> Metric:
        """The metric: its unit and direction."""
        return METRICS[self.metric]

    @property
    def unit(self) -> str:
        """The plural of pairs: seeds or folds."""
        return self("pairs" if self.folds else "seeds")

    @property
    def one(self) -> str:
        """The singular of pairs."""
        return self("one.pairs" if self.folds else "one.seeds")

    @property
    def metric_name(self) -> str:
        """The metric in words."""
        return self.named(f"metric.{self.metric}", self.measure.words)

    @property
    def validation(self) -> str:
        """The metric on the validation images, in words."""
        return self("val", metric=self.metric_name)

    @property
    def scale(self) -> float:
        """The factor by which scores are shown."""
        return 100.0 if self.measure.unit == "percent" else 1.0

    @property
    def _digits(self) -> int:
        return 1 if self.scale != 1 else 3

    @property
    def percent(self) -> str:
        """The mark after a score in percent."""
        return "%" if self.scale != 1 else ""

    @property
    def points(self) -> str:
        """The unit of a difference; empty where there is none."""
        return self(f"unit.{self.measure.unit}")

    def score(self, value: float) -> str:
        """A score: `64.1%`, or a number in the metric's unit."""
        return NONE if math.isnan(value) else f"{self.scale * value:.{self._digits}f}{self.percent}"

    def spread(self, mean: float, deviation: float) -> str:
        """A mean and a standard deviation: `64.1 ± 1.1%`."""
        if math.isnan(mean) or math.isnan(deviation):
            return self.score(mean)
        return f"{self.score(mean).removesuffix('%')} ± {self.score(deviation)}"

    def number(self, value: float, digits: int | None = None) -> str:
        """A signed difference without its unit."""
        if math.isnan(value):
            return NONE
        text = f"{self.scale * value:+.{digits or self._digits}f}"
        # A typographic minus; and no sign on a zero
        return (text[1:] if not text.strip("+-0.") else text).replace("-", "−")

    def difference(self, value: float) -> str:
        """A signed difference with its unit."""
        return f"{self.number(value)} {self.points}".rstrip()

    def interval(self, comparison: Comparison) -> str:
        """Both ends of the 95% interval, with as many digits as its verdict takes."""
        low, high, margin = (
            self.scale * value for value in (comparison.low, comparison.high, comparison.margin)
        )
        if math.isnan(low):
            return NONE
        digits = self._digits
        while digits < _MOST_DIGITS and verdict(low, high, margin) != verdict(
            round(low, digits), round(high, digits), margin
        ):
            digits += 1
        low_end, high_end = (self.number(v, digits) for v in (comparison.low, comparison.high))
        return f"{low_end} {self('to')} {high_end}"

    def margin(self, value: float) -> str:
        """A difference that would matter: `1 point`, or `0.5 points`."""
        number = f"{self.scale * value:g}"
        one = self.scale != 1 and number == "1"
        return f"{number} {self('one.points') if one else self.points}".rstrip()

    def verdict(self, comparison: Comparison) -> str:
        """The verdict of a comparison, which may name the margin."""
        return self(f"verdicts.{comparison.verdict}", margin=self.margin(comparison.margin))

    def chance(self, comparison: Comparison) -> str:
        """The probability of doing better, with its interval: `83% (55 to 95)`."""
        if math.isnan(comparison.p_better):
            return NONE
        low, high = 100 * comparison.p_better_low, 100 * comparison.p_better_high
        return f"{100 * comparison.p_better:.0f}% ({low:.0f} {self('to')} {high:.0f})"

    def list_of(self, parts: Sequence[str]) -> str:
        """`a, b and c`."""
        if len(parts) < 2:
            return "".join(parts)
        return ", ".join(parts[:-1]) + self("and") + parts[-1]
