"""Search spaces: which settings a search may change, and to what."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Field

from mlp.errors import SettingsError
from mlp.settings.base import Settings, field_text
from mlp.settings.training import RunConfig
from mlp.settings.yaml_file import SettingsFile, find_file, shipped

_MOST_POINTS = 100_000  # of a grid, of which a search tries as many as it has trials
_FOLDER = Path(__file__).with_name("spaces")


@dataclass(frozen=True)
class Space:
    """Settings and the values that they may take, with settings of the base that go with them."""

    name: str
    about: str
    dimensions: Mapping[str, BaseDistribution]
    base: Mapping[str, Any] = field(default_factory=dict)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks among its values."""
        kind = self.dimensions.get("network")
        return tuple(map(str, getattr(kind, "choices", ())))

    def grid(self) -> dict[str, list[Any]]:
        """Every value of every setting. Raises SettingsError where there are infinitely many."""
        endless = [name for name, kind in self.dimensions.items() if not _count(kind)]
        if endless:
            raise SettingsError(
                f"space {self.name}: a grid needs lists, or ranges with a step; "
                f"{', '.join(endless)} has neither"
            )
        points = math.prod(map(_count, self.dimensions.values()))
        if points > _MOST_POINTS:
            raise SettingsError(
                f"space {self.name}: a grid of {points} points; at most {_MOST_POINTS} are allowed"
            )
        return {name: _values(kind) for name, kind in self.dimensions.items()}


def find_space(name: str) -> Space:
    """A space by its name, or from a YAML file. Raises SettingsError where there is none."""
    return read_space(find_file("space", name, _FOLDER))


def listing() -> str:
    """Every space that comes with the project and what it varies, for a terminal."""
    lines = []
    for path in shipped(_FOLDER).values():
        space = read_space(path)
        lines += [f"{space.name}: {space.about}", f"  {', '.join(space.dimensions)}"]
    return "\n".join(lines)


def read_space(path: Path) -> Space:
    """Read a space: `about`, `base`, and `space`, with a list or a range for each setting.

    A range has `low` and `high`, and perhaps a `step` or `log: true`. Raises SettingsError, naming
    the file and the line.
    """
    return _SpaceFile(path, "space", "space: and settings with their values").space()


class _Steps(Settings):
    """The steps of a range."""

    step: float | None = Field(None, gt=0.0, allow_inf_nan=False)
    log: bool = False


class _SpaceFile(SettingsFile):
    def space(self) -> Space:
        parts = self.mapping(self.root, ("about", "base", "space"), "a search space")
        if "space" not in parts:
            self.wrong(self.root, "a search space needs space: and settings with their values")
        base = self.settings(parts["base"]) if "base" in parts else {}
        nodes = self.mapping(parts["space"], tuple(RunConfig.model_fields), "space")
        if not nodes:
            self.wrong(parts["space"], "space should name settings, each with a list or a range")
        dimensions = {name: self._dimension(name, node) for name, node in nodes.items()}
        about = self.text(parts["about"], "about") if "about" in parts else ", ".join(dimensions)
        return Space(self.path.stem, about, dimensions, base)

    def _dimension(self, name: str, node: yaml.Node) -> BaseDistribution:
        if isinstance(node, yaml.SequenceNode):
            values = [self.value(name, entry) for entry in self.sequence(node, name)]
            # What Optuna cannot hold is given as it would be typed
            plain = [field_text(v) if isinstance(v, tuple) else v for v in values]
            return CategoricalDistribution(tuple(dict.fromkeys(plain)))
        parts = self.mapping(node, ("low", "high", *_Steps.model_fields), f"{name}: a range")
        if not {"low", "high"} <= set(parts):
            self.wrong(node, f"{name} should be a list of values, or a range with low and high")
        low, high = self.value(name, parts.pop("low")), self.value(name, parts.pop("high"))
        if isinstance(low, bool) or not all(isinstance(v, int | float) for v in (low, high)):
            self.wrong(node, f"{name} has no range: give a list of values")
        whole = isinstance(low, int) and isinstance(high, int)
        given = {key: self.scalar(value, key) for key, value in parts.items()}
        try:
            steps = _Steps.parse(given)
            if whole and steps.step is not None and not steps.step.is_integer():
                raise ValueError(f"step should be a whole number, as {low} is")
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)
                if whole:
                    return IntDistribution(low, high, steps.log, int(steps.step or 1))
                return FloatDistribution(low, high, steps.log, steps.step)
        except UserWarning:
            self.wrong(node, f"{name}: steps of {given['step']} from {low} do not end at {high}")
        except (ValueError, TypeError) as error:
            self.wrong(node, f"{name}: {error}")


def _count(kind: BaseDistribution) -> int:
    """The number of values of a distribution, 0 where they cannot be listed."""
    if isinstance(kind, CategoricalDistribution):
        return len(kind.choices)
    if isinstance(kind, IntDistribution) and not kind.log:
        return (kind.high - kind.low) // kind.step + 1
    if isinstance(kind, FloatDistribution) and kind.step is not None:
        return math.floor((kind.high - kind.low) / kind.step + 1e-9) + 1
    return 0


def _values(kind: BaseDistribution) -> list[Any]:
    """All values of a distribution that has a `_count`."""
    if isinstance(kind, CategoricalDistribution):
        return list(kind.choices)
    if isinstance(kind, IntDistribution):
        return list(range(kind.low, kind.high + 1, kind.step))
    assert isinstance(kind, FloatDistribution) and kind.step is not None
    return [float(v) for v in np.round(kind.low + kind.step * np.arange(_count(kind)), 12)]
