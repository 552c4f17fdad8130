"""Recipes: named sets of settings to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.escaping import brief
from mlp.settings.training import RunConfig
from mlp.settings.yaml_file import SettingsFile, find_file, shipped

PLAIN = "plain"
_FOLDER = Path(__file__).with_name("recipes")


def find_recipe(name: str) -> Mapping[str, Any]:
    """The settings of a recipe by its name, or from a YAML file; none for plain.

    Raises SettingsError where there is none.
    """
    if name == PLAIN:
        return {}
    path = find_file("recipe", name, _FOLDER, (PLAIN,), " of settings")
    return _RecipeFile(path, "recipe", "settings, such as epochs: 60").recipe()


class _RecipeFile(SettingsFile):
    def recipe(self) -> Mapping[str, Any]:
        parts = self.mapping(self.root, ("recipe", *RunConfig.model_fields), "settings")
        begun: Mapping[str, Any] = {}
        if "recipe" in parts:
            node = parts.pop("recipe")
            name = self.text(node, "recipe")
            names = (PLAIN, *shipped(_FOLDER))
            if name not in names:
                self.wrong(
                    node, f"recipe should be one of {', '.join(names)}; {brief(name)} was given"
                )
            begun = find_recipe(name)
        return {**begun, **{name: self.value(name, node) for name, node in parts.items()}}
