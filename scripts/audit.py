"""Look at data before believing in numbers: `python -m scripts.audit --data FOLDER`."""

import sys

from mlp import console
from mlp.settings.commands import AuditConfig
from mlp.settings.study import LanguageConfig
from scripts.command import command


@command(AuditConfig, LanguageConfig)
def audit(config: AuditConfig, language: LanguageConfig) -> None:
    """Find copies within and across splits, contradictory classes and damaged files.

    Nothing is changed. The exit code is 0, or 3 with --strict if there is anything to report.
    """
    from mlp.data.audit.findings import audit
    from mlp.data.dataset import reread, source
    from mlp.report import audit as report
    from mlp.report.wording import Wording
    from mlp.tracking.mlflow.environment import take_adopted_run
    from mlp.tracking.mlflow.store import open_store

    say = Wording(language.lang)
    found = reread(lambda: audit(source(config.data, config.layout, config.links)))
    store = open_store(config.experiment_name, adopted=take_adopted_run())
    with store.command_run(f"audit of {found.index.name}", "audit") as run_id:
        description = report.markdown(found, say)
        files = {
            "audit.html": report.html(found, say),
            "audit.csv": report.table_csv(found),
            "audit.md": description,
        }
        encoded = {name: text.encode() for name, text in files.items()}
        store.report(run_id, description, encoded)
    console.out(f"{report.terminal(found, say)}\n\n{store.how_to_open(store.page(run_id))}")
    console.out(f"Written:     run {run_id} of experiment {store.experiment_id},")
    console.out("             with audit.html (thumbnails) and audit.csv among its artifacts")
    if config.strict and found.findings:
        sys.exit(3)


if __name__ == "__main__":
    audit()
