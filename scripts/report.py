"""Report on recorded studies: `python -m scripts.report --study latest --lang es`."""

from mlp import console
from mlp.errors import MlpError
from mlp.settings.commands import ReportChoice
from mlp.settings.study import ReportConfig
from scripts.command import command


@command(ReportChoice, ReportConfig)
def report(choice: ReportChoice, config: ReportConfig) -> None:
    """Write the report of a study again, from MLflow alone; or compare two studies.

    Nothing is trained. The report replaces the description and the artifacts of the study's run
    that were there. A comparison becomes a run of its own.
    """
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
        console.out(verification.verify(studies, choice.verify))
        return
    study = studies.read(studies.find(choice.study))
    page = run_page(study.experiment_id, study.run_id)
    made = None
    if not choice.compare:
        made = report.publish(studies, study, config)
        console.out(made.terminal)
        if store.adopted_run is not None:
            run_id = store.top_run(f"report on {study.name}", "report")
            store.report(run_id, f"The report stands [here]({page}).", {})
    else:
        other = studies.read(studies.find(choice.compare))
        for failure in (one.failure for one in (study, other) if one.failure):
            raise MlpError(failure)
        result = between(study, other, config.metric, config.margin / 100)
        say = Wording(config.lang, config.metric)
        text = two_studies.markdown(result, say, lambda s: run_page(s.experiment_id, s.run_id))
        with store.command_run(f"{study.name} and {other.name}", "comparison") as run_id:
            store.report(run_id, text, {"comparison.md": text.encode()})
        page = store.page(run_id)
        console.out("\n".join(two_studies.sentences(result, say)) + "\n")
        console.out(two_studies.table(result, say).text())
    console.out(f"\n{store.how_to_open(page)}")
    if made is not None and made.failure:
        raise MlpError(made.failure)


if __name__ == "__main__":
    report()
