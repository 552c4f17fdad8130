"""Recipes: named sets of settings to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.config import RunConfig
from mlp.settings import SettingsError, did_you_mean
from mlp.study.settings_file import SettingsFile

PLAIN = "plain"
_SHIPPED = {path.stem: path for path in sorted(Path(__file__).with_name("recipes").iterdir())}


def find_recipe(name: str) -> Mapping[str, Any]:
    """The settings of a recipe by its name, or from a YAML file; none for plain.

    Raises SettingsError where there is none.
    """
    if name == PLAIN:
        return {}
    if name in _SHIPPED:
        return _read(_SHIPPED[name])
    if name.lower().endswith((".yaml", ".yml")):
        return _read(Path(name).expanduser())
    known = (PLAIN, *_SHIPPED)
    raise SettingsError(
        f"recipe {name!r}: there is none of this name; {did_you_mean(name, known)}"
        f"it should be one of {', '.join(known)}, or a YAML file of settings (README.md shows one)"
    )


def begin_with(name: str, base: RunConfig) -> RunConfig:
    """A configuration with the settings of a recipe where it has the defaults."""
    return base.filled(find_recipe(name))


def _read(path: Path) -> Mapping[str, Any]:
    file = SettingsFile(path, "recipe", "settings, such as epochs: 60")
    return file.settings(file.root)
