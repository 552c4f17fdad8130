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
    file = SettingsFile(path, "recipe", "settings, such as epochs: 60")
    parts = file.mapping(file.root, ("recipe", *RunConfig.model_fields), "settings")
    begun: Mapping[str, Any] = {}
    if node := parts.pop("recipe", None):
        given, known = file.text(node, "recipe"), shipped(_FOLDER)
        if given not in known:
            names = ", ".join(known)
            file.wrong(node, f"recipe should be one of {names}; {brief(given)} was given")
        begun = find_recipe(given)
    return {**begun, **{name: file.value(name, node) for name, node in parts.items()}}
