"""Models that wait for the end of their study: then some are kept, and the others removed."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from mlflow.entities import LoggedModelOutput
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils import get_results_from_paginated_fn

from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.artifacts import local_folder
from mlp.tracking.mlflow.store import Store
from mlp.tracking.mlflow.waiting import wait_for


def settle(store: Store, study: str, parent: str, chosen: Collection[str]) -> None:
    """Attach the models of chosen runs of a study to them, and remove those of the other runs.

    Of these, only the children of the run `parent`: whatever else there is may be needed by another
    command. What is registered stays. Done again after an interruption, it does what was left.
    """
    client = store.client
    waiting = f"tags.`{names.WAITING}` = '{study}'"

    def page(most: int, token: str | None) -> Any:
        search = client.search_logged_models
        return search([store.experiment_id], waiting, max_results=most, page_token=token)

    own = {run.info.run_id for run in store.search(f"tags.`{names.PARENT}` = '{parent}'")}
    for model in list(get_results_from_paginated_fn(page, 100)):
        run_id, model_id = model.source_run_id, model.model_id
        if run_id in chosen or client.search_model_versions(f"run_id = '{run_id}'"):
            client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
            client.delete_logged_model_tag(model_id, names.WAITING)
        elif run_id in own:
            files = get_artifact_repository(model.artifact_location)
            wait_for(files.delete_artifacts, store.uri, store.limit)
            if place := local_folder(model.artifact_location):
                with suppress(OSError):
                    place.parent.rmdir()
            client.delete_logged_model(model_id)
