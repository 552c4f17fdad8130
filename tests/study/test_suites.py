"""Suites are data: every arm must be a valid configuration, and change only what it names."""

from __future__ import annotations

import pytest

from mlp.errors import SettingsError
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm, arm_config
from mlp.study.suite import find_suite, suite_names


@pytest.mark.parametrize("name", suite_names())
def test_every_arm_is_valid_and_distinct(name: str) -> None:
    suite = find_suite(name)
    base = RunConfig().filled(suite.base)
    configs = [arm_config(arm, base) for arm in suite.arms]
    assert len(set(configs)) == len({arm.name for arm in suite.arms}) == len(suite.arms)
    for arm, config in zip(suite.arms, configs, strict=True):
        changed = {k for k, v in config.model_dump().items() if v != getattr(base, k)}
        assert changed <= set(arm.changes)
        assert arm.about and suite.question


def test_regularization_has_the_arms_that_the_design_names() -> None:
    arms = {arm.name: arm_config(arm, RunConfig()) for arm in find_suite("regularization").arms}
    assert next(iter(arms)) == "baseline" and arms["baseline"] == RunConfig()
    assert arms["batch-norm-dropout"].batch_norm and arms["batch-norm-dropout"].dropout == 0.5
    assert arms["weight-decay"].weight_decay == 1e-4
    assert arms["early-stopping"].early_stopping_patience > 0
    assert arms["augmentation"].hflip > 0 and arms["augmentation"].shift_scale_rotate > 0
    everything = {k for arm in find_suite("regularization").arms for k in arm.changes}
    assert everything == set(find_suite("regularization").arms[-1].changes)
    inits = {arm_config(arm, RunConfig()).init for arm in find_suite("initialization").arms}
    assert inits == {"he", "xavier", "uniform", "normal", "constant", "default"}


@pytest.mark.parametrize("changes", [{"seed": 1}, {"data": "x"}, {"lr": -1.0}, {"drop": 0.5}])
def test_an_invalid_arm_is_named(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="'bad'"):
        arm_config(Arm("bad", changes, ""), RunConfig())
