"""What a suite is: a named list of arms, each a name and the settings it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    about: str


@dataclass(frozen=True)
class Suite:
    """Arms to be compared; the first one is what the others are compared with.

    `base` has settings of the base configuration that the question needs.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    base: Mapping[str, Any] = field(default_factory=dict)


def arm_config(arm: Arm, base: RunConfig) -> RunConfig:
    """The configuration of an arm. Raises SettingsError, naming the arm, if it is not valid."""
    forbidden = sorted(set(arm.changes) & set(shared(RunConfig)))
    if forbidden:
        raise SettingsError(
            f"arm {arm.name!r} changes {', '.join(forbidden)}, which all arms of a study share"
        )
    try:
        return RunConfig.parse({**base.model_dump(exclude_unset=True), **arm.changes})
    except ConfigError as error:
        raise SettingsError(f"arm {arm.name!r}: {error}") from None
