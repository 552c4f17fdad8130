"""Settings: what they accept, what they refuse and in which words, and their text."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from mlp.errors import SettingsError
from mlp.settings.base import ConfigError, field_choices
from mlp.settings.roles import Role, roles, shared
from mlp.settings.study import StudyConfig, TrackingConfig
from mlp.settings.training import MAX_SEED, Resolved, RunConfig


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [("batchsize", "batch_size"), ("drop_out", "dropout"), ("label_smooth", "label_smoothing")],
)
def test_unknown_key_is_an_error_that_names_the_nearest(unknown: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"^{unknown}: .*did you mean {nearest}\\?"):
        RunConfig.parse({unknown: 1})


def test_unknown_key_like_no_other_lists_what_is_known() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse({"zzz": 1})
    assert "did you mean" not in str(caught.value)
    assert ", ".join(RunConfig.model_fields) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("lr", -1, "greater than 0"),
        ("lr", 0, "greater than 0"),
        ("lr", "fast", "valid number"),
        ("lr", math.nan, "finite"),
        ("lr", "inf", "finite"),
        ("weight_decay", math.inf, "finite"),
        ("weight_decay", -1e-9, "greater than or equal to 0"),
        ("dropout", 1.5, "less than 1"),
        ("dropout", 1.0, "less than 1"),
        ("dropout", "nan", "finite"),
        ("label_smoothing", -0.1, "greater than or equal to 0"),
        ("momentum", 1, "less than 1"),
        ("hflip", 1.01, "less than or equal to 1"),
        ("val_fraction", 0, "greater than 0"),
        ("val_fraction", math.nan, "less than 1"),
        ("hidden", 0, "one or more widths from 1 to 65536, such as 512,256"),
        ("hidden", "0", "one or more widths"),
        ("hidden", "512,-1", "one or more widths"),
        ("hidden", "512;256", "one or more widths"),
        ("hidden", "", "one or more widths"),
        ("hidden", (), "one or more widths"),
        ("epochs", 0, "greater than or equal to 1"),
        ("epochs", 2.5, "valid integer"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("optimizer", "x", "one of adam, adamw, sgd"),
        ("monitor", "val/f1", "one of val/loss, val/accuracy, val/macro_f1, val/balanced_accuracy"),
        ("image_size", "big", "auto, or a number of pixels from 1 to 1024"),
        ("image_size", 1025, "auto, or a number of pixels from 1 to 1024"),
        ("batch_norm", "maybe", "should be true or false"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", MAX_SEED + 1, str(MAX_SEED)),
        ("early_stopping_patience", -1, "greater than or equal to 0"),
    ],
)
def test_wrong_value_is_an_error_that_names_field_value_and_remedy(
    field: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse({field: value})
    [(name, text)] = caught.value.problems
    assert name == field
    assert says in text and "was given" in text
    assert "Input should" not in text


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse({"lr": -1, "epochs": 0, "batchsize": 3})
    assert [name for name, _ in caught.value.problems] == ["epochs", "lr", "batchsize"]


def test_batch_norm_needs_more_than_one_image_a_batch() -> None:
    with pytest.raises(ConfigError, match="batch_size of at least 2"):
        RunConfig.parse({"batch_norm": True, "batch_size": 1})
    assert RunConfig.parse({"batch_norm": True, "batch_size": 2}).batch_norm
    with pytest.raises(ConfigError, match="batch_size of at least 2"):
        RunConfig(batch_norm=True).changed({"batch_size": 1})


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("hidden", "512,256", (512, 256)),
        ("hidden", " 512, 256 ", (512, 256)),
        ("hidden", "(64,)", (64,)),
        ("hidden", "64", (64,)),
        ("hidden", 64, (64,)),
        ("lr", "1e-3", 0.001),
        ("batch_norm", "False", False),
        ("batch_norm", "true", True),
        ("image_size", "auto", "auto"),
        ("image_size", "48", 48),
        ("seed", "0", 0),
    ],
)
def test_text_parses(field: str, text: object, value: object) -> None:
    parsed = getattr(RunConfig.parse({field: text}), field)
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    "settings",
    [
        RunConfig(),
        RunConfig(
            data="a folder, with a comma/",
            image_size=48,
            lr=1 / 3,
            weight_decay=1e-300,
            hidden=(7,),
            batch_norm=True,
            monitor="val/macro_f1",
            seed=MAX_SEED,
        ),
        StudyConfig(),
        StudyConfig(seeds=(0, 2, 1)),
        StudyConfig(seeds=(5,)),
        TrackingConfig(experiment_name="é", retrain=True),
    ],
)
def test_text_of_settings_gives_them_back(
    settings: RunConfig | StudyConfig | TrackingConfig,
) -> None:
    assert type(settings).parse(settings.as_text()) == settings


def test_settings_are_frozen_and_copied_by_changed() -> None:
    config = RunConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.lr = 1.0  # type: ignore[misc]
    other = config.changed({"lr": 1.0})
    assert (config.lr, other.lr) == (0.001, 1.0)
    assert other.changed({"lr": 0.001}) == config
    with pytest.raises(ConfigError, match="lr"):
        config.changed({"lr": "x"})


def test_every_default_is_valid_when_given() -> None:
    for settings in (RunConfig, StudyConfig, TrackingConfig):
        assert settings.parse(settings().model_dump()) == settings()


def test_choices_are_listed_for_fields_that_have_them() -> None:
    assert field_choices(RunConfig, "optimizer") == ("adam", "adamw", "sgd")
    for name in ("lr", "batch_norm", "image_size", "hidden"):
        assert field_choices(RunConfig, name) == ()


@pytest.mark.parametrize(
    ("given", "first", "seeds"),
    [
        ("3", 0, (0, 1, 2)),
        (3, 7, (7, 8, 9)),
        ("0,1,2", 7, (0, 1, 2)),
        ("5,", 0, (5,)),
        ([4, 2], 0, (4, 2)),
        (2, MAX_SEED, (MAX_SEED, 0)),
    ],
)
def test_seeds_are_a_count_or_a_list(given: object, first: int, seeds: tuple[int, ...]) -> None:
    assert StudyConfig.parse({"seeds": given}).seed_list(first) == seeds


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("1,2,1", "1,2,1 names one twice"),
        ("0", "a count from 1 to 1000"),
        (1001, "a count from 1 to 1000"),
        ("a,b", "a list of seeds such as 0,1,2"),
        ("0,-1", "a list of seeds such as 0,1,2"),
        (",", "a list such as 0,1,2"),
    ],
)
def test_wrong_seeds_are_an_error(given: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        StudyConfig.parse({"seeds": given})


@pytest.mark.parametrize("value", ["none", "1/2", "5/5", "100/100"])
def test_a_fold_is_one_of_several(value: str) -> None:
    assert RunConfig.parse({"fold": value}).fold == value


@pytest.mark.parametrize("value", ["0/5", "6/5", "1/1", "2", "a/b", "-1/3", "1/101", ""])
def test_what_is_no_fold_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="fold: should be none, or a fold such as 2/5"):
        RunConfig.parse({"fold": value})


def test_a_study_trains_every_fold_or_the_one_that_is_named() -> None:
    assert StudyConfig().fold_list(RunConfig()) == ("none",)
    assert StudyConfig(folds=3).fold_list(RunConfig()) == ("1/3", "2/3", "3/3")
    assert StudyConfig().fold_list(RunConfig(fold="2/3")) == ("2/3",)
    with pytest.raises(SettingsError, match="leave out fold, '2/3' was given"):
        StudyConfig(folds=3).fold_list(RunConfig(fold="2/3"))
    with pytest.raises(ConfigError, match="give at least 2, or 0"):
        StudyConfig.parse({"folds": "1"})


# What is given, and what a recipe or suite fills in


def test_what_was_given_is_kept_also_where_it_is_the_default() -> None:
    own = {"epochs": 60, "lr": 0.1}
    assert RunConfig().filled(own) == RunConfig(epochs=60, lr=0.1)
    assert RunConfig.parse({"epochs": "20"}).filled(own) == RunConfig(epochs=20, lr=0.1)
    given = RunConfig(epochs=20).changed({"dropout": 0.5})
    assert given.filled(own | {"dropout": 0.1}) == RunConfig(lr=0.1, dropout=0.5)


def test_what_was_filled_in_goes_before_what_is_filled_in_later() -> None:
    assert RunConfig().filled({"mixup": 0.0}).filled({"mixup": 0.5}).mixup == 0.0


# Roles


def test_a_setting_without_a_role_is_an_error() -> None:
    class More(RunConfig):
        sharpness: float = 0.0

    with pytest.raises(TypeError, match=r"More\.sharpness declares 0 roles"):
        More().key("stream")


def test_keys_hold_the_settings_that_influence_a_stage() -> None:
    base = RunConfig()
    stages = {
        "split": {"val_fraction": 0.3, "images_per_class": 5, "seed": 1, "fold": "1/2"},
        "pixels": {"image_size": 8, "channels": "gray"},
        "stream": {
            "normalization": "none", "batch_size": 4, "hflip": 0.1, "vflip": 0.1,
            "transpose": 0.1, "brightness_contrast": 0.1, "shift_scale_rotate": 0.1,
        },
        "source": {
            "data": "x", "split": "s.csv", "layout": "flat", "links": "inside", "on_leak": "drop"
        },
    }  # fmt: skip
    for stage, changes in stages.items():
        for name, value in changes.items():
            other = base.changed({name: value})
            assert [s for s in stages if other.key(s) != base.key(s)] == [stage], name
    left = [name for name, role in roles(RunConfig).items() if role.stage not in stages]
    assert not set(left) & {name for changes in stages.values() for name in changes}
    assert len(left) + sum(map(len, stages.values())) == len(RunConfig.model_fields)


def test_the_settings_that_all_arms_share() -> None:
    assert set(shared(RunConfig)) == {
        "data", "split", "layout", "links", "on_leak", "val_fraction", "fold", "seed", "device",
        "threads",
    }  # fmt: skip


def test_a_resolved_configuration_has_the_roles_of_any_other() -> None:
    # Beside the file of a network of a user's own, which is read then
    assert roles(Resolved) == {**roles(RunConfig), "network_source": Role("network")}
