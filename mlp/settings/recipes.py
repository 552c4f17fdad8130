"""Recipes: named sets of settings to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.escaping import brief
from mlp.settings.training import RunConfig
from mlp.settings.yaml_file import SettingsFile, own_file

PLAIN = "plain"
_SHIPPED = {path.stem: path for path in sorted(Path(__file__).with_name("recipes").iterdir())}
_NAMES = (PLAIN, *_SHIPPED)


def find_recipe(name: str) -> Mapping[str, Any]:
    """The settings of a recipe by its name, or from a YAML file; none for plain.

    Raises SettingsError where there is none.
    """
    if name == PLAIN:
        return {}
    path = _SHIPPED.get(name) or own_file("recipe", name, _NAMES, " of settings")
    return _RecipeFile(path, "recipe", "settings, such as epochs: 60").recipe()


def begin_with(name: str, base: RunConfig) -> RunConfig:
    """A configuration with the settings of a recipe where it has the defaults."""
    return base.filled(find_recipe(name))


class _RecipeFile(SettingsFile):
    def recipe(self) -> Mapping[str, Any]:
        parts = self.mapping(self.root, ("recipe", *RunConfig.model_fields), "settings")
        begun: Mapping[str, Any] = {}
        if "recipe" in parts:
            node = parts.pop("recipe")
            name = self.text(node, "recipe")
            if name not in _NAMES:
                self.wrong(
                    node, f"recipe should be one of {', '.join(_NAMES)}; {brief(name)} was given"
                )
            begun = find_recipe(name)
        return {**begun, **{name: self.value(name, node) for name, node in parts.items()}}
