"""The progress of a study, as a person sees it while it trains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from mlp import console
from mlp.learning.learner import EpochRecord
from mlp.study.tracker import Outcome, RunSpec
from mlp.study.training_run import RunProgress

Message = dict[str, Any]


class _Bars(RunProgress):
    """A bar for a whole and one for the runs in training, where bars are drawn."""

    def __init__(self, total: int, done: int, name: str, unit: str) -> None:
        self._whole = console.bar(None, name, total=total, initial=done, unit=unit, position=0)
        self._drawn = not self._whole.disable
        self._epochs: tqdm[Any] = tqdm(disable=True)

    def group(self, specs: Sequence[RunSpec], label: str = "") -> None:
        first, total = specs[0], sum(spec.config.epochs for spec in specs)
        fold = "" if first.config.fold == "none" else f", fold {first.config.fold}"
        several = f"seed {first.config.seed}{fold}, {len(specs)} arms"
        label = label or (first.name if len(specs) == 1 else several)
        self._epochs = console.bar(None, label, total=total, unit="epoch", position=1, leave=False)

    def epoch(self, spec: RunSpec, record: EpochRecord) -> None:
        console.beside(self._epochs, _after_epoch(spec, record), refresh=False)
        self._epochs.update()

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        self._epochs.update(spec.config.epochs - epochs)

    def group_ended(self) -> None:
        self._epochs.close()

    def close(self) -> None:
        """Leave the terminal in order."""
        self.group_ended()
        self._whole.close()


class Progress(_Bars):
    """A bar for the study and one for the runs in training; without a terminal, a line a run.

    Runs train in this process, or in others, which send messages. A message may be lost: whoever
    has the outcome says once more that a run has ended.
    """

    def __init__(self, runs: int, reused: int) -> None:
        if reused:
            console.out(f"{reused} of {runs} runs are recorded already: not trained again")
        super().__init__(runs, reused, "study", "run")
        self._taken = 0
        self._known: set[str] = set()
        self._alone = threading.Lock()  # messages come in a thread of their own

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        super().ended(spec, outcome, epochs)
        self._ended(spec.identity, outcome.status, _after_run(spec, outcome))

    def message(self, message: Message) -> None:
        """Hear what `Sent` told in another process."""
        self._epochs.update(message["epochs"])
        if "ended" in message:
            self._ended(message["ended"], message["status"], message["said"])
        else:
            console.beside(self._epochs, message["said"])

    def taken(self, count: int) -> None:
        """So many runs were trained by another command meanwhile."""
        self._whole.update(count)
        self._taken += count

    def close(self) -> None:
        super().close()
        if self._taken:
            console.out(f"{self._taken} runs were trained by another command: taken from there")

    def _ended(self, identity: str, status: str, said: str) -> None:
        with self._alone:
            if identity in self._known:
                return
            self._known.add(identity)
        self._whole.update()
        if status == "FAILED" or not self._drawn:
            console.out(said)


class Sent(RunProgress):
    """Progress told to another process, at most once a second but for a run's end."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell, self._epochs, self._told = tell, 0, 0.0

    def epoch(self, spec: RunSpec, record: EpochRecord) -> None:
        self._epochs += 1
        if time.monotonic() - self._told > 1:
            self._told = time.monotonic()
            self._send({"said": _after_epoch(spec, record)})

    def ended(self, spec: RunSpec, outcome: Outcome, epochs: int) -> None:
        self._epochs += spec.config.epochs - epochs
        said = _after_run(spec, outcome)
        self._send({"ended": spec.identity, "status": outcome.status, "said": said})

    def _send(self, message: Message) -> None:
        self._tell({**message, "epochs": self._epochs})
        self._epochs = 0


class SearchProgress(_Bars):
    """A bar for the trials of a search and one for the folds in training; else a line a trial."""

    def __init__(self, trials: int, ended: int) -> None:
        if ended:
            console.out(f"{ended} trials are scored already")
        super().__init__(max(trials, ended), ended, "search", "trial")

    def so_far(self, ended: int, best: str) -> None:
        """So many trials are scored, by all processes together; `best` says what is best."""
        self._whole.n = ended
        console.beside(self._whole, best)

    def scored(self, trial: str) -> None:
        """A trial has ended: what became of it."""
        if not self._drawn:
            console.out(trial)


def _after_epoch(spec: RunSpec, record: EpochRecord) -> str:
    return f"{spec.arm}: val accuracy {record.metrics['val/accuracy']:.3f}"


def _after_run(spec: RunSpec, outcome: Outcome) -> str:
    if outcome.status == "FAILED":
        return f"{spec.name} failed: {outcome.reason}"
    accuracy, epochs = outcome.scores["final/accuracy"], outcome.facts["facts/epochs"]
    return f"{spec.name}: val accuracy {accuracy:.4f}, {epochs:.0f} epochs"
