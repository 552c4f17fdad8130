"""A list of all files of a model's folder: one that was added, removed or changed is noticed.

`seal.json` has the SHA-256 of each file, MLflow's `MLmodel` among them. Its own digest stands in
`MLmodel`, where it counts as blank. So whoever knows the digest knows the whole folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

from mlp.errors import TamperedModel

SEAL, DESCRIPTION = "seal.json", "MLmodel"
BLANK = f"seal-{0:064d}"  # stands in MLmodel until the folder is sealed
_DIGEST = re.compile(rb"seal-[0-9a-f]{64}")
# MLflow writes it into what it downloads: a name and a version, which nothing here reads
_ADDED_BY_MLFLOW = "registered_model_meta"


def seal(folder: Path) -> str:
    """Write `seal.json` and its digest into `MLmodel`, which holds `BLANK`; the digest."""
    digests = _digests(folder)
    text = json.dumps(digests, indent=1)
    (folder / SEAL).write_text(text, encoding="utf-8", newline="\n")
    digest = f"seal-{hashlib.sha256(text.encode()).hexdigest()}"
    described = (folder / DESCRIPTION).read_bytes()
    (folder / DESCRIPTION).write_bytes(_DIGEST.sub(digest.encode(), described))
    return digest


def is_sealed(folder: Path) -> bool:
    """True where there is a sign of a seal, good or not."""
    return os.path.lexists(folder / SEAL) or bool(_DIGEST.search(_description(folder)))


def check_seal(folder: Path) -> str:
    """The digest that `seal` gave. Raises TamperedModel where the files are not those of then.

    A link is refused whatever it leads to, and a file of Python's caches as any other.
    """
    present = _digests(folder)
    found = _DIGEST.findall(_description(folder))
    if len(found) != 1:
        raise TamperedModel(f"{DESCRIPTION} is not the file that was packaged")
    content = (folder / SEAL).read_bytes() if (folder / SEAL).is_file() else b""
    if f"seal-{hashlib.sha256(content).hexdigest()}".encode() != found[0]:
        raise TamperedModel(f"{SEAL} is not the one that was packaged")
    listed: dict[str, str] = json.loads(content)
    for name, digest in present.items():
        if name not in listed:
            raise TamperedModel(f"{name!r} is not among the files that were packaged")
        if digest != listed[name]:
            raise TamperedModel(f"{name} is not the file that was packaged")
    for name in listed:
        if name not in present:
            raise TamperedModel(f"{name}, which was packaged, is missing")
    return str(found[0], "ascii")


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of all files that count, by their paths within the folder."""
    found = {}
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in sorted(folders + files)):
            name, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise TamperedModel(f"{name!r} is a link or no file, where files were packaged")
            if name == DESCRIPTION:
                blank = _DIGEST.sub(BLANK.encode(), _description(folder))
                found[name] = hashlib.sha256(blank).hexdigest()
            elif name not in (SEAL, _ADDED_BY_MLFLOW):
                with path.open("rb") as file:
                    found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return dict(sorted(found.items()))


def _description(folder: Path) -> bytes:
    path = folder / DESCRIPTION
    return path.read_bytes() if path.is_file() else b""
