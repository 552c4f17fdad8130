"""A search: one configuration after the other, each scored by cross-validation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from mlp import seeds
from mlp.data.dataset import index_of, load, reread
from mlp.data.index import Index
from mlp.errors import SettingsError
from mlp.learning.learner import EpochRecord
from mlp.learning.networks.examination import source_of
from mlp.learning.resolution import resolve
from mlp.metrics import METRICS, watched
from mlp.processes import is_gone, this_process
from mlp.search.space import Space
from mlp.settings.commands import SearchConfig
from mlp.settings.own_network import file_and_class
from mlp.settings.training import RunConfig
from mlp.study.arm import Arm
from mlp.study.identity import label
from mlp.study.lockstep import run_together
from mlp.study.plan import Study, plan
from mlp.study.progress import SearchProgress
from mlp.study.suite import Suite
from mlp.study.tracker import Tracker
from mlp.study.training_run import Stopped
from mlp.tables import Table

_QUESTION = "Of the best that a search found, which is best under fresh seeds and folds?"
_BASE = Arm("base", {}, "the base configuration")
_OWNER = "process"  # the attribute of a trial that names the process which trains it
_NAMELESS_SECONDS = 60.0
_STARTUP = 5  # trials that none is judged by before so many are done
_REASON = "reason"  # that of one without a score
_SAMPLERS: Table[Callable[..., BaseSampler]] = Table(
    "sampler",
    {
        "tpe": partial(TPESampler, multivariate=True, constant_liar=True),
        "random": RandomSampler,
        "grid": RandomSampler,  # whatever a grid tries is waiting already
    },
)
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Search:
    """The subject of a search: trials change the configuration `base`, on the data of `index`."""

    config: SearchConfig
    space: Space
    base: RunConfig
    index: Index
    metric: str

    @property
    def label(self) -> str:
        """A name for folders: equal for searches that can go on with each other's trials."""
        known = [
            self.base.as_text(),
            {name: str(kind) for name, kind in self.space.dimensions.items()},
            [self.config.sampler, self.config.prune, self.config.folds, self.metric],
            self.index.digest,
            *map(source_of, filter(file_and_class, self.space.networks)),
        ]
        contents = json.dumps(known, sort_keys=True)
        return label(f"search-{self.space.name}", self.index.name, contents)

    @property
    def confirmation(self) -> str:
        """Name of the study that trains the best again."""
        return f"best-of-{self.space.name}"

    @property
    def folds(self) -> list[str]:
        """The folds that score a trial."""
        return [f"{number}/{self.config.folds}" for number in range(1, self.config.folds + 1)]

    def confirming(self, found: optuna.Study) -> Suite | None:
        """The suite that trains the best again beside the base, None where nothing has a score."""
        best = [arm_of(trial, self.space) for trial in top(found, self.config.confirm)]
        return Suite(self.confirmation, _QUESTION, (_BASE, *best)) if best else None

    def plan(self, arm: Arm) -> Study:
        """The runs of a trial. Raises DataError, SettingsError."""
        suite, seeds = Suite(self.label, "", (arm,)), (self.base.seed,)
        return plan(suite, self.base, seeds, self.index, self.folds, metric=self.metric)

    def open(self, folder: Path) -> optuna.Study:
        """The trials so far, from a journal in `folder` that several processes may write."""
        folder.mkdir(parents=True, exist_ok=True)
        file = str(folder / "search.journal")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        median = optuna.pruners.MedianPruner(_STARTUP, n_warmup_steps=self.base.epochs // 4)
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file))),
            study_name=self.label,
            direction="maximize" if METRICS[self.metric].higher_is_better else "minimize",
            load_if_exists=True,
            pruner=median if self.config.prune else optuna.pruners.NopPruner(),
        )

    def grid(self) -> list[dict[str, Any]]:
        """Every combination, up to `trials`, in an order drawn by the seed.

        Raises SettingsError where there are infinitely many.
        """
        values = self.space.grid()
        points = [dict(zip(values, point, strict=True)) for point in product(*values.values())]
        order = seeds.generator(self.base.seed, "search").permutation(len(points))
        return [points[k] for k in order[: self.config.trials]]

    def sampler(self, number: int) -> BaseSampler:
        """The sampler that proposes a trial: a function of its number and of those before it."""
        seed = seeds.integer(self.base.seed, "search", number)
        return _SAMPLERS[self.config.sampler](seed=seed)


def prepare(config: SearchConfig, space: Space, base: RunConfig, metric: str) -> Search:
    """A search from its settings, the images decoded.

    Raises DataError; SettingsError where the base cannot be trained, or a fold gives no score.
    """
    if base.fold != "none":
        raise SettingsError(f"fold: a search trains all of its folds; {base.fold!r} was given")

    def decoded() -> Index:
        index = index_of(base.changed({"fold": f"1/{config.folds}"}))
        load(index, resolve(base, index))
        return index

    index = reread(decoded)
    search = Search(config, space, resolve(base, index), index, metric)
    search.plan(_BASE)
    return search


def arm_of(trial: FrozenTrial | Trial, space: Space) -> Arm:
    """A trial as an arm."""
    # 0.3 for the 0.30000000000000004 that a range with steps gives
    changes = {
        name: float(f"{value:.10g}") if isinstance(value := trial.params[name], float) else value
        for name in space.dimensions
    }
    about = (f"{k} {f'{v:.3g}' if isinstance(v, float) else v}" for k, v in changes.items())
    return Arm(f"trial-{trial.number:03d}", changes, ", ".join(about))


def run_search(
    search: Search,
    tracker: Tracker,
    folder: Path,
    scored: Callable[[FrozenTrial, float], None] = lambda trial, best: None,
) -> optuna.Study:
    """Train until `trials` configurations are scored, by this process and any others that joined.

    `scored` is told each trial that this process has trained to its end, and the best score so far.
    Trials of dead processes are tried again. Raises DataError, SettingsError.
    """
    study = search.open(folder)
    lock = FileLock(folder / "search.lock")
    wanted = search.config.trials
    with lock:
        _give_up_the_dead(study)
        if search.config.sampler == "grid":
            points = search.grid()
            wanted = len(points)
            for point in points:
                study.enqueue_trial(point, skip_if_exists=True)
    progress = SearchProgress(wanted, len(study.get_trials(states=ENDED)))
    try:
        while True:
            trials = study.get_trials(deepcopy=False)
            ended = sum(trial.state in ENDED for trial in trials)
            running = sum(trial.state == TrialState.RUNNING for trial in trials)
            best = [f"best {each.value:.4f} (trial {each.number})" for each in top(study, 1)]
            progress.so_far(ended, "".join(best))
            if ended >= wanted:
                return study
            if ended + running >= wanted:
                # Another process trains the last ones, or has died while it did
                time.sleep(1.0)
                with lock:
                    _give_up_the_dead(study)
                continue
            study.sampler = search.sampler(len(trials))
            trial = study.ask(dict(search.space.dimensions))
            trial.set_user_attr(_OWNER, this_process())
            said = _train(search, study, trial, tracker, progress)
            progress.scored(f"trial {trial.number}: {said}")
            done = study.get_trials(deepcopy=False)[trial.number]
            if done.state == TrialState.COMPLETE:
                scored(done, float(study.best_value))
    finally:
        progress.close()


def top(study: optuna.Study, count: int) -> list[FrozenTrial]:
    """The best completed trials, best first, of equal parameters only the first."""
    maximize = study.direction == optuna.study.StudyDirection.MAXIMIZE
    done = study.get_trials(states=(TrialState.COMPLETE,))
    distinct: dict[str, FrozenTrial] = {}
    for trial in sorted(done, key=lambda trial: trial.value or 0.0, reverse=maximize):
        distinct.setdefault(json.dumps(trial.params, sort_keys=True), trial)
    return list(distinct.values())[:count]


def _train(
    search: Search, study: optuna.Study, trial: Trial, tracker: Tracker, progress: SearchProgress
) -> str:
    """Train and score a trial, and tell the study; the result in words."""
    arm, folds = arm_of(trial, search.space), search.folds
    score = f"val/{watched(search.metric)}"

    def watch(histories: Sequence[Sequence[EpochRecord]]) -> None:
        # Folds that were recorded before are missing: a mean over the others would mislead
        if len(histories) < len(folds) or not all(histories):
            return
        values = [records[-1].metrics[score] for records in histories]
        epoch = max(records[-1].epoch for records in histories)
        trial.report(float(np.mean(values)), epoch)
        if trial.should_prune():
            raise Stopped(
                f"Stopped after epoch {epoch} of {arm.name}: mean {score} over the folds "
                f"{np.mean(values):.3f} is worse than the median of the trials before"
            )

    try:
        outcomes = run_together(search.plan(arm), tracker, progress, watch)
        for outcome in outcomes:
            if outcome.status != "FINISHED":
                raise Stopped(outcome.reason)
    except (Stopped, SettingsError) as error:
        # Settings that do not go together: batch norm and batches of one image
        trial.set_user_attr(_REASON, str(error))
        study.tell(trial, state=TrialState.PRUNED)
        return str(error)
    scores = [outcome.scores[f"final/{search.metric}"] for outcome in outcomes]
    trial.set_user_attr("scores", scores)
    study.tell(trial, float(np.mean(scores)))
    return f"{search.metric} {np.mean(scores):.4f}, mean of {len(folds)} folds"


def no_score(study: optuna.Study) -> str:
    """The reason why no trial has a score; empty where one has."""
    trials = study.get_trials(states=ENDED)
    if any(trial.state == TrialState.COMPLETE for trial in trials):
        return ""
    first = trials[0].user_attrs.get(_REASON, "not recorded") if trials else "none was begun"
    return f"no trial of {len(trials)} has a score; the first: {first}"


def _give_up_the_dead(study: optuna.Study) -> None:
    """Fail the trials of processes of this machine that are gone, and have their values tried."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        owner: str | None = trial.user_attrs.get(_OWNER)
        # Between asking for a trial and saying whose it is lie milliseconds
        asked = (datetime.now() - (trial.datetime_start or datetime.now())).total_seconds()
        if is_gone(owner) if owner else asked > _NAMELESS_SECONDS:
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params)
