"""Recipes: named sets of settings to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.escaping import brief
from mlp.settings.training import RunConfig
from mlp.settings.yaml_file import SettingsFile, find_file, shipped

_FOLDER = Path(__file__).with_name("recipes")


def find_recipe(name: str) -> Mapping[str, Any]:
    """The settings of a recipe by its name, or from a YAML file. Raises SettingsError."""
    path = find_file("recipe", name, _FOLDER, " of settings")
    return _RecipeFile(path, "recipe", "settings, such as epochs: 60").recipe()


class _RecipeFile(SettingsFile):
    def recipe(self) -> Mapping[str, Any]:
        parts = self.mapping(self.root, ("recipe", *RunConfig.model_fields), "settings")
        begun: Mapping[str, Any] = {}
        if "recipe" in parts:
            node = parts.pop("recipe")
            name, known = self.text(node, "recipe"), shipped(_FOLDER)
            if name not in known:
                names = ", ".join(known)
                self.wrong(node, f"recipe should be one of {names}; {brief(name)} was given")
            begun = find_recipe(name)
        return {**begun, **{name: self.value(name, node) for name, node in parts.items()}}
