"""The settings of a training, with everything decided that was left to the data or the machine."""

from __future__ import annotations

import torch

from mlp.data.index import Index
from mlp.errors import SettingsError
from mlp.learning.cost import network_parameters, step_threads
from mlp.learning.networks.examination import source_of
from mlp.settings.own_network import FORM, file_and_class
from mlp.settings.training import OWN_INIT, Resolved, RunConfig

_DEFAULT_SIDE = 64


def resolve(config: RunConfig, index: Index, here: bool = True) -> Resolved:
    """The configuration with everything decided that was left to the data or this machine.

    Raises SettingsError where cuda is asked for and there is none, if training is to be `here`, or
    where a network of a user's own cannot be trained.
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
    if file_and_class(config.network):
        made["network_source"] = source_of(config.network)
    elif config.network_settings or config.init == OWN_INIT:
        given = "network_settings" if config.network_settings else f"init {OWN_INIT}"
        raise SettingsError(
            f"{given} is for a network of your own, {FORM}: not for {config.network}"
        )
    resolved = Resolved.parse(made | {"threads": config.threads or 1})
    parameters = network_parameters(resolved, len(index.classes))
    return resolved if config.threads else resolved.changed({"threads": step_threads(parameters)})
