"""A list of what a folder's files should be, so that a changed one is noticed before it is used."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

SEAL = "seal.json"


class TamperedModel(ValueError):
    """A model's file is not the one that was packaged."""


def seal(folder: Path, parts: tuple[str, ...]) -> str:
    """Write `seal.json`, the SHA-256 of some files and folders of `folder`; its own SHA-256.

    Python's caches are left out: they come and go.
    """
    paths = [p for part in parts for p in ((folder / part), *(folder / part).rglob("*"))]
    digests = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(paths)
        if path.is_file() and "__pycache__" not in path.parts
    }
    (folder / SEAL).write_text(json.dumps(digests, indent=1), encoding="utf-8", newline="\n")
    return _digest(folder / SEAL)


def check_seal(folder: Path, digest: str) -> None:
    """Raise TamperedModel where a file is missing or not as it was when `seal` gave `digest`."""
    if not (folder / SEAL).is_file() or _digest(folder / SEAL) != digest:
        raise TamperedModel(f"{SEAL} is not the one that was packaged")
    listed: dict[str, str] = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    for name, expected in listed.items():
        path = folder / name
        if not path.is_file() or _digest(path) != expected:
            raise TamperedModel(f"{name} is not the file that was packaged")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
