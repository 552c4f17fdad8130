"""The runs of any experiment, as rows of arm, pair, data set and score."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from mlp.errors import NoSuchRuns, SettingsError
from mlp.escaping import line, masked
from mlp.evidence.scores import Note
from mlp.settings.base import did_you_mean
from mlp.settings.judgement import JudgeConfig
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.sources import Source, in_words, label, sources
from mlp.tracking.mlflow.store import Store, open_client

OWN = f"tags.`{names.KIND}` = 'run'"  # of this project's studies
_PAGE = 1000  # runs of a call: more take more memory and are not faster
_SHOWN = 20  # names that a message lists
_INFINITE = sys.float_info.max  # what a database has in its place


def open_to_read(names: str, minutes: float = 5) -> tuple[Store, list[str]]:
    """The store that MLflow is set to use, and the ids of experiments in it; none is made.

    `names`: of one experiment, or of several with commas; or their ids. Raises NoSuchRuns, and what
    `open_store` raises.
    """
    client, uri, limit = open_client(minutes)
    whole = _experiment(client, names)
    wanted = [names] if whole else [name.strip() for name in names.split(",")]
    found = []
    for name in wanted:
        experiment = _experiment(client, name)
        if experiment is None:
            known = [each.name for each in client.search_experiments()]
            meant, listed = did_you_mean(name, known), short([line(each) for each in known])
            raise NoSuchRuns(
                f"experiment: there is no {name!r} in {masked(uri)}; {meant}there are {listed}; "
                "MLFLOW_TRACKING_URI names another store"
            )
        found.append(experiment)
    return Store(client, found[0], uri, None, limit), found


def _experiment(client: MlflowClient, name: str) -> str | None:
    """The id of an experiment by its name, or by that id; None where there is none any more."""
    found = client.get_experiment_by_name(name)
    if found is None and name.isdigit():
        with suppress(MlflowException):
            found = client.get_experiment(name)
    there = found is not None and found.lifecycle_stage == "active"
    return str(found.experiment_id) if there else None


@dataclass
class Runs:
    """Rows of `judge_scores`, and what was found beside them. `own`: of this project's studies."""

    rows: pd.DataFrame
    metric: str
    own: bool
    notes: list[Note] = field(default_factory=list)


def read_runs(store: Store, experiments: Sequence[str], config: JudgeConfig) -> Runs:
    """The finished runs of experiments that have the metric, in the order in which they began.

    Raises NoSuchRuns, SettingsError.
    """
    own = not config.arm
    metric = config.metric or ("accuracy" if own else "")
    arm = sources("arm", config.arm or f"tags.{names.ARM}")
    pair = _pair_sources(config.pair, own)
    dataset = (
        sources("dataset", config.dataset or f"data,tags.{names.DATA}")
        if (config.dataset or own)
        else []
    )
    filters = [OWN] * own + [config.filter] * bool(config.filter)
    found, seen = _Found(arm, pair, dataset, metric), _Seen()
    for run in _pages(store, experiments, " and ".join(filters)):
        if run.data.tags.get(names.KIND, "run") == "run":  # and not of a study, or a judgement
            seen.add(run)
            found.add(run)
    where = f"{config.experiment!r} ({store.address})"
    if not seen.count:
        own_lack = f"{where} has no run of a study of this project; arm says what tells arms apart"
        raise NoSuchRuns(
            own_lack + _some(store, experiments) if own else f"{where} has no such run"
        )
    for setting, each in (("arm", arm), ("pair", pair), ("dataset", dataset)):
        seen.require(setting, each)
    if not found.rows:
        found.explain(metric, seen, where)
    deleted = _deleted(store, experiments, " and ".join(filters))
    table = pd.DataFrame(found.rows, columns=_COLUMNS)
    if not config.dataset and table["dataset"].nunique() == 1:
        table["dataset"] = ""
    notes = [*found.notes(), *([Note("deleted", {"count": deleted})] if deleted else [])]
    return Runs(table, metric, own, notes)


_COLUMNS = ["arm", "pair", "dataset", "score", "run_id", "train_images", "val_images", "parent"]


def _pair_sources(text: str, own: bool) -> list[Source]:
    if text == "none" or not (text or own):
        return []
    return sources("pair", text or f"tags.{names.SEED},params.fold")


def _pages(store: Store, experiments: Sequence[str], filters: str) -> Iterator[Run]:
    token = None
    while True:
        try:
            page = store.client.search_runs(
                list(experiments),
                filters,
                max_results=_PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            raise SettingsError(f"filter: {error.message}") from None
        yield from page
        token = page.token
        if not token:
            return


def _deleted(store: Store, experiments: Sequence[str], filters: str) -> int:
    """The number of deleted runs, or the size of a page if there are more."""
    search, only = store.client.search_runs, ViewType.DELETED_ONLY
    return len(search(list(experiments), filters, run_view_type=only, max_results=_PAGE))


def _some(store: Store, experiments: Sequence[str]) -> str:
    """The parameters and tags of some runs, for a message."""
    seen = _Seen()
    for run in store.client.search_runs(list(experiments), max_results=_SHOWN):
        seen.add(run)
    return f"; there are {seen.listed()}" if seen.count else "; it has no run at all"


@dataclass
class _Seen:
    """The names of what some runs have."""

    count: int = 0
    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, run: Run) -> None:
        self.count += 1
        self.keys["params"].update(run.data.params)
        self.keys["tags"].update(run.data.tags)
        self.keys["metrics"].update(run.data.metrics)

    def require(self, setting: str, chosen: Sequence[Source]) -> None:
        """Raise SettingsError where no run has a parameter or tag."""
        for source in chosen:
            if source.key and source.key not in self.keys[source.kind]:
                meant = did_you_mean(source.key, self.keys[source.kind])
                raise SettingsError(
                    f"{setting}: no run has {source.kind}.{source.key}; {meant}there are "
                    f"{self.listed()}"
                )

    def listed(self) -> str:
        """The parameters, then the tags that people gave."""
        every = [f"params.{line(name)}" for name in sorted(self.keys["params"])]
        every += [
            f"tags.{line(n)}" for n in sorted(self.keys["tags"]) if not n.startswith("mlflow.")
        ]
        return short(every) or "neither parameters nor tags"


def short(every: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN} more" * (len(every) > _SHOWN))


class _Found:
    """Rows of runs, and the number of those that are left out by reason."""

    def __init__(
        self,
        arm: Sequence[Source],
        pair: Sequence[Source],
        dataset: Sequence[Source],
        metric: str,
    ) -> None:
        self._arm, self._pair, self._dataset, self._metric = arm, pair, dataset, metric
        self.rows: list[tuple[object, ...]] = []
        self._no_arm = 0
        self._left_out: dict[str, Counter[str]] = defaultdict(Counter)  # arms by reason
        self._settings = _Settings({source.key for source in (*arm, *pair, *dataset)})

    def add(self, run: Run) -> None:
        parts, metrics, params = label(self._arm, run), run.data.metrics, run.data.params
        if parts is None:
            self._no_arm += 1
            return
        arm = in_words(self._arm, parts)
        score = metrics.get(self._metric, metrics.get(f"final/{self._metric}"))
        dataset = label(self._dataset, run)
        if run.info.status != "FINISHED":
            self._left_out[run.info.status][arm] += 1
        elif score is None:
            self._left_out["metric"][arm] += 1
        elif dataset is None:
            self._left_out["dataset"][arm] += 1
        else:
            pair = label(self._pair, run) if self._pair else None
            data = in_words(self._dataset, dataset)
            own = run.data.tags.get(names.KIND) == "run"
            sizes = (
                int(params.get(f"{side}_images", 0)) if own else 0 for side in ("train", "val")
            )
            if abs(score) == _INFINITE:
                score = np.inf
            parent = run.data.tags.get(names.PARENT, "")
            self.rows.append((arm, pair, data, score, run.info.run_id, *sizes, parent))
            if pair is not None:
                self._settings.add(arm, (data, *pair), params)

    def explain(self, metric: str, seen: _Seen, where: str) -> None:
        """Raise an error that says why there is no row."""
        known = seen.keys["metrics"]
        if metric not in known and f"final/{metric}" not in known:
            meant = did_you_mean(metric, known) if metric else ""
            raise SettingsError(
                f"metric: {f'no run has {metric!r}' if metric else 'say which'}; {meant}there are "
                f"{short(sorted(map(line, known))) or 'no metrics'}"
            )
        why = ", ".join(f"{sum(n.values())} {why}" for why, n in self._left_out.items())
        raise NoSuchRuns(f"{where} has no finished run with {metric} and an arm: {why}")

    def notes(self) -> list[Note]:
        """Notes on runs that were left out, and on settings that differ beside the arm."""
        made = [Note("no_arm", {"count": self._no_arm})] if self._no_arm else []
        for reason, arms in self._left_out.items():
            shown = ", ".join(f"{arm} ({n})" for arm, n in arms.items())
            kind = reason if reason in ("metric", "dataset") else "status"
            values = {"status": reason, "arms": shown, "metric": self._metric}
            made.append(Note(f"left_out_{kind}", values))
        if differing := self._settings.differing():
            made.append(Note("settings", {"settings": short(differing)}))
        return made


class _Settings:
    """Parameters that follow neither from the arm nor from the pair: they differ within both."""

    def __init__(self, chosen: set[str]) -> None:
        self._chosen = chosen
        self._first: dict[object, Mapping[str, str]] = {}
        self._differ: tuple[set[str], set[str]] = set(), set()

    def add(self, arm: str, pair: tuple[str, ...], params: Mapping[str, str]) -> None:
        for place, differ in zip((arm, pair), self._differ, strict=True):
            first = self._first.setdefault(place, params)
            if first is not params and first != params:
                differ.update(n for n in first.keys() & params.keys() if first[n] != params[n])

    def differing(self) -> list[str]:
        """Their names."""
        return sorted((self._differ[0] & self._differ[1]) - self._chosen)
