"""Files of runs: one copy on one disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlp.tracking.mlflow.artifacts import copy_tree, keep, keep_once, local_folder
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
    folder = local_folder(client.get_run(run_id).info.artifact_uri)
    assert folder is not None
    (tmp_path / "files" / "images").mkdir(parents=True)
    (tmp_path / "files" / "images" / "a.png").write_bytes(b"1")
    for _ in range(2):
        keep(client, run_id, tmp_path / "files", folder)
    assert [file.path for file in client.list_artifacts(run_id, "images")] == ["images/a.png"]


def test_artifacts_of_a_service_are_not_here() -> None:
    assert local_folder("s3://bucket/1") is None


def test_equal_files_are_kept_once(tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    for file, content in ((first, "equal"), (second, "equal"), (other, "other")):
        file.write_text(content)
        keep_once(file, tmp_path / "known")
    assert first.samefile(second) and not first.samefile(other)
    # One that is written anew leaves the others as they were
    first.unlink()
    first.write_text("new")
    assert (second.read_text(), other.read_text()) == ("equal", "other")
