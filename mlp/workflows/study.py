"""A study, and its record in MLflow."""

from __future__ import annotations

from pathlib import Path

from mlp import console
from mlp.data.audit.remarks import remarks
from mlp.data.dataset import index_of, reread
from mlp.evidence.looks import FIRST_LOOK
from mlp.execution.executor import run
from mlp.report import report
from mlp.report.wording import Wording
from mlp.settings.commands import EXECUTORS, ExecutorConfig
from mlp.settings.study import ReportConfig, StudyConfig, TrackingConfig
from mlp.settings.training import RunConfig
from mlp.study.plan import Study, plan
from mlp.study.suite import Suite
from mlp.study.tracker import Outcome, ended_if_cut_off
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
    tracker = MlflowTracker(store, study.label, folder, name=name, single=single)
    with ended_if_cut_off(tracker):
        if not single:
            tracker.describe(study.base, study.index)
        with place.connect(first) as client:

            def train(part: Study) -> list[Outcome]:
                return run(part, tracker, config.arms_at_once, tracking.retrain, client)

            if automatic:
                aim = Aim(reported.metric, reported.margin / 100, config.minutes)
                Rounds(study, tracker, notes, aim).train(train)
            else:
                tracker.plan(study.plan(notes), study.split_table())
                outcomes = train(study)
        studies = tracker.studies
        made = report.publish(studies, studies.read(tracker.run_id), reported, study.index)
        if not single:
            tracker.show(made.terminal, made.pictures)
        elif outcomes[0].run_id != tracker.run_id:
            tracker.refer_to(outcomes[0])
        tracker.end("FAILED" if made.failure else "FINISHED")
    return made, tracker
