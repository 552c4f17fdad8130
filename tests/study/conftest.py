"""Small studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlp.config import RunConfig
from mlp.data.dataset import open_index
from mlp.study.runner import Study, plan
from mlp.study.suites import SUITES, Arm, Suite

MakeStudy = Callable[..., Study]


@pytest.fixture
def make_study(image_tree: Path) -> MakeStudy:
    """Plan a study of quick trainings on the tree: of the given arms, else of regularization."""

    def make(*arms: Arm, seeds: tuple[int, ...] = (0,), **changes: object) -> Study:
        suite = Suite("test", "Which?", arms) if arms else SUITES["regularization"]
        quick = {"image_size": 8, "hidden": (16, 8), "epochs": 3, "batch_size": 8, "threads": 1}
        base = RunConfig.parse({"data": str(image_tree), **quick, **changes})
        return plan(suite, base, seeds, open_index(base.data))

    return make
