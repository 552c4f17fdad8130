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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import psutil

from mlp import console
from mlp.data.cache import cache_folder, replacing
from mlp.data.images.decoding import (
    DECODER_VERSION,
    NOT_AN_IMAGE,
    quiet_decoder,
    read_header,
    significant_bits,
)  # fmt: skip
from mlp.data.images.formats import by_content, by_name
from mlp.data.index import COLUMNS, Refusal
from mlp.errors import DataError, UnreadableImage

# Far above any camera's file, and small enough to hold one for each core
MAX_BYTES = 256 * 2**20
_STATE = ("size", "mtime_ns", "ctime_ns", "inode")
_REMEMBERED = ("path", *_STATE, *COLUMNS[3:])
_HASH = _REMEMBERED.index("sha256")
# The coarsest clock of a file system: a file that was written so shortly before it was read may be
# written again without a trace
_TICK = 2_000_000_000  # nanoseconds
# File systems that keep no time of their own, or only sometimes
_NO_CTIME = ("fuse", "macfuse", "osxfuse", "vfat", "msdos", "exfat", "fat")
_UNREAD = (-1, -1, -1, -1, "", 0, 0, False, 0)  # what is known of a file that cannot be opened
_CHUNK = 4096
_SAVE_EVERY = 64  # chunks: what an interruption that cannot be caught may cost

Row = tuple[object, ...]
File = tuple[str, str, str, str]  # path, class, split, and why it is not to be opened, or ""


@dataclass(frozen=True)
class Files:
    """The files under a folder, read by their paths."""

    root: Path

    def __call__(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def forget(self) -> None:
        """Let the next call of `read_files` read each of them."""
        _memory(self.root).unlink(missing_ok=True)


def read_files(root: Path, files: Sequence[File]) -> pd.DataFrame:
    """The table of an index of files under `root`, sorted by path.

    What an earlier call read of files that have not changed is not read again. Interrupted, it
    keeps what it has read.
    """
    memory = _memory(root)
    known = _recall(memory)
    parts: list[pd.DataFrame] = []
    unsaved = 0
    try:
        for chunk, new in _chunks(root, files, known):
            parts.append(chunk)
            unsaved += new
            if unsaved >= _SAVE_EVERY * _CHUNK:
                _remember(memory, parts, known)
                unsaved = 0
    finally:
        if unsaved:
            _remember(memory, parts, known)
    table = pd.concat(parts, ignore_index=True)
    parts.clear()
    table["class"], table["split"] = [file[1] for file in files], [file[2] for file in files]
    in_order = table["path"].is_monotonic_increasing
    return (table if in_order else table.sort_values("path", ignore_index=True))[list(COLUMNS)]


def _memory(root: Path) -> Path:
    """The file in which is kept what was read of the files under a folder."""
    place = f"{DECODER_VERSION} {root}".encode("utf-8", "surrogateescape")
    return cache_folder() / f"index-{hashlib.sha256(place).hexdigest()[:32]}.parquet"


def _chunks(
    root: Path, files: Sequence[File], known: pd.DataFrame
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Rows in the order of the files, some thousand at a time, and how many were read anew."""
    places = pd.Index(known["path"])
    dated: dict[int, bool] = {}
    bar = console.passing(None, "indexing", total=len(files), unit=" images")
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(0, len(files), _CHUNK):
            part = files[start : start + _CHUNK]
            found = places.get_indexer([path for path, *_ in part])
            remembered = known.iloc[found[found >= 0]].itertuples(index=False, name=None)
            old = {row[0]: row for row in remembered}
            # Asking whether a file has changed takes less time than asking a thread to do it
            rows = [_unchanged(root, old, file, dated) for file in part]
            changed = [file for file, row in zip(part, rows, strict=True) if row is None]
            anew = pool.map(partial(_row, root, old), changed)
            rows = [row or next(anew) for row in rows]
            bar.update(len(rows))
            yield pd.DataFrame(rows, columns=list(_REMEMBERED)), len(changed)


def _recall(memory: Path) -> pd.DataFrame:
    """The rows that were read before, none where their file was damaged."""
    columns = list(_REMEMBERED)
    try:
        table = pd.read_parquet(memory, columns=columns, page_checksum_verification=True)
    except Exception:  # there is none yet, or whatever a flipped bit makes of Arrow's reader
        return pd.DataFrame(columns=columns)
    return table.drop_duplicates("path", keep="last", ignore_index=True)


def _remember(memory: Path, parts: list[pd.DataFrame], known: pd.DataFrame) -> None:
    """Keep the rows that were read, and those known of files that were not reached."""
    read = pd.concat(parts, ignore_index=True)
    unreached = known[~known["path"].isin(read["path"])]
    every = pd.concat([unreached, read], ignore_index=True) if len(unreached) else read
    # Files that could not be read are tried again
    every = every[every["size"] >= 0]
    with replacing(memory) as target:
        every.to_parquet(target, index=False, write_page_checksum=True)


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
    """The parts of a file's status that change with its content: _STATE."""
    inode = status.st_ino & (2**63 - 1)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode


def _unchanged(
    root: Path, old: Mapping[str, Row], file: File, dated: dict[int, bool]
) -> Row | None:
    """The row that is remembered of a file, if it certainly has not changed.

    `dated`: the devices whose file systems keep dates, and those whose do not.
    """
    known = old.get(file[0])
    if known is None or file[3]:
        return None
    # A Path made for each image would take longer than the question
    path = os.path.join(root, file[0])  # noqa: PTH118
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    if status.st_dev not in dated:  # links lead to others
        dated[status.st_dev] = _keeps_dates(Path(path).resolve())
    return known if known[1:_HASH] == _state(status) and dated[status.st_dev] else None


def _row(root: Path, old: Mapping[str, Row], file: File) -> Row:
    """One row with the columns _REMEMBERED; an old one of the same content stays valid."""
    path, _, _, refusal = file
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
