"""Reports in MLflow: the description and the artifacts of a run."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlp.tracking.mlflow.store import COPIED, NOTE, Store
from mlp.tracking.mlflow.timed import timed

_REFUSED = r"[^\w./ -]"  # in the name of a metric, by MLflow, whereas arms may be called a=1,b=2


def record_report(
    store: Store,
    run_id: str,
    description: str,
    files: Mapping[str, bytes],
    numbers: Mapping[str, float] | None = None,
) -> None:
    """Make a report the description and the artifacts of a run, in the place of an earlier one.

    `numbers` are what it says in numbers.
    """
    client = store.client
    named = {re.sub(_REFUSED, " ", name): value for name, value in (numbers or {}).items()}
    client.log_batch(run_id, metrics=timed(named, 0))
    said = client.get_run(run_id).data.tags.get(NOTE, "")
    # A single run that was copied has said so there
    copied = said.partition("\n\n")[0] if said.startswith(COPIED) else ""
    client.set_tag(run_id, NOTE, f"{copied}\n\n{description}" if copied else description)
    with tempfile.TemporaryDirectory(prefix="mlp-report-") as folder:
        for name, content in files.items():
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        client.log_artifacts(run_id, folder)
