"""Searches: what a trial's score is, what stops early, and how a search goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from mlp.data.dataset import open_index
from mlp.learning.resolution import resolve
from mlp.search.space import read_space
from mlp.search.trials import Search, arm_of, run_search, top
from mlp.settings.commands import SearchConfig
from mlp.settings.training import RunConfig
from mlp.tracking.memory import MemoryTracker

SPACE = """
base: {optimizer: adamw}
space:
  hidden: [[8], [16, 8]]
  lr: {low: 0.0001, high: 0.1, log: true}
  batch_norm: [false, true]
"""


@pytest.fixture
def make(image_tree: Path, tmp_path: Path):  # type: ignore[no-untyped-def]
    def made(text: str = SPACE, **options: object) -> Search:
        file = tmp_path / "mine.yaml"
        file.write_text(text)
        index = open_index(str(image_tree))
        quick = {"image_size": 8, "epochs": 3, "batch_size": 8, "threads": 1}
        base = RunConfig.parse({"data": str(image_tree), **quick})
        config = SearchConfig.parse({"trials": 5, "folds": 2, **options})
        space = read_space(file)
        return Search(config, space, resolve(base, index), index, "accuracy")

    return made


def told(study: optuna.Study) -> list[tuple[object, ...]]:
    return [
        (t.number, t.state, t.value, tuple(sorted(t.params.items()))) for t in study.get_trials()
    ]


def test_a_trial_has_the_mean_over_its_folds(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    recorder = MemoryTracker()
    study = run_search(make(prune="false"), recorder, tmp_path / "s")
    assert [t.state for t in study.get_trials()] == [TrialState.COMPLETE] * 5
    for trial in study.get_trials():
        runs = [r for r in recorder.runs if r.spec.arm == f"trial-{trial.number:03d}"]
        assert [r.spec.config.fold for r in runs] == ["1/2", "2/2"]
        config = runs[0].spec.config
        assert config.as_text()["hidden"] == trial.params["hidden"]
        assert config.batch_norm is trial.params["batch_norm"]
        assert config.lr == pytest.approx(trial.params["lr"])
        scores = [r.result.scores["final/accuracy"] for r in runs if r.result]
        assert trial.value == pytest.approx(np.mean(scores))
    ranked = top(study, 3)
    assert [t.value for t in ranked] == sorted((t.value for t in ranked), reverse=True)
    assert arm_of(ranked[0], make().space).changes == pytest.approx(ranked[0].params)


def test_a_search_that_goes_on_proposes_what_it_would_have(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    whole = run_search(make(trials=8), MemoryTracker(), tmp_path / "whole")
    recorder = MemoryTracker()
    run_search(make(trials=3), recorder, tmp_path / "parts")
    rest = run_search(make(trials=8), recorder, tmp_path / "parts")
    assert told(rest) == told(whole)
    assert make(trials=3).label == make(trials=8).label != make(trials=8, folds=3).label


def test_the_trial_of_a_process_that_died_is_tried_again(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    search = make(trials=2)
    study = search.open(tmp_path / "s")
    dead = study.ask(dict(search.space.dimensions))
    # Of this machine, with the number of a process that there is no more
    import socket

    dead.set_user_attr("process", f"{socket.gethostname()} {2**22 + 1} 1700000000")
    found = run_search(search, MemoryTracker(), tmp_path / "s").get_trials()
    assert [t.state for t in found] == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    assert found[1].params == found[0].params


def test_what_is_hopeless_is_stopped_and_its_runs_ended(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    recorder = MemoryTracker()
    study = run_search(make(trials=14, sampler="random"), recorder, tmp_path / "s")
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert pruned and not [t for t in pruned if t.number < 5]
    for trial in pruned:
        runs = [r for r in recorder.runs if r.spec.arm == f"trial-{trial.number:03d}"]
        assert {r.status for r in runs} == {"KILLED"}
        assert all(len(r.epochs) < 4 for r in runs)
        median = np.median(
            [
                max(v for s, v in t.intermediate_values.items() if s <= trial.last_step)
                for t in study.get_trials(states=(TrialState.COMPLETE,))
                if t.number < trial.number
            ]
        )
        assert max(trial.intermediate_values.values()) < median


def test_a_grid_is_searched_once_and_no_more(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "space:\n  hidden: [[8], [16]]\n  batch_norm: [false, true]\n"
    search = make(text, trials=50, sampler="grid", prune="false")
    study = run_search(search, MemoryTracker(), tmp_path / "s")
    tried = {tuple(sorted(t.params.items())) for t in study.get_trials()}
    assert len(study.get_trials()) == len(tried) == 4


def test_values_that_diverge_end_no_search(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    text = "base: {optimizer: sgd, weight_decay: 1000.0}\nspace:\n  lr: [0.00001, 1000.0]\n"
    search = make(text, trials=2, sampler="grid")
    wild = search.base.changed({"optimizer": "sgd", "weight_decay": 1000.0})
    study = run_search(
        Search(search.config, search.space, wild, search.index, "accuracy"),
        MemoryTracker(),
        tmp_path / "s",
    )
    states = {t.params["lr"]: t.state for t in study.get_trials()}
    assert states == {1e-5: TrialState.COMPLETE, 1000.0: TrialState.PRUNED}
