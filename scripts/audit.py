"""Look at data before believing in numbers: `python -m scripts.audit --data FOLDER`."""

import sys

from mlp import console
from mlp.settings.commands import AuditConfig
from scripts.command import command


@command(AuditConfig)
def audit(config: AuditConfig) -> None:
    """Find copies within and across splits, contradictory classes and damaged files.

    Nothing is changed. The exit code is 0, or 3 with --strict if there is anything to report.
    """
    from mlp.data.audit.findings import audit
    from mlp.data.dataset import reread, source
    from mlp.report import audit_page
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.reports import record_report
    from mlp.tracking.mlflow.store import KIND, open_store

    found = reread(lambda: audit(source(config.data, config.layout, config.links)))
    store = open_store(config.experiment_name, adopted=take_adopted_run())
    with store.command_run(f"audit of {found.index.name}", {KIND: "audit"}) as run_id:
        description = audit_page.markdown(found)
        files = {
            "audit.html": audit_page.html(found),
            "audit.csv": audit_page.table_csv(found),
            "audit.md": description,
        }
        encoded = {name: text.encode() for name, text in files.items()}
        record_report(store, run_id, description, encoded)
    console.out(f"{audit_page.terminal(found)}\n\n{store.how_to_open(store.page(run_id))}")
    console.out(f"Written:     run {run_id} of experiment {store.experiment_id},")
    console.out("             with audit.html (thumbnails) and audit.csv among its artifacts")
    if config.strict and found.findings:
        sys.exit(3)


if __name__ == "__main__":
    audit()
