"""Numbers with the time at which they were logged."""

from __future__ import annotations

import time
from collections.abc import Mapping

from mlflow.entities import Metric


def now() -> int:
    """Milliseconds of the epoch, in which MLflow counts time."""
    return int(time.time() * 1000)


def timed(values: Mapping[str, float], step: int) -> list[Metric]:
    """Numbers by name, logged now at a step."""
    moment = now()
    return [Metric(name, value, moment, step) for name, value in values.items()]
