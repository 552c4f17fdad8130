"""The plan of a study: every run that it is made of, decided before the first one starts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from mlp import console
from mlp.data.audit.remarks import Remark
from mlp.data.dataset import is_own, load, split_of
from mlp.data.index import Index
from mlp.data.split_file import split_table
from mlp.errors import SettingsError
from mlp.learning.memory import shortage
from mlp.learning.resolution import resolve
from mlp.metrics import require
from mlp.settings.training import Resolved, RunConfig
from mlp.study.arm import arm_config
from mlp.study.identity import identity, label
from mlp.study.suite import Suite
from mlp.study.tracker import RunSpec


@dataclass(frozen=True)
class Study:
    """Base configuration x arms x seeds (x folds), resolved, with the index of its data."""

    suite: Suite
    base: Resolved
    source: Index  # as read from disk
    index: Index  # with the images refused that could not be decoded
    specs: tuple[RunSpec, ...]  # by seed, then by fold, then in the order of the arms

    @property
    def label(self) -> str:
        """The name that its runs are kept under: equal for equal studies."""
        runs = " ".join(s.identity + s.arm for s in self.specs)
        return label(self.suite.name, self.index.name, runs)

    def plan(self, remarks: Sequence[Remark]) -> dict[str, object]:
        """The parts of the study, enough to find its runs and to report on them later."""
        return {
            "suite": self.suite.name,
            "question": self.suite.question,
            "data_name": self.index.name,
            "classes": list(self.index.classes),
            "base": self.base.as_text(),
            "arms": [asdict(arm) for arm in self.suite.arms],
            "runs": [
                {"arm": s.arm, "seed": s.config.seed, "fold": s.config.fold, "identity": s.identity}
                for s in self.specs
            ],
            "remarks": [asdict(remark) for remark in remarks],
        }

    def split_table(self) -> pd.DataFrame | None:
        """The split that all runs share, None where each draws its own."""
        shared = [s.config for s in self.specs if not is_own(self.index, s.config)]
        return split_table(self.index, split_of(self.index, shared[0])) if shared else None


def plan(
    suite: Suite,
    base: RunConfig,
    seeds: Sequence[int],
    index: Index,
    folds: Sequence[str] = ("none",),
    here: bool = True,
    metric: str = "accuracy",
) -> Study:
    """Decide all runs of a study before the first one starts, on this machine or elsewhere.

    Decodes the images, so that damaged ones are known and listed. Raises DataError; SettingsError
    for an arm that is not valid or does not fit into the memory of this machine, a device that is
    not there, or a metric that the validation images of a seed (and fold) do not define.
    """
    source, shapes = index, {}
    configs = []
    for seed, fold in itertools.product(seeds, folds):
        own = base.changed({"seed": seed, "fold": fold})
        configs += [(a.name, resolve(arm_config(a, own), index, here)) for a in suite.arms]
    for kind, config in {config.key("pixels"): config for _, config in configs}.items():
        index, dataset = load(source, config)
        shapes[kind] = dataset.shape
    digest, labels = index.digest, index.usable["class"].to_numpy()
    varied = tuple(dict.fromkeys(name for arm in suite.arms for name in arm.changes))
    places = {arm.name: place for place, arm in enumerate(suite.arms)}
    counts: dict[object, tuple[int, int]] = {}
    specs = []
    for name, config in console.passing(configs, "planning"):
        key = config.key("split")
        if key not in counts:
            drawn = split_of(index, config)
            counts[key] = len(drawn.train), len(drawn.val)
            fold = "" if config.fold == "none" else f", fold {config.fold}"
            whose = f" of seed {config.seed}{fold}" if is_own(index, config) else ""
            require(metric, set(labels[drawn.val]), whose)
        data = index.name, digest, index.classes, *counts[key], varied, places[name]
        shown = (config.seed, config.fold) == (seeds[0], folds[0])
        specs.append(RunSpec(name, config, identity(config, digest), *data, shown))
    for spec in specs[: len(suite.arms)] if here else ():
        shape = shapes[spec.config.key("pixels")]
        if why := shortage(spec.config, shape, len(spec.classes), spec.train_images):
            raise SettingsError(f"arm {spec.arm!r}: {why}" if len(suite.arms) > 1 else why)
    return Study(suite, resolve(base, source, here), source, index, tuple(specs))
