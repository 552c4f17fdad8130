"""A study, and its record in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from mlp import console
from mlp.data.audit.remarks import remarks
from mlp.data.dataset import index_of, reread
from mlp.escaping import line
from mlp.evidence.findings import weigh
from mlp.evidence.looks import FIRST_LOOK
from mlp.execution.executor import run
from mlp.report import report
from mlp.report.wording import Wording
from mlp.serving.choice import choose
from mlp.settings.commands import EXECUTORS, ExecutorConfig
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.study.plan import Study, plan
from mlp.study.suite import Suite
from mlp.study.tracker import Outcome, Tracker, ended_if_cut_off
from mlp.tracking.mlflow.environment import take_adopted_run
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.tracker import MlflowTracker, open_to_record
from mlp.workflows.rounds import Aim, Rounds


def recorded_study(
    suite: Suite,
    base: RunConfig,
    config: StudyConfig,
    tracking: TrackingConfig,
    reported: ReportConfig,
    executor: ExecutorConfig,
    *,
    store: Store | None = None,
) -> tuple[report.Report, MlflowTracker]:
    """Train what is not recorded yet, and record it with its report: the report, and its tracker.

    `store` is opened where it is not given. Raises MlpError.
    """
    place = EXECUTORS[executor.executor](executor)
    place.check()
    seeds, folds = config.seed_list(base.seed), config.fold_list(base)
    automatic = config.seeds == "auto" and len(suite.arms) > 1
    if config.seeds == "auto" and not automatic:
        seeds = seeds[:FIRST_LOOK]  # with nothing to compare, there is no verdict to wait for

    def planned() -> Study:
        index = index_of(base.changed({"fold": folds[0]}))
        return plan(suite, base, seeds, index, folds, place.here, reported.metric)

    study = reread(planned)
    first = study.specs
    if automatic:
        begun = seeds[:FIRST_LOOK]
        first = tuple(spec for spec in study.specs if spec.config.seed in begun)
    single = len(first) == 1 and not place.apart(first)
    notes = remarks(study.index, base, config.folds)
    say = Wording(reported.lang)
    for note in notes:
        console.err(f"Note: {say.remark(note)}")
    store = store or open_to_record(tracking, take_adopted_run())
    name, folder = f"{suite.name} on {study.index.name}", Path(tracking.runs_dir)
    # With one arm, that is the best
    models = "all" if tracking.models == "best" and len(suite.arms) == 1 else tracking.models
    tracker = MlflowTracker(store, study.label, folder, name=name, single=single, models=models)
    with ended_if_cut_off(tracker):
        if not single:
            tracker.describe(study.base, study.index)
        with place.connect(first) as client:

            def train(part: Study, again: bool = tracking.retrain) -> list[Outcome]:
                return run(part, tracker, config.arms_at_once, again, client)

            if automatic:
                aim = Aim(reported.metric, reported.margin / 100, config.minutes)
                Rounds(study, tracker, notes, aim).train(train)
            else:
                tracker.plan(study.plan(notes), study.split_table())
                outcomes = train(study)
            if models == "best":
                _keep_best(study, tracker, reported.metric, partial(train, again=True))
        studies = tracker.studies
        made = report.publish(studies, studies.read(tracker.run_id), reported, study.index)
        if not single:
            tracker.show(made.terminal, made.pictures)
        elif outcomes[0].run_id != tracker.run_id:
            tracker.refer_to(outcomes[0])
        tracker.end("FAILED" if made.failure else "FINISHED")
    return made, tracker


def _keep_best(
    study: Study, tracker: Tracker, metric: str, train: Callable[[Study], object]
) -> None:
    """Keep the models of the arm that `register` would choose; train again those that are missing.

    Another arm was the best when these were recorded, or no model was kept then.
    """
    for last in (False, True):
        recorded = tracker.studies.read(tracker.run_id)
        if recorded.failure:
            return
        best = choose(weigh(recorded, metric), "ensemble").runs
        lacking = tracker.keep_models([run.run_id for run in best])
        pairs = {run.pair for run in best if run.run_id in lacking}
        again = tuple(
            spec
            for spec in study.specs
            if spec.arm == best[0].arm and (spec.config.seed, spec.config.fold) in pairs
        )
        if last or not again:
            return
        console.out(f"{len(again)} runs of {line(best[0].arm)} have no model: trained again")
        train(replace(study, specs=again))
