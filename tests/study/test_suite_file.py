"""Suites from YAML: what makes an arm, and messages that name the line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlp.errors import SettingsError
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm, arm_config
from mlp.study.suite import Suite, as_suite, find_suite, listing, read_suite, suite_names


def suite(folder: Path, text: str) -> Suite:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return find_suite(str(file))


def test_arms_with_their_changes_and_a_base(tmp_path: Path) -> None:
    made = suite(
        tmp_path,
        """
question: Wide or deep?
base: {epochs: 7, hidden: [64, 32]}
arms:
  - name: usual
  - name: deep
    changes: {hidden: [16, 16, 16], lr: 1.0e-2}
    about: three layers
""",
    )
    assert (made.name, made.question) == ("mine", "Wide or deep?")
    assert [arm.name for arm in made.arms] == ["usual", "deep"]
    assert [arm.about for arm in made.arms] == ["the base configuration", "three layers"]
    base = RunConfig(batch_size=8).filled(made.base)
    assert base == RunConfig(batch_size=8, epochs=7, hidden=(64, 32))
    assert arm_config(made.arms[1], base) == base.changed({"hidden": (16, 16, 16), "lr": 0.01})
    assert RunConfig(epochs=3).filled(made.base).epochs == 3  # what was asked for is kept


def test_factors_make_an_arm_of_each_combination(tmp_path: Path) -> None:
    made = suite(
        tmp_path, "factors:\n  dropout: [0.0, 0.5]\n  hidden: [[8], '16,4']\n  init: [he]\n"
    )
    assert [dict(arm.changes) for arm in made.arms] == [
        {"dropout": 0.0, "hidden": (8,), "init": "he"},
        {"dropout": 0.0, "hidden": (16, 4), "init": "he"},
        {"dropout": 0.5, "hidden": (8,), "init": "he"},
        {"dropout": 0.5, "hidden": (16, 4), "init": "he"},
    ]
    assert made.arms[3].name == "dropout=0.5_hidden=16x4_init=he"
    assert made.arms[3].about == "dropout 0.5, hidden 16,4, init he"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("arms: [", "line 1: no YAML"),
        ("question: Why?\n", "line 1: a suite has either arms, or factors"),
        ("arms: [{name: a}]\nfactors: {lr: [0.1]}\n", "line 1: a suite has either"),
        (
            "question: Why?\narm: [{name: a}]\n",
            "line 2: a suite: 'arm' is unknown; did you mean arms",
        ),
        ("arms:\n  - name: a\n  - changes: {lr: 0.1}\n", "line 3: an arm needs a name"),
        ("arms:\n  - name: a\n  - name: a\n", "line 3: there are two arms of the name 'a'"),
        ("arms:\n  - name: a/b\n", "line 2: a name has up to 80 letters"),
        (
            "arms:\n  - name: a\n    changes:\n      drop: 0.5\n",
            "line 4: settings: 'drop' is unknown",
        ),
        (
            "arms:\n  - name: a\n    changes:\n      dropout: 2\n",
            "line 4: dropout: should be less than 1; '2' was given",
        ),
        ("arms:\n  - name: a\n    changes: {seed: 3}\n", "line 3: seed is the same for all arms"),
        ("arms:\n  - name: a\n    changes: {lr: .1, lr: .2}\n", "line 3: lr is there twice"),
        ("arms: []\n", "line 1: arms should be a list with at least one entry"),
        ("factors:\n  lr: 0.1\n", "line 2: lr should be a list"),
        (
            "factors: {lr: [" + ", ".join(["0.1"] * 201) + "]}\n",
            "201 arms; a suite has at most 200",
        ),
        ("base: {epochs: none}\narms: [{name: a}]\n", "line 1: epochs: should be a valid integer"),
        ("- a\n", "line 1: a suite should be names and values"),
        ("arms: [{name: [a]}]\n", "line 1: name should be a text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        suite(tmp_path, text)
    assert said in str(error.value) and "mine.yaml" in str(error.value)


def test_a_suite_is_the_same_from_a_file_a_dict_and_by_hand(tmp_path: Path) -> None:
    text = """
question: Wide or deep?
base: {epochs: 7, hidden: [64, 32]}
arms:
  - name: usual
  - {name: deep, changes: {hidden: [16, 16], batch_norm: true, lr: 1.0e-5}, about: three}
"""
    from_file = suite(tmp_path, text)
    changes = {"hidden": (16, 16), "batch_norm": True, "lr": 0.00001}
    base = {"epochs": 7, "hidden": [64, 32]}
    arms = [{"name": "usual"}, {"name": "deep", "changes": changes, "about": "three"}]
    from_dict = as_suite({"question": "Wide or deep?", "base": base, "arms": arms})
    by_hand = Suite(
        "mine", "Wide or deep?", (Arm("usual", {}), Arm("deep", changes, "three")), base
    )
    assert as_suite(by_hand) == from_file == as_suite(tmp_path / "mine.yaml")
    assert replace(from_dict, name="mine") == from_file
    assert as_suite("activation") == find_suite("activation")
    factors = as_suite({"factors": {"momentum": [0.5, 0.9], "dropout": [0]}})
    assert [arm.changes for arm in factors.arms] == [
        {"momentum": 0.5, "dropout": 0.0},
        {"momentum": 0.9, "dropout": 0.0},
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"arms": []}, "suite own: arms should be a list with at least one entry"),
        ({"arms": [{"name": "a", "changes": {"lr": -1}}]}, "suite own: lr: should be greater"),
        ({"arms": [{"name": "../a"}]}, "suite own: a name has up to 80 letters"),
        ({"arms": [{"name": object}]}, "suite own: cannot represent an object"),
        ({"arm": []}, "'arm' is unknown; did you mean arms?"),
        (Suite("x", "", (Arm("a", {}), Arm("a", {}))), "suite x: there are two arms of the name"),
    ],
)
def test_what_is_wrong_without_a_file_is_said_without_a_line(given: Any, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        as_suite(given)
    assert said in str(error.value) and "line" not in str(error.value)


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="did you mean activation"):
        find_suite("activations")
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        find_suite(str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"question: caf\xe9\n")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_suite(tmp_path / "latin.yaml")


def test_the_listing_names_every_suite_and_arm() -> None:
    text = listing()
    for name in suite_names():
        one = find_suite(name)
        assert f"{name}: {one.question}" in text
        assert all(arm.name in text and arm.about in text for arm in one.arms)


def test_the_design_s_suites_are_there() -> None:
    assert set(suite_names()) >= {
        "regularization", "initialization", "activation", "optimizer", "batch_size", "image_size",
        "normalization", "architecture", "train_size", "channels",
    }  # fmt: skip
