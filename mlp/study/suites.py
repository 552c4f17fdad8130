"""Suites: named lists of arms. An arm is a name and the settings it changes. All data, no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp.config import STUDY_WIDE, RunConfig
from mlp.settings import ConfigError, SettingsError

BASELINE = "baseline"


@dataclass(frozen=True)
class Arm:
    """A name, the settings it changes in the base configuration, and what it is there to show."""

    name: str
    changes: Mapping[str, Any]
    about: str


@dataclass(frozen=True)
class Suite:
    """Arms to be compared; the first one is what the others are compared with."""

    name: str
    question: str
    arms: tuple[Arm, ...]


_AUGMENTATION = {"hflip": 0.5, "brightness_contrast": 0.5, "shift_scale_rotate": 0.5}
_EARLY_STOPPING = {"early_stopping_patience": 5}

SUITES = {
    suite.name: suite
    for suite in (
        Suite("training", "How good is it?", (Arm("model", {}, "the configuration as given"),)),
        Suite(
            "regularization",
            "Which regularizers help?",
            (
                Arm(BASELINE, {}, "the base configuration as given"),
                Arm("dropout", {"dropout": 0.5}, "half of the hidden activations zeroed"),
                Arm("batch-norm", {"batch_norm": True}, "hidden layers normalized by batch"),
                Arm(
                    "batch-norm-dropout",
                    {"batch_norm": True, "dropout": 0.5},
                    "both: do they add up?",
                ),
                Arm("weight-decay", {"weight_decay": 1e-4}, "L2 penalty on the weights"),
                Arm("augmentation", _AUGMENTATION, "flips, brightness, affine changes"),
                Arm(
                    "early-stopping",
                    _EARLY_STOPPING,
                    "stops and keeps the best epoch, chosen on the validation images",
                ),
                Arm(
                    "all",
                    {
                        "dropout": 0.5,
                        "batch_norm": True,
                        "weight_decay": 1e-4,
                        **_AUGMENTATION,
                        **_EARLY_STOPPING,
                    },
                    "everything together",
                ),
            ),
        ),
        Suite(
            "initialization",
            "How much does the initialization of the weights matter?",
            (
                Arm("he", {"init": "he"}, "variance 2 / fan_in, made for ReLU"),
                Arm("xavier", {"init": "xavier"}, "variance 2 / (fan_in + fan_out)"),
                Arm("default", {"init": "default"}, "what torch.nn.Linear does by itself"),
                Arm("normal", {"init": "normal"}, "standard deviation 0.01 whatever the layer"),
                Arm("uniform", {"init": "uniform"}, "between 0 and 1: far too large"),
                Arm("constant", {"init": "constant"}, "all equal: cannot break symmetry"),
            ),
        ),
    )
}


def arm_config(arm: Arm, base: RunConfig) -> RunConfig:
    """The configuration of an arm. Raises SettingsError, naming the arm, if it is not valid."""
    forbidden = sorted(set(arm.changes) & set(STUDY_WIDE))
    if forbidden:
        raise SettingsError(
            f"arm {arm.name!r} changes {', '.join(forbidden)}, which all arms of a study share"
        )
    try:
        return base.changed(arm.changes)
    except ConfigError as error:
        raise SettingsError(f"arm {arm.name!r}: {error}") from None
