"""A sealed folder: any changed, missing or exchanged file is noticed, caches are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlp.learning.seal import SEAL, TamperedModel, check_seal, seal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    for name in (
        "code/mlp/a.py",
        "artifacts/0/weights",
        "artifacts/1/weights",
        "entry.py",
        "other",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


PARTS = ("code", "artifacts", "entry.py")


def test_an_untouched_folder_passes_and_only_its_parts_count(folder: Path) -> None:
    digest = seal(folder, PARTS)
    check_seal(folder, digest)
    (folder / "other").write_text("changed")
    cache = folder / "code" / "mlp" / "__pycache__"
    cache.mkdir()
    (cache / "a.pyc").write_bytes(b"1")
    check_seal(folder, digest)
    assert seal(folder, PARTS) == digest
    assert set(json.loads((folder / SEAL).read_text())) == {
        "code/mlp/a.py",
        "artifacts/0/weights",
        "artifacts/1/weights",
        "entry.py",
    }


@pytest.mark.parametrize("name", ["code/mlp/a.py", "artifacts/1/weights", "entry.py"])
def test_a_changed_or_missing_file_is_named(folder: Path, name: str) -> None:
    digest = seal(folder, PARTS)
    (folder / name).write_bytes((folder / name).read_bytes() + b"\0")
    with pytest.raises(TamperedModel, match=f"^{name} is not the file that was packaged"):
        check_seal(folder, digest)
    (folder / name).unlink()
    with pytest.raises(TamperedModel, match=name):
        check_seal(folder, digest)


def test_files_that_change_places_are_noticed(folder: Path) -> None:
    digest = seal(folder, PARTS)
    one, other = (folder / "artifacts" / str(k) / "weights" for k in range(2))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    with pytest.raises(TamperedModel, match="artifacts/0/weights"):
        check_seal(folder, digest)


def test_a_seal_made_anew_after_a_change_is_refused(folder: Path) -> None:
    digest = seal(folder, PARTS)
    (folder / "artifacts/0/weights").write_bytes(b"others")
    assert seal(folder, PARTS) != digest
    with pytest.raises(TamperedModel, match=f"^{SEAL} is not the one"):
        check_seal(folder, digest)
    (folder / SEAL).unlink()
    with pytest.raises(TamperedModel, match=f"^{SEAL} is not the one"):
        check_seal(folder, digest)
