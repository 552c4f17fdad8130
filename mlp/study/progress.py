"""What a person sees while a study trains."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from mlp.learning.learner import EpochRecord
from mlp.tracking.interface import Outcome, RunSpec


class Progress:
    """A bar for the study and one for the runs in training; without a terminal, a line a run."""

    def __init__(self, runs: int, reused: int) -> None:
        if reused:
            tqdm.write(f"{reused} of {runs} runs are recorded already: not trained again")
        self._terminal = sys.stderr.isatty()
        self._study = _bar(runs, reused, "study", "run")
        self._epochs: tqdm[Any] | None = None

    def group(self, specs: list[RunSpec]) -> None:
        """These runs start, side by side."""
        first = specs[0].config
        fold = "" if first.fold == "none" else f", fold {first.fold}"
        label = f"seed {first.seed}{fold}, {len(specs)} arms"
        label = specs[0].name if len(specs) == 1 else label
        total = sum(spec.config.epochs for spec in specs)
        self._epochs = tqdm(
            total=total, desc=label, unit="epoch", disable=None, position=1, leave=False
        )

    def epoch(self, spec: RunSpec, record: EpochRecord) -> None:
        """A run has finished an epoch."""
        assert self._epochs is not None
        self._epochs.set_postfix_str(
            f"{spec.arm}: val accuracy {record.metrics['val/accuracy']:.3f}", refresh=False
        )
        self._epochs.update()

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        """A run has ended, after this many epochs."""
        assert self._epochs is not None
        self._epochs.update(spec.config.epochs - epochs)
        self._study.update()
        if outcome.status == "FAILED":
            tqdm.write(f"{spec.name} failed: {outcome.reason}")
        elif not self._terminal:
            tqdm.write(
                f"{spec.name}: val accuracy {outcome.scores['final/accuracy']:.4f}, {epochs} epochs"
            )

    def group_ended(self) -> None:
        """All runs of the group have ended."""
        if self._epochs is not None:
            self._epochs.close()

    def close(self) -> None:
        """Leave the terminal in order."""
        self.group_ended()
        self._study.close()


class SearchProgress(Progress):
    """A bar for the trials of a search and one for the folds in training; else a line a trial."""

    def __init__(self, trials: int, ended: int) -> None:
        if ended:
            tqdm.write(f"{ended} trials are scored already")
        self._terminal = sys.stderr.isatty()
        self._study = _bar(max(trials, ended), ended, "search", "trial")
        self._epochs = None

    def so_far(self, ended: int, best: str) -> None:
        """So many trials are scored, by all processes together; `best` says what is best."""
        self._study.n = ended
        self._study.set_postfix_str(best)

    def scored(self, trial: str) -> None:
        """A trial has ended: what became of it."""
        if not self._terminal:
            tqdm.write(trial)

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        """A fold has ended, after this many epochs."""
        assert self._epochs is not None
        self._epochs.update(spec.config.epochs - epochs)


def _bar(total: int, initial: int, name: str, unit: str) -> tqdm[Any]:
    return tqdm(total=total, initial=initial, desc=name, unit=unit, disable=None, position=0)
