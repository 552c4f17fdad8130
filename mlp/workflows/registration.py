"""The registration of a study's best model, and its record in MLflow."""

from __future__ import annotations

from mlp.evidence.findings import Evidence
from mlp.serving import announcement, registry
from mlp.serving.choice import Pick, choose
from mlp.tracking.mlflow.store import Store


def recorded_registration(
    evidence: Evidence, store: Store, name: str, pick: Pick, force: bool, lang: str
) -> tuple[registry.Registration, str]:
    """Make the best model of a study challenger, and champion if it is: and the id of the run.

    An empty name stands for that of the data. Raises MlpError.
    """
    study = evidence.study
    name = registry.model_name(name, study.data_name)
    choice = choose(evidence, pick)
    with store.command_run(f"register {name}", "registration") as run_id:
        made = registry.register(store, run_id, study, choice, evidence.metric, name, force)
        announcement.record(store, run_id, made, lang)
    return made, run_id
