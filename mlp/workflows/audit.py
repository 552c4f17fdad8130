"""An audit, and its record in MLflow."""

from __future__ import annotations

from mlp.data.audit.findings import Audit
from mlp.report import audit as report
from mlp.report.wording import Wording
from mlp.tracking.mlflow.store import Store


def recorded_audit(found: Audit, store: Store, say: Wording) -> str:
    """Record the page and the table of an audit: the id of the run."""
    with store.command_run(f"audit of {found.index.name}", "audit") as run_id:
        description = report.markdown(found, say)
        files = {
            "audit.html": report.html(found, say),
            "audit.csv": report.table_csv(found),
            "audit.md": description,
        }
        store.report(run_id, description, {name: text.encode() for name, text in files.items()})
    return run_id
