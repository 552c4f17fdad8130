"""Texts that `mlflow run` has quoted come back as they were, from either system."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.string_utils import mslex_quote

from mlp.settings.training import RunConfig
from mlp.tracking.mlflow.quoting import unquoted
from mlp.tracking.mlflow.store import open_store
from mlp.tracking.mlflow.studies import recorded_settings

_TEXTS = st.text(st.sampled_from("ab é'\"\\^%!&~$*"), max_size=8)


@given(_TEXTS)
def test_what_a_shell_of_unix_would_read_comes_back(text: str) -> None:
    assert unquoted(shlex.quote(text)) == text


@given(_TEXTS)
def test_what_a_shell_of_windows_would_read_comes_back(text: str) -> None:
    quoted = mslex_quote(text)
    try:  # to Unix it is another text, quoted
        (other,) = shlex.split(quoted)
        ambiguous = other != text and shlex.quote(other) == quoted
    except ValueError:
        ambiguous = False
    assert ambiguous or unquoted(quoted) == text


@pytest.mark.usefixtures("fresh_database")
@pytest.mark.parametrize("name", ['x "new"', "'x'", "'x y'", '"x y"', "it's", "a b", "plain"])
@pytest.mark.parametrize("adopted", [False, True])
def test_quotes_in_names_of_folders_are_recorded_as_they_are(
    name: str, adopted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store("mlp")
    run_id = store.new_run("run", {})
    if adopted:  # what mlflow run does
        MlflowClient(store.uri).log_param(run_id, "data", shlex.quote(name))
        monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", store.experiment_id)
        store = open_store("mlp", adopted=run_id)
    config = RunConfig(data=name)
    store.log_params(run_id, config.as_text())
    params = store.client.get_run(run_id).data.params
    assert RunConfig.parse(recorded_settings(params)) == config
    # Where nothing is lost by it, a parameter is there once
    assert ("resolved/data" in params) == (not adopted and name in ("'x y'", '"x y"'))
