"""The distribution of a recorded run's weights before training, from its TensorBoard events."""

from __future__ import annotations

import tempfile

import numpy as np
from mlflow.exceptions import MlflowException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp.metrics import Floats
from mlp.study.record import RecordedRun
from mlp.tracking.mlflow.store import Store

Histogram = tuple[Floats, Floats]  # edges (B + 1,), counts (B,)


def read_weights(store: Store, run: RecordedRun) -> dict[str, Histogram]:
    """The distribution of each layer's weights before training, from the run's TensorBoard events.

    Empty where the events are gone.
    """
    with tempfile.TemporaryDirectory(prefix="mlp-events-") as folder:
        try:
            events = store.client.download_artifacts(run.run_id, "tensorboard", folder)
        except (MlflowException, OSError):
            return {}
        accumulator = EventAccumulator(events, size_guidance={"histograms": 0})
        accumulator.Reload()
        found = {}
        for tag in accumulator.Tags()["histograms"]:
            first = accumulator.Histograms(tag)[0]
            layer = tag.removeprefix("weights/").removesuffix(".weight")
            if tag == f"weights/{layer}.weight" and first.step == 0:
                value = first.histogram_value
                edges = np.array([value.min, *value.bucket_limit])
                found[layer] = edges, np.array(value.bucket)
    return found
