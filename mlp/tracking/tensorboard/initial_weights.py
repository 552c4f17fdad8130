"""The distribution of a recorded run's weights before training, from its TensorBoard events."""

from __future__ import annotations

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlp.study.record import Histogram, layer_of


def read_weights(folder: str) -> dict[str, Histogram]:
    """The distribution of each layer's weights before training, from events in a folder."""
    accumulator = EventAccumulator(folder, size_guidance={"histograms": 0})
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["histograms"]:
        first = accumulator.Histograms(tag)[0]
        layer = layer_of(tag)
        if layer and first.step == 0:
            value = first.histogram_value
            edges = np.array([value.min, *value.bucket_limit])
            found[layer] = edges, np.array(value.bucket)
    return found
