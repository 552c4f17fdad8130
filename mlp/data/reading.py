"""Files to rows of an index: each is read once, hashed, and remembered while it does not change.

Size and time of change say little: zip, tar, rsync -t and cp -p bring old times along, and BMP
files of one size have one length. The time at which the system last changed a file's entry (ctime)
and its number (inode) cannot be set; where a system does not keep them, or a file was changed just
before it was read, its content is hashed again.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from mlp import console
from mlp.data.cache import cache_folder
from mlp.data.images.decoding import (
    DECODER_VERSION,
    NOT_AN_IMAGE,
    quiet_decoder,
    read_header,
    significant_bits,
)  # fmt: skip
from mlp.data.images.formats import by_content, by_name
from mlp.data.index import COLUMNS, Refusal
from mlp.data.remembered import SCHEMA, STATE, Remembered, Row, table_of
from mlp.errors import DataError, UnreadableImage

# Of files to be read: `reason` says why one is not to be opened, or ""
TO_READ = ("path", "class", "split", "reason")
# Far above any camera's file, and small enough to hold one for each core
MAX_BYTES = 256 * 2**20
_HASH = SCHEMA.names.index("sha256")
# The coarsest clock of a file system: a file that was written so shortly before it was read may be
# written again without a trace
_TICK = 2_000_000_000  # nanoseconds
# File systems that keep no time of their own, or only sometimes
_NO_CTIME = ("fuse", "macfuse", "osxfuse", "vfat", "msdos", "exfat", "fat")
_UNREAD = (-1, -1, -1, -1, "", 0, 0, False, 0)  # what is known of a file that cannot be opened
_CHUNK = 4096
_SAVE_EVERY = 64  # chunks: what an interruption that cannot be caught may cost


@dataclass(frozen=True)
class Files:
    """The files under a folder, read by their paths."""

    root: Path

    def __call__(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def forget(self) -> None:
        """Let the next call of `read_files` read each of them."""
        _memory(self.root).unlink(missing_ok=True)


def read_files(root: Path, files: pd.DataFrame) -> pd.DataFrame:
    """The table of an index of files under `root`: of columns TO_READ, sorted by path.

    What an earlier call read of files that have not changed is not read again. Interrupted, it
    keeps what it has read.
    """
    known = Remembered(_memory(root))
    kinds = dict.fromkeys(TO_READ[1:], "category")
    given = pa.Table.from_pandas(files[list(TO_READ)].astype(kinds), preserve_index=False)
    parts: list[pa.Table] = []
    unsaved = 0
    try:
        for part, new in _parts(root, given, known):
            parts.append(part)
            unsaved += new
            if unsaved >= _SAVE_EVERY * _CHUNK:
                known.save(parts)
                unsaved = 0
    finally:
        if unsaved:
            known.save(parts)
    read = pa.concat_tables(parts)
    parts.clear()
    columns = dict(zip(read.column_names, read.columns, strict=True))
    columns |= {name: given[name] for name in ("path", "class", "split")}
    columns |= {name: _as_numbers(read[name]) for name in ("refusal", "reason")}
    table: pd.DataFrame = pa.table({name: columns[name] for name in COLUMNS}).to_pandas()
    return table


def _as_numbers(texts: pa.ChunkedArray) -> pa.DictionaryArray:
    """Texts that repeat, as places in the sorted list of them."""
    different = pc.unique(texts).sort()
    places = pc.index_in(texts, different).combine_chunks()
    return pa.DictionaryArray.from_arrays(places, different)


def _memory(root: Path) -> Path:
    """The file in which is kept what was read of the files under a folder."""
    place = f"{DECODER_VERSION} sorted {root}".encode("utf-8", "surrogateescape")
    return cache_folder() / f"index-{hashlib.sha256(place).hexdigest()[:32]}.parquet"


def _parts(root: Path, given: pa.Table, known: Remembered) -> Iterator[tuple[pa.Table, int]]:
    """Rows in the order of the files, some thousand at a time, and how many were read anew."""
    dated: dict[int, bool] = {}
    bar = console.passing(None, "indexing", total=len(given), unit=" images")
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(0, len(given), _CHUNK):
            part = given.slice(start, _CHUNK)
            paths, refusals = part["path"].to_pylist(), part["reason"].to_pylist()
            old, places = known.of(paths)
            states = list(zip(*(old[column].to_pylist() for column in STATE), strict=True))
            # Asking whether a file has changed takes less time than asking a thread to do it
            same = [
                place >= 0 and not refusal and _unchanged(root, path, states[place], dated)
                for path, refusal, place in zip(paths, refusals, places, strict=True)
            ]
            anew = np.flatnonzero(~np.array(same, bool))
            if len(anew):
                before = old.take(places[anew][places[anew] >= 0]).to_pylist()
                content = {row["path"]: tuple(row.values()) for row in before}
                changed = ((paths[row], refusals[row]) for row in anew)
                new = table_of(list(pool.map(partial(_row, root, content), changed)))
                places[anew] = len(old) + np.arange(len(anew))
                old = pa.concat_tables([old, new])
            bar.update(len(part))
            in_order = np.array_equal(places, np.arange(len(old)))
            rows = old if in_order else old.take(places)
            # The same texts once
            yield rows.set_column(0, "path", part["path"]), len(anew)


def _keeps_dates(path: Path) -> bool:
    """Tell whether the file system of a file notes by itself when it was changed."""
    if os.name == "nt":
        return False  # its ctime is when the file was made
    try:
        partitions = psutil.disk_partitions(all=True)
    except OSError:
        return False
    mounted = {Path(part.mountpoint): part.fstype.lower() for part in partitions}
    kind = next((mounted[place] for place in (path, *path.parents) if place in mounted), "")
    return not kind.startswith(_NO_CTIME)


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    """The parts of a file's status that change with its content: STATE."""
    inode = status.st_ino & (2**63 - 1)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode


def _unchanged(root: Path, path: str, state: Row, dated: dict[int, bool]) -> bool:
    """Tell whether a file certainly has not changed since its STATE was this one.

    `dated`: the devices whose file systems keep dates, and those whose do not.
    """
    # A Path made for each image would take longer than the question
    place = os.path.join(root, path)  # noqa: PTH118
    try:
        status = os.stat(place)  # noqa: PTH116
    except OSError:
        return False
    if status.st_dev not in dated:  # links lead to others
        dated[status.st_dev] = _keeps_dates(Path(place).resolve())
    return state == _state(status) and dated[status.st_dev]


def _row(root: Path, old: Mapping[str, Row], file: tuple[str, str]) -> Row:
    """One row of SCHEMA; an old one of the same content stays valid."""
    path, refusal = file
    if refusal:
        return (path, *_UNREAD, Refusal.DAMAGED, refusal)
    begun = time.time_ns()
    try:
        data, status = read_whole(root / path)
    except UnreadableImage as error:
        stray = by_name(path) is None and Path(path).suffix != ""
        said = (Refusal.STRAY, NOT_AN_IMAGE) if stray else (Refusal.DAMAGED, str(error))
        return (path, *_UNREAD, *said)
    size, mtime, ctime, inode = _state(status)
    if ctime > begun - _TICK:
        ctime = -1  # in doubt
    digest = hashlib.sha256(data).hexdigest()
    where = path, size, mtime, ctime, inode, digest
    known = old.get(path)
    if known is not None and known[_HASH] == digest:
        return (*where, *known[_HASH + 1 :])
    try:
        header = read_header(data)
        depth = significant_bits(data) if header.wide else 0
    except UnreadableImage as error:
        stray = by_name(path) is None and by_content(data) is None
        kind = Refusal.STRAY if stray else Refusal.DAMAGED
        return (*where, 0, 0, False, 0, kind, said_of(path, data, str(error)))
    except MemoryError:
        raise DataError(
            f"not enough memory to decode {path}: close other programs, or make that image smaller"
        ) from None
    return (*where, header.width, header.height, header.gray, depth, "", "")


def said_of(path: str, data: bytes, reason: str) -> str:
    """The reason why a file cannot be used, or what its ending says where its content says nothing.

    An empty file has no content that could say anything, and no need of its ending.
    """
    claimed = by_name(path)
    if data and by_content(data) is None and claimed is not None and not claimed.reader:
        return claimed.refusal
    return reason


def read_whole(path: Path) -> tuple[bytes, os.stat_result]:
    """The bytes of a file and its status. Raises UnreadableImage for what no image is kept in."""
    try:
        for _ in range(2):  # it may be written just now
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImage("not a file that could be read to its end")
            if status.st_size > MAX_BYTES:
                limit = MAX_BYTES // 2**20
                raise UnreadableImage(f"{status.st_size // 2**20} MiB, more than {limit}")
            data = path.read_bytes()
            if len(data) == status.st_size:
                return data, status
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None
    raise UnreadableImage("changed while it was being read")
