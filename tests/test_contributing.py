"""The walk-throughs of CONTRIBUTING.md, followed while the tests run."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import scripts.mlproject
from mlp.commands.command import Answer, command
from mlp.commands.compare import compare as study
from mlp.commands.main import COMMANDS, main
from mlp.data.augmentation import AUGMENTATIONS, policy
from mlp.data.dataset import open_index, source
from mlp.data.index import COLUMNS, Index
from mlp.data.stream import stream_key
from mlp.errors import DataError, SettingsError
from mlp.evidence.document import document
from mlp.execution.clusters import Serial
from mlp.execution.executor import run
from mlp.learning.initialization import Initialization
from mlp.learning.networks.layers import linear
from mlp.learning.networks.network import Network
from mlp.learning.optimization import Rule
from mlp.model.checkpoint import Checkpoint
from mlp.settings.architecture import ACTIVATIONS, NETWORKS
from mlp.settings.base import ConfigError, Settings, field_choices
from mlp.settings.commands import EXECUTORS, ExecutorConfig, FormatConfig
from mlp.settings.roles import OfStream
from mlp.settings.source import SOURCES, Source
from mlp.settings.training import (
    INITIALIZATIONS,
    OPTIMIZERS,
    SCHEDULES,
    Probability,
    Resolved,
    RunConfig,
)
from mlp.study.arm import Arm
from mlp.study.plan import plan
from mlp.study.suite import Suite
from mlp.tables import Table
from mlp.tracking.memory import MemoryRun, MemoryTracker

ROOT = Path(__file__).parents[1]


@dataclass(eq=False, repr=False)
class Softmax(Network):
    """No hidden layer."""

    in_features: int
    classes: int

    def layers(self) -> Iterator[nn.Module]:
        yield nn.Flatten()
        yield linear(self.in_features, self.classes)


def halved(config: RunConfig, optimizer: torch.optim.Optimizer, steps: int) -> Any:
    return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.5, steps)


RMSPROP = Rule(lambda parameters, config: torch.optim.RMSprop(parameters, config.lr), 1)
ORTHOGONAL = Initialization(
    0.0,
    lambda fan_in, fan_out: math.sqrt(1 / max(fan_in, fan_out)),
    lambda weights, generator: nn.init.orthogonal_(weights, generator=generator),
)


def stripes(data: str, *_: str) -> Index:
    """Images of stripes, narrow and wide."""
    files = {}
    for number in range(40):
        lines = np.random.default_rng(number).integers(0, 200, (8, 8)).astype(np.uint8)
        lines[:, :: 1 + number % 2] += 50
        files[f"{number % 2}/{number:02d}.png"] = cv2.imencode(".png", lines)[1].tobytes()
    rows = [
        (path, path[0], "", hashlib.sha256(file).hexdigest(), 8, 8, True, 0, "", "")
        for path, file in files.items()
    ]
    return Index(data, pd.DataFrame(rows, columns=list(COLUMNS)), files.__getitem__)


STRIPES = Source(
    "stripes:NAME", lambda data: data.startswith("stripes:"), f"{__name__}:{stripes.__name__}"
)
# Setting, its table, the name and the row of something new
CHOICES: Sequence[tuple[str, Table[Any], str, object]] = (
    ("network", NETWORKS, "softmax", Softmax),
    ("activation", ACTIVATIONS, "silu", "torch.nn:SiLU"),
    ("optimizer", OPTIMIZERS, "rmsprop", RMSPROP),
    ("schedule", SCHEDULES, "halved", halved),
    ("init", INITIALIZATIONS, "orthogonal", ORTHOGONAL),
)


@contextmanager
def added(table: Table[Any], name: str, row: object) -> Iterator[None]:
    table[name] = row
    try:
        yield
    finally:
        del table[name]


def trained(base: RunConfig, **changes: object) -> MemoryRun:
    """A run of two epochs, as the memory keeps it."""
    quick = {"epochs": 2, "hidden": (8,), "images_per_class": 10, "threads": 1}
    suite = Suite("one", "?", (Arm("new", changes, ""),))
    index = open_index(base.data)
    recorder = MemoryTracker()
    (outcome,) = run(plan(suite, base.changed(quick), (0,), index), recorder)
    assert outcome.status == "FINISHED"
    return recorder.runs[0]


def losses(made: MemoryRun) -> list[float]:
    return [record.metrics["train/loss"] for record in made.epochs if record.epoch]


def help_text(*groups: type[Settings]) -> str:
    made = command(*groups)(lambda *_: None)
    return " ".join(made.get_help(click.Context(made)).split())


def project_text() -> str:
    return re.sub(r"\s+#?\s*", " ", scripts.mlproject.mlproject())


def test_every_place_that_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = re.findall(r"`((?:mlp|tests|benchmarks)/[\w./]*)`", text)
    assert len(places) > 15 and all((ROOT / place).exists() for place in places)
    for table, place in re.findall(r"`([A-Z]{5,})` in\s+`([\w./]+)`", text):
        assert re.search(rf"^{table}:", (ROOT / place).read_text(encoding="utf-8"), re.M), table


@pytest.mark.parametrize(("setting", "table", "name", "row"), CHOICES, ids=[c[0] for c in CHOICES])
def test_a_new_choice_trains_and_is_listed(
    setting: str, table: Table[Any], name: str, row: object
) -> None:
    known, shown = tuple(table), field_choices(RunConfig, setting)
    listed = *known, name, *shown[len(known) :]  # a form of one's own comes last
    plain = losses(trained(RunConfig()))
    with added(table, name, row):
        made = losses(trained(RunConfig(), **{setting: name}))
        assert all(map(math.isfinite, made)) and made != plain
        assert f"[{'|'.join(listed)}]" in help_text(RunConfig)
        assert f"({', '.join(listed)})" in project_text()
    assert field_choices(RunConfig, setting) == shown
    told = f"{setting}: should be one of {', '.join(shown)}; '{name}' was given"
    with pytest.raises(ConfigError, match=told):
        RunConfig().changed({setting: name})
    with pytest.raises(SettingsError, match=f"there is no .* '{name}'.*; there are {known[0]}, "):
        table[name]


def test_a_new_network_is_kept_and_read_back(tmp_path: Path) -> None:
    with added(NETWORKS, "softmax", Softmax):
        result = trained(RunConfig(), network="softmax").result
        assert result is not None
        (kept,) = result.ensemble.members
        kept.save(tmp_path)
        read = Checkpoint.load(tmp_path)
        assert isinstance(read.network, Softmax)
        assert np.array_equal(read.probabilities(result.images), result.evaluation.probabilities)
        assert trained(RunConfig(), network="softmax", members=2).result is not None
    with pytest.raises(SettingsError, match="no network 'softmax'; there are mlp, mixer, cnn"):
        Checkpoint.load(tmp_path)


class Wider(RunConfig):
    """As if the settings had one more augmentation."""

    negative: OfStream[Probability] = 0.0


class WiderResolved(Resolved):
    negative: OfStream[Probability] = 0.0


def test_a_new_augmentation_has_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def negative(library: Any) -> Any:
        return library.InvertImg(p=1.0)

    plain = losses(trained(RunConfig()))
    monkeypatch.setattr("mlp.study.arm.RunConfig", Wider)
    monkeypatch.setattr("mlp.learning.resolution.Resolved", WiderResolved)
    with added(AUGMENTATIONS, "negative", negative):
        assert losses(trained(Wider(), negative=0.5)) != losses(trained(Wider())) == plain
        assert stream_key(Wider(negative=0.5)) != stream_key(Wider()) == stream_key(Wider(lr=1.0))
        assert "--negative NUMBER" in help_text(Wider)
        made = command(Wider)(lambda *_: None)
        monkeypatch.setitem(COMMANDS.data, "train", made)
        assert "negative: {type: float" in project_text()
        with pytest.raises(SettingsError, match="negative: an augmentation is a probability"):
            policy(RunConfig())
    with pytest.raises(SettingsError, match=r"negative: .* a row of AUGMENTATIONS, which has"):
        policy(Wider())


def test_a_new_source_is_trained_on() -> None:
    with added(SOURCES, "stripes", STRIPES):
        made = trained(RunConfig(data="stripes:thin"))
        assert made.spec.data_name == "stripes:thin" and made.spec.classes == ("0", "1")
        assert "stripes:NAME" in help_text(RunConfig) and "stripes:NAME" in project_text()
        with pytest.raises(DataError, match=r"does not exist; give a folder.*; stripes:NAME"):
            source("spots:thin")
    with pytest.raises(DataError, match=r"does not exist; give a folder.*; digits"):
        source("stripes:thin")


@command(FormatConfig)
def greet() -> Answer:
    """Greet."""
    return Answer("Hello.", document("greeting", {"said": "Hello."}))


def test_a_new_command_is_one_of_the_program_and_of_mlproject() -> None:
    with added(COMMANDS, "greet", f"{__name__}:greet"):
        assert CliRunner().invoke(main, ["greet"]).output == "Hello.\n"
        made = CliRunner().invoke(main, ["greet", "--format", "json"])
        assert json.loads(made.output) == {"schema": "mlp/1", "kind": "greeting", "said": "Hello."}
        listed = CliRunner().invoke(main, ["--help"], catch_exceptions=False).output
        assert re.search(rf"^  greet +{(__doc__ or '')[:30]}", listed, re.M)
        assert "python -m scripts.greet --format {format}" in project_text()
    assert CliRunner().invoke(main, ["greet"]).exit_code == 2


SUITE = """
question: Which?
arms:
  - {name: plain, changes: {}}
  - {name: new, changes: {network: softmax, optimizer: rmsprop}}
"""


@pytest.mark.usefixtures("fresh_database")
def test_a_command_trains_what_is_new_with_a_new_executor_and_reports_it(tmp_path: Path) -> None:
    made: list[ExecutorConfig] = []

    class Counted(Serial):
        def __init__(self, config: ExecutorConfig) -> None:
            made.append(config)
            super().__init__(config)

    (tmp_path / "own.yaml").write_text(SUITE)
    words = ["--suite", str(tmp_path / "own.yaml"), "--executor", "counted"]
    words += ["--epochs", "1", "--seeds", "2", "--hidden", "4"]
    new = (NETWORKS, "softmax", Softmax), (OPTIMIZERS, "rmsprop", RMSPROP)
    with ExitStack() as stack:
        for row in (*new, (EXECUTORS, "counted", Counted)):
            stack.enter_context(added(*row))
        done = CliRunner().invoke(study, words)
        assert done.exit_code == 0, done.output
        assert [config.executor for config in made] == ["counted"]
        assert re.search(r"^new +2 +\d", done.output, re.M)
        (page,) = Path("mlruns").rglob("report.html")
        assert {"softmax", "rmsprop"} <= set(re.findall(r"\w+", page.read_text(encoding="utf-8")))
        assert "[auto|serial|processes|dask|counted]" in help_text(ExecutorConfig)
        assert "(auto, serial, processes, dask, counted)" in project_text()
    done = CliRunner().invoke(study, ["--executor", "counted"])
    assert done.exit_code == 2 and "one of auto, serial, processes, dask; 'counted'" in done.output
