"""Report on recorded studies: `python -m scripts.report --study latest --lang es`."""

import click

from mlp import console
from mlp.settings.commands import ReportChoice
from mlp.settings.study import ReportConfig
from scripts.command import command


@command(ReportChoice, ReportConfig)
def report(choice: ReportChoice, config: ReportConfig) -> None:
    """Write the report of a study again, from MLflow alone; or compare two studies.

    Nothing is trained. The report becomes the description and the artifacts of the study's run, in
    the place of the one that was there. A comparison becomes a run of its own.
    """
    from mlp.report import report
    from mlp.report import two_studies as between
    from mlp.report.wording import Wording
    from mlp.tracking.mlflow.pages import run_page
    from mlp.tracking.mlflow.recorded import find_study, read_study, record_report
    from mlp.tracking.mlflow.store import open_store

    store = open_store(choice.experiment_name)
    study = find_study(store, choice.study)
    page = run_page(study.info.experiment_id, study.info.run_id)
    made = None
    if not choice.compare:
        made = report.publish(store, study, config)
        console.out(made.terminal)
        if store.adopted_run is not None:
            store.top_run(f"report on {study.info.run_name}", {"mlp.kind": "report"})
            note = f"The report stands [here]({page})."
            record_report(store, store.adopted_run, note, {})
    else:
        other = find_study(store, choice.compare)
        both = read_study(store, study), read_study(store, other)
        for failure in (one.failure for one in both if one.failure):
            raise click.ClickException(failure)
        result = between.between(*both, config.metric)
        say = Wording(config.lang, config.metric)
        name = f"{study.info.run_name} and {other.info.run_name}"
        run_id = store.top_run(name, {"mlp.kind": "comparison"})
        text = between.markdown(result, say, lambda s: run_page(s.experiment_id, s.run_id))
        page = store.page(run_id)
        record_report(store, run_id, text, {"comparison.md": text.encode()})
        store.client.set_terminated(run_id)
        console.out("\n".join(between.sentences(result, say)) + "\n")
        console.out(between.table(result, say).text())
    console.out(f"\n{store.how_to_open(page)}")
    if made is not None and made.failure:
        raise click.ClickException(made.failure)


if __name__ == "__main__":
    report()
