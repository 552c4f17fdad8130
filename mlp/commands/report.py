"""Report on recorded studies."""

from mlp.commands.command import Answer, command
from mlp.errors import MlpError
from mlp.settings.commands import FormatConfig, ReportChoice
from mlp.settings.study import ReportConfig


@command(ReportChoice, ReportConfig, FormatConfig)
def report(choice: ReportChoice, config: ReportConfig) -> Answer:
    """Write the report of a study again, from MLflow alone; or compare two studies.

    Nothing is trained. The report replaces the description and the artifacts of the study's run
    that were there. A comparison becomes a run of its own.
    """
    from mlp.evidence.document import document, of_study
    from mlp.evidence.two_studies import between
    from mlp.report import report, two_studies, verification
    from mlp.report.wording import Wording
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.pages import run_page
    from mlp.tracking.mlflow.store import open_store
    from mlp.tracking.mlflow.studies import MlflowStudies

    store = open_store(choice.experiment_name, adopted=take_adopted_run())
    studies = MlflowStudies(store)
    if choice.verify:
        agrees = verification.verify(studies, choice.verify)
        return Answer(agrees, document("verification", {"file": choice.verify, "agrees": True}))
    study = studies.read(studies.find(choice.study))
    page = run_page(study.experiment_id, study.run_id)
    about = {"tracking_uri": store.address}
    if not choice.compare:
        made = report.publish(studies, study, config)
        if store.adopted_run is not None:
            run_id = store.top_run(f"report on {study.name}", "report")
            store.report(run_id, f"The report stands [here]({page}).", {})
        text = f"{made.terminal}\n\n{store.how_to_open(page)}"
        return Answer(text, of_study(made.evidence) | about, made.failure)
    other = studies.read(studies.find(choice.compare))
    for failure in (one.failure for one in (study, other) if one.failure):
        raise MlpError(failure)
    say, margin = Wording(config.lang, config.metric), config.margin / 100
    result = between(study, other, config.metric, margin)
    described = two_studies.markdown(result, say, lambda s: run_page(s.experiment_id, s.run_id))
    with store.command_run(f"{study.name} and {other.name}", "comparison") as run_id:
        store.report(run_id, described, {"comparison.md": described.encode()})
    parts = (
        "\n".join(two_studies.sentences(result, say)),
        two_studies.table(result, say).text(),
        store.how_to_open(store.page(run_id)),
    )
    numbers = two_studies.data(result, margin) | {"run_id": run_id} | about
    return Answer("\n\n".join(parts), numbers)
