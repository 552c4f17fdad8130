"""The model of a study that is worth registering, chosen by validation scores alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Literal

import numpy as np

from mlp.data.dataset import index_of, load, reread
from mlp.data.index import Index
from mlp.errors import DataError, NoSuchStudy
from mlp.evidence.findings import ArmEvidence, Evidence
from mlp.predictions import Evaluation
from mlp.study.record import RecordedRun

Pick = Literal["median", "ensemble"]


@dataclass(frozen=True)
class Choice:
    """The arm that is worth registering, why it is, and which of its runs become the model."""

    arm: ArmEvidence
    runs: tuple[RecordedRun, ...]
    pick: Pick
    passed_over: tuple[str, ...]  # better arms, with runs that did not finish
    why: Literal["only", "proven", "baseline", "mean"]

    @cached_property
    def index(self) -> Index:
        """The images of the study, read when they are first asked for.

        Raises DataError where they are not there, or no longer what they were.
        """
        config, then = self.runs[0].config, self.runs[0].data_digest
        index, _ = reread(lambda: load(index_of(config), config))
        if index.digest != then:
            raise DataError(
                f"{config.data} has changed since the study: its digest was {then} and is "
                f"{index.digest}"
            )
        return index

    @property
    def held_out(self) -> Evaluation | None:
        """The recorded answers to the images that validated all of the runs, averaged.

        None where there is no such image, as each run drew its own.
        """
        known = [run.evaluation for run in self.runs if run.evaluation is not None]
        ids = reduce(np.intersect1d, [evaluation.ids for evaluation in known])
        if not len(ids):
            return None
        rows = [np.searchsorted(evaluation.ids, ids) for evaluation in known]
        shares = [e.probabilities[which] for e, which in zip(known, rows, strict=True)]
        return Evaluation(
            ids, known[0].labels[rows[0]], np.asarray(np.mean(shares, axis=0)), known[0].classes
        )


def choose(evidence: Evidence, pick: Pick) -> Choice:
    """The arm that was shown to be better than the baseline, else the baseline; one run, or all.

    Of several such arms it is the one with the largest difference, and without a baseline the one
    with the best mean. Of its runs it is the one with the median score, of an even number the lower
    of both in the middle: a choice must not flatter. An arm with a run that failed is passed over,
    unless all have one: what is left of it may be luck. Raises NoSuchStudy where nothing finished.
    """
    ranked = evidence.ranked()
    if not ranked:
        raise NoSuchStudy(f"study {evidence.study.run_id} has no finished run to register")
    proven = evidence.proven()
    own = [evidence.baseline] if evidence.baseline in ranked else ranked
    wanted = [*proven, *own]
    whole = [arm for arm in wanted if len(arm.finished) == len(arm.runs)]
    arm = (whole or wanted)[0]
    passed_over = tuple(a.name for a in wanted[: wanted.index(arm)])
    why: Literal["only", "proven", "baseline", "mean"] = "mean"
    if len(evidence.arms) == 1:
        why = "only"
    elif arm in proven:
        why = "proven"
    elif arm is evidence.baseline:
        why = "baseline"
    if pick == "ensemble":
        return Choice(arm, tuple(arm.finished), pick, passed_over, why)
    scores = dict(zip(evidence.study.pairs, evidence.sign * arm.scores, strict=True))
    worst_first = sorted(arm.finished, key=lambda run: (scores[run.pair], run.pair))
    return Choice(arm, (worst_first[(len(worst_first) - 1) // 2],), pick, passed_over, why)
