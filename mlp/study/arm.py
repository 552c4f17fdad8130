"""Arms: the configurations that a study compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp.errors import SettingsError
from mlp.settings.base import ConfigError
from mlp.settings.roles import shared
from mlp.settings.training import RunConfig


@dataclass(frozen=True)
class Arm:
    """A name, the settings it changes in the base configuration, and what it is there to show."""

    name: str
    changes: Mapping[str, Any]
    about: str = ""


def arm_config(arm: Arm, base: RunConfig) -> RunConfig:
    """The configuration of an arm. Raises SettingsError, naming the arm, if it is not valid."""
    forbidden = sorted(set(arm.changes) & set(shared(RunConfig)))
    if forbidden:
        raise SettingsError(
            f"arm {arm.name!r} changes {', '.join(forbidden)}, which all arms of a study share"
        )
    # Not what `resolve` found for the base, nor the settings of its network for another one
    known = RunConfig.model_fields
    begun = {n: v for n, v in base.model_dump(exclude_unset=True).items() if n in known}
    if "network" in arm.changes:
        begun.pop("network_settings", None)
    try:
        return RunConfig.parse({**begun, **arm.changes})
    except ConfigError as error:
        raise SettingsError(f"arm {arm.name!r}: {error}") from None
