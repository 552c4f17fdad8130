"""Files of runs: one copy on one disk."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from mlflow import MlflowClient

from mlp.tracking.mlflow.artifacts import copy_tree, keep, local_artifacts
from mlp.tracking.mlflow.store import open_store


def test_a_copy_on_the_same_disk_takes_no_room(tmp_path: Path) -> None:
    source = tmp_path / "events" / "deep"
    source.mkdir(parents=True)
    (source / "a").write_text("one")
    copy_tree(source.parent, tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "a").samefile(source / "a")
    # What was made anew has replaced the file, and the copy is as it was
    (source / "a").unlink()
    (source / "a").write_text("two")
    assert (tmp_path / "copy" / "deep" / "a").read_text() == "one"


def test_where_no_link_can_be_made_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("one")
    copy_tree(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "file").read_text() == "one"
    assert not (tmp_path / "b" / "file").samefile(tmp_path / "a" / "file")


def test_artifacts_are_found_by_mlflow_and_may_be_kept_twice(
    fresh_database: None, tmp_path: Path
) -> None:
    store = open_store("mlp")
    client, run_id = store.client, store.new_run("run", {})
    folder = local_artifacts(client, run_id)
    assert folder is not None
    (tmp_path / "files" / "images").mkdir(parents=True)
    (tmp_path / "files" / "images" / "a.png").write_bytes(b"1")
    for _ in range(2):
        keep(client, run_id, tmp_path / "files", folder)
    assert [file.path for file in client.list_artifacts(run_id, "images")] == ["images/a.png"]


def test_artifacts_of_a_service_are_not_here() -> None:
    run = SimpleNamespace(info=SimpleNamespace(artifact_uri="s3://bucket/1"))
    client = SimpleNamespace(get_run=lambda _: run)
    assert local_artifacts(cast(MlflowClient, client), "1") is None
