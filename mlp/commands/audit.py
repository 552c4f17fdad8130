"""Look at data before believing in numbers."""

from mlp.commands.command import Answer, command
from mlp.settings.commands import AuditConfig, FormatConfig
from mlp.settings.study import LanguageConfig


@command(AuditConfig, LanguageConfig, FormatConfig)
def audit(config: AuditConfig, language: LanguageConfig) -> Answer:
    """Find copies within and across splits, contradictory classes and damaged files.

    Nothing is changed. The exit code is 0, or 3 with --strict if there is anything to report.
    """
    from mlp.data.audit.findings import audit
    from mlp.data.dataset import reread, source
    from mlp.report import audit as report
    from mlp.report.wording import Wording
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.store import open_store
    from mlp.workflows.audit import recorded_audit

    say = Wording(language.lang)
    found = reread(lambda: audit(source(config.data, config.layout, config.links)))
    store = open_store(config.experiment_name, adopted=take_adopted_run())
    run_id = recorded_audit(found, store, say)
    text = f"""{report.terminal(found, say)}

{store.how_to_open(store.page(run_id))}
Written:     run {run_id} of experiment {store.experiment_id},
             with audit.html (thumbnails) and audit.csv among its artifacts"""
    document = report.data(found) | {"run_id": run_id, "tracking_uri": store.address}
    return Answer(text, document, exit_code=3 * bool(config.strict and found.findings))
