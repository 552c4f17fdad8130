"""Recipes: settings to begin with, before which everything goes that was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlp.errors import SettingsError
from mlp.settings.recipes import find_recipe
from mlp.settings.training import RunConfig
from mlp.study.arm import arm_config
from mlp.study.suite import find_suite


def test_plain_is_the_defaults() -> None:
    assert RunConfig(epochs=3).filled(find_recipe("plain")) == RunConfig(epochs=3)


def test_what_is_given_goes_before_the_recipe() -> None:
    strong = RunConfig().filled(find_recipe("strong"))
    assert strong.network == "mixer" and strong != RunConfig()
    ours = RunConfig(epochs=7, dropout=0.4).filled(find_recipe("strong"))
    assert ours == strong.changed({"epochs": 7, "dropout": 0.4})


def test_the_suite_about_it_takes_out_each_ingredient_in_turn() -> None:
    suite, settings = find_suite("ingredients"), find_recipe("strong")
    assert suite.base == settings and not suite.arms[0].changes
    base = RunConfig().filled(suite.base)
    for arm in suite.arms[1:]:
        assert arm_config(arm, base) != base
    taken = {name for arm in suite.arms for name in arm.changes}
    assert taken >= set(settings) - {"lr", "optimizer"}


def test_a_file_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 5\nhidden: [64, 32]\n")
    assert RunConfig().filled(find_recipe(str(path))) == RunConfig(epochs=5, hidden=(64, 32))


def test_a_file_may_begin_with_a_recipe_and_take_back_some_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: strong\nmixup: 0\nepochs: 20\n")
    expected = find_recipe("strong") | {"mixup": 0.0, "epochs": 20}
    assert RunConfig().filled(find_recipe(str(path))) == RunConfig().changed(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs: 5\nrecipe: mine.yaml\n", "line 2: recipe should be one of plain, strong; 'mine"),
        ("epoch: 5\n", r"line 1: settings: 'epoch' is unknown; did you mean epochs\?"),
        ("epochs: 5\nlr: fast\n", r"line 2: lr: should be a valid number.*'fast' was given"),
        ("seed: 5\n", "line 1: seed is the same for all arms of a study"),
        ("- 1\n", "line 1: settings should be names and values"),
        ("", "is empty; it should have settings, such as epochs: 60"),
    ],
)
def test_a_wrong_file_is_explained(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        find_recipe(str(path))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        SettingsError, match=r"recipe 'stron': .*did you mean strong\? .*plain, strong, or a YAML"
    ):
        find_recipe("stron")
