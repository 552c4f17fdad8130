"""A sealed folder: any file that was added, removed, changed or linked is noticed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlp.errors import TamperedModel
from mlp.model.seal import BLANK, SEAL, check_seal, is_sealed, seal

FILES = (
    "MLmodel",
    "artifacts/0/weights",
    "artifacts/1/weights",
    "code/mlp/a.py",
    "entry.py",
    "input_example.json",
    "requirements.txt",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    (root / "MLmodel").write_text(f"config:\n  digest: {BLANK}\nrun_id: 1\n", encoding="utf-8")
    return root


def test_an_untouched_folder_passes_and_every_file_counts(folder: Path) -> None:
    assert is_sealed(folder)
    digest = seal(folder)
    assert check_seal(folder) == digest
    assert f"digest: {digest}\n" in (folder / "MLmodel").read_text()
    assert tuple(json.loads((folder / SEAL).read_text())) == FILES
    assert seal(folder) == digest == check_seal(folder)


def test_what_mlflow_adds_to_a_download_passes_and_empty_folders_do(folder: Path) -> None:
    digest = seal(folder)
    (folder / "registered_model_meta").write_text("model_name: a\n")
    (folder / "nothing").mkdir()
    assert check_seal(folder) == digest


def remove(path: Path) -> None:
    path.unlink()


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def link(path: Path) -> None:
    outside = Path(*path.parts[: path.parts.index("model")]) / "elsewhere"
    path.rename(outside)
    path.symlink_to(outside)


def enclose(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("tamper", [remove, change, empty, link, enclose])
@pytest.mark.parametrize("name", [*FILES, SEAL])
def test_no_file_can_be_changed(folder: Path, name: str, tamper: Callable[[Path], None]) -> None:
    seal(folder)
    tamper(folder / name)
    with pytest.raises(TamperedModel, match=name):
        check_seal(folder)
    assert is_sealed(folder)


@pytest.mark.parametrize(
    "name",
    [
        "artifacts/2/weights",
        "code/mlp/zzz.py",
        "code/sitecustomize.py",
        "code/x.pth",
        "code/mlp/__pycache__/a.cpython-311.pyc",
        "__pycache__/entry.cpython-311.pyc",
        "code/registered_model_meta",
        ".hidden",
        "MLmodel.bak",
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_no_file_can_be_added(folder: Path, name: str, linked: bool) -> None:
    seal(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if linked:
        (folder / name).symlink_to(folder / "entry.py")
    else:
        (folder / name).write_bytes(b"")
    with pytest.raises(TamperedModel, match=name):
        check_seal(folder)


def test_a_folder_cannot_be_a_link(folder: Path, tmp_path: Path) -> None:
    seal(folder)
    (folder / "artifacts" / "1").rename(tmp_path / "1")
    (folder / "artifacts" / "1").symlink_to(tmp_path / "1", target_is_directory=True)
    with pytest.raises(TamperedModel, match="'artifacts/1' is a link"):
        check_seal(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    seal(folder)
    (folder / "entry.py").unlink()
    os.mkfifo(folder / "entry.py")
    with pytest.raises(TamperedModel, match=r"entry\.py"):
        check_seal(folder)


def test_files_that_change_places_are_noticed(folder: Path) -> None:
    seal(folder)
    one, other = (folder / "artifacts" / str(k) / "weights" for k in range(2))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(TamperedModel, match="artifacts/0/weights"):
        check_seal(folder)


def test_a_seal_made_anew_after_a_change_is_another(folder: Path) -> None:
    digest = seal(folder)
    (folder / "artifacts/0/weights").write_bytes(b"others")
    before = (folder / "MLmodel").read_bytes()
    anew = seal(folder)
    assert check_seal(folder) == anew != digest
    (folder / "MLmodel").write_bytes(before)
    with pytest.raises(TamperedModel, match=f"^{SEAL} is not the one"):
        check_seal(folder)


@pytest.mark.parametrize("content", [b"", b"run_id: 1\n", b"\xff\0", BLANK.encode() * 2])
def test_a_description_without_its_one_digest_is_refused(folder: Path, content: bytes) -> None:
    seal(folder)
    (folder / "MLmodel").write_bytes(content)
    with pytest.raises(TamperedModel, match=r"^MLmodel is not"):
        check_seal(folder)


def test_a_folder_without_a_seal_is_not_sealed(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    assert not is_sealed(tmp_path)
