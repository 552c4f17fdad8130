"""Search spaces from YAML, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from mlp.errors import SettingsError
from mlp.search.space import find_space, read_space
from mlp.settings.training import RunConfig


@pytest.mark.parametrize("name", ["default", "exercise_batch_norm", "exercise_dropout"])
def test_what_a_shipped_space_proposes_is_a_configuration(name: str) -> None:
    space = find_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    proposed = [study.ask(dict(space.dimensions)).params for _ in range(30)]
    for values in proposed:
        RunConfig().changed(space.base).changed(values)
    for setting in space.dimensions:
        assert len({values[setting] for values in proposed}) > 1, setting


def test_a_grid_has_every_value_and_both_ends_of_a_range(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "space:\n  hidden: [[8], [16, 8]]\n  dropout: {low: 0.0, high: 0.3, step: 0.1}\n"
        "  epochs: {low: 2, high: 6, step: 2}\n"
    )
    grid = read_space(file).grid()
    assert grid["hidden"] == ["8", "16,8"] and grid["epochs"] == [2, 4, 6]
    assert grid["dropout"] == pytest.approx([0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("space:\n  lr: {low: 0.1}\n", "line 2: lr should be a list of values, or a range"),
        ("space:\n  lr: {low: 1, high: 0.1}\n", "line 2: lr: "),
        ("space:\n  lr: {low: 0.1, high: 1, log: perhaps}\n", "line 2: lr: log: should be true or"),
        ("space:\n  lr: {low: 0.1, high: 1, stp: 2}\n", "did you mean step?"),
        ("space:\n  dropout: [0.1, 1.5]\n", "line 2: dropout: "),
        ("space:\n  batch_norm: {low: false, high: true}\n", "batch_norm has no range"),
        ("space:\n  learning_rate: [1]\n", "line 2: space: 'learning_rate' is unknown"),
        ("space:\n  seed: [1, 2]\n", "seed is the same for all arms"),
        ("space: {}\n", "space should name settings"),
        ("base: {lr: 0.1}\n", "line 1: a search space needs space:"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read_space(file)
    assert said in str(error.value) and str(file) in str(error.value)


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match="did you mean default"):
        find_space("defalt")


def test_a_grid_of_endless_values_is_refused() -> None:
    with pytest.raises(SettingsError, match="lr, weight_decay has neither"):
        find_space("default").grid()


@pytest.mark.parametrize(
    ("step", "told"),
    [("20.5", "step should be a whole number"), ("4", "steps of 4 from 2 do not end at 8")],
)
def test_a_step_that_never_ends_at_high_is_told(tmp_path: Path, step: str, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"space:\n  epochs: {{low: 2, high: 8, step: {step}}}\n")
    with pytest.raises(SettingsError, match=told):
        read_space(file)
