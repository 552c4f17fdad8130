"""A study that goes on, seed by seed, until each arm has a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mlp import console
from mlp.data.audit.remarks import Remark
from mlp.escaping import line
from mlp.evidence.comparison import Comparison
from mlp.evidence.judge import Judge, Resampled
from mlp.evidence.looks import FIRST_LOOK, HOPELESS
from mlp.metrics import METRICS
from mlp.study.plan import Study
from mlp.study.record import RecordedStudy
from mlp.study.tracker import RunSpec, Tracker


@dataclass(frozen=True)
class Aim:
    """The comparison that a study is for, and the most `minutes` it may take; 0: any number.

    `margin`: the difference that would matter, in the unit of the metric.
    """

    metric: str
    margin: float
    minutes: float


class Rounds:
    """The rounds of one study.

    The first one has as many seeds as give three pairs, for all arms. Each later one has the next
    seed, for the baseline and the arms that are going on: those that have no verdict and a chance
    of at least HOPELESS to have one with all seeds. What is trained follows from the scores alone,
    however often the study is interrupted and wherever it trains.
    """

    def __init__(self, study: Study, tracker: Tracker, notes: Sequence[Remark], aim: Aim) -> None:
        """`study` has all seeds that there may be."""
        self._study, self._tracker, self._notes, self._aim = study, tracker, notes, aim
        self._baseline, *arms = (arm.name for arm in study.suite.arms)
        self._going = set(arms)
        self._known: Resampled = {}
        self._seeds = list(dict.fromkeys(spec.config.seed for spec in study.specs))
        self._pairs_of_seed = len({spec.config.fold for spec in study.specs})

    def train(self, train: Callable[[Study], object]) -> None:
        """Have `train` train parts of the study until nothing is left to find out."""
        began, planned = time.monotonic(), tuple[RunSpec, ...]()
        left = self._seeds
        count = -(-FIRST_LOOK // self._pairs_of_seed)
        while left:
            started = time.monotonic()
            seeds, left, count = left[:count], left[count:], 1
            more = self._specs(seeds)
            planned += more
            so_far = replace(self._study, specs=planned)
            self._tracker.plan(so_far.plan(self._notes), so_far.split_table())
            train(replace(self._study, specs=more))
            recorded = self._tracker.studies.read(self._tracker.run_id)
            compared = self._compared(recorded)
            given_up = self._look(compared)
            now = time.monotonic()
            self._say(compared, given_up, left)
            if not self._going:
                break
            minutes = self._aim.minutes
            if left and minutes and (now - began) + (now - started) > 60 * minutes:
                console.out(
                    f"The next round would not end within {minutes:g} minutes: it is left out"
                )
                break

    def _specs(self, seeds: Sequence[int]) -> tuple[RunSpec, ...]:
        arms = {self._baseline, *self._going}
        return tuple(s for s in self._study.specs if s.config.seed in seeds and s.arm in arms)

    def _compared(self, recorded: RecordedStudy) -> dict[str, Comparison]:
        judge = Judge.of(recorded, METRICS[self._aim.metric], self._aim.margin, self._known)
        return judge.against(self._baseline)

    def _look(self, compared: dict[str, Comparison]) -> list[str]:
        """End the arms that need no more seeds; those of them that have no verdict."""
        most = self._pairs_of_seed * len(self._seeds)
        without = {name for name in self._going if compared[name].verdict == "undecided"}
        hopeless = {
            name
            for name in without
            if not compared[name].pairs or compared[name].chance(most) < HOPELESS
        }
        self._going = without - hopeless
        return [name for name in compared if name in hopeless]

    def _say(
        self, compared: dict[str, Comparison], given_up: Sequence[str], left: Sequence[int]
    ) -> None:
        """Tell what is decided, and the most that the rest may cost."""
        decided = sum(c.verdict != "undecided" for c in compared.values())
        said = [f"{decided} of {len(compared)} arms have a verdict"]
        if given_up:
            said.append(f"more seeds would hardly decide {', '.join(map(line, given_up))}")
        going = ", ".join(line(name) for name in compared if name in self._going)
        if going and left:
            most = (len(self._going) + 1) * len(left) * self._pairs_of_seed
            said.append(f"still undecided: {going} (at most {most} more trainings)")
        elif going:
            said.append(f"undecided after all {len(self._seeds)} seeds: {going}")
        console.out("; ".join(said))
