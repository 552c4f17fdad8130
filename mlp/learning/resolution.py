"""The settings of a training, with everything decided that was left to the data or the machine."""

from __future__ import annotations

import torch

from mlp.data.index import Index
from mlp.errors import SettingsError
from mlp.learning.cost import network_parameters, step_threads
from mlp.settings.training import Resolved, RunConfig

_DEFAULT_SIDE = 64


def resolve(config: RunConfig, index: Index, here: bool = True) -> Resolved:
    """The configuration with everything decided that was left to the data or this machine.

    Raises SettingsError where cuda is asked for and there is none, if training is to be `here`.
    """
    rows, made = index.usable, config.model_dump()
    if config.image_size == "auto":
        made["image_size"] = min(_DEFAULT_SIDE, int(rows[["width", "height"]].max(axis=None)))
    if config.channels == "auto":
        made["channels"] = "gray" if bool(rows["gray"].all()) else "rgb"
    if config.device == "auto":
        made["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    elif config.device == "cuda" and here and not torch.cuda.is_available():
        raise SettingsError("device cuda: torch finds no CUDA device here; use cpu or auto")
    resolved = Resolved.parse(made | {"threads": config.threads or 1})
    if config.threads:
        return resolved
    threads = step_threads(network_parameters(resolved, len(index.classes)))
    return resolved.changed({"threads": threads})
