"""Files to rows of an index: each is read once, hashed, and remembered while it does not change."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from mlp.data.cache import cache_folder, replacing
from mlp.data.image import DECODER_VERSION, Header, UnreadableImage, quiet_decoder, read_header
from mlp.data.index import COLUMNS

# Far above any camera's file, and small enough to hold one for each core
MAX_BYTES = 256 * 2**20
_REMEMBERED = ("path", "size", "mtime_ns", "sha256", "width", "height", "gray", "reason")
_CHUNK = 4096
_SAVE_EVERY = 64  # chunks: what an interruption that cannot be caught may cost

Row = tuple[object, ...]


def read_files(root: Path, files: Sequence[tuple[str, str, str]]) -> pd.DataFrame:
    """The table of an index of (path, class, split) files under `root`, sorted by path.

    What an earlier call read of files with the same size and time of change is not read again.
    Interrupted, it keeps what it has read.
    """
    place = f"{DECODER_VERSION} {root}".encode("utf-8", "surrogateescape")
    memory = cache_folder() / f"index-{hashlib.sha256(place).hexdigest()[:32]}.parquet"
    known = _recall(memory)
    parts: list[pd.DataFrame] = []
    unsaved = 0
    try:
        for chunk, new in _chunks(root, [path for path, _, _ in files], known):
            parts.append(chunk)
            unsaved += new
            if unsaved >= _SAVE_EVERY * _CHUNK:
                _remember(memory, parts, known)
                unsaved = 0
    finally:
        if unsaved:
            _remember(memory, parts, known)
    table = pd.concat(parts, ignore_index=True).drop(columns=["size", "mtime_ns"])
    parts.clear()
    table.insert(1, "class", [cls for _, cls, _ in files])
    table.insert(2, "split", [split for _, _, split in files])
    assert tuple(table.columns) == COLUMNS
    in_order = table["path"].is_monotonic_increasing
    return table if in_order else table.sort_values("path", ignore_index=True)


def _chunks(
    root: Path, paths: Sequence[str], known: pd.DataFrame
) -> Iterator[tuple[pd.DataFrame, int]]:
    """Rows in the order of the paths, some thousand at a time, and how many were read anew."""
    places = pd.Index(known["path"])
    bar = tqdm(
        total=len(paths), desc="indexing", unit=" images", disable=None, delay=1, leave=False
    )
    with quiet_decoder(), ThreadPoolExecutor() as pool, bar:
        for start in range(0, len(paths), _CHUNK):
            part = paths[start : start + _CHUNK]
            found = places.get_indexer(part)
            remembered = iter(known.iloc[found[found >= 0]].itertuples(index=False, name=None))
            old = [next(remembered) if place >= 0 else None for place in found]
            # Asking whether a file has changed takes less time than asking a thread to do it
            rows = [_unchanged(root, row) for row in old]
            changed = [k for k, row in enumerate(rows) if row is None]
            anew = pool.map(_row, [root] * len(changed), [part[k] for k in changed])
            for k, row in zip(changed, anew, strict=True):
                rows[k] = row
            bar.update(len(rows))
            yield pd.DataFrame(rows, columns=list(_REMEMBERED)), len(changed)


def _recall(memory: Path) -> pd.DataFrame:
    """What was read before, or nothing where that was damaged."""
    empty = pd.DataFrame(columns=list(_REMEMBERED))
    if not memory.exists():
        return empty
    try:
        table = pq.read_table(
            memory, columns=list(_REMEMBERED), page_checksum_verification=True
        ).to_pandas()
    except (OSError, ValueError, KeyError, pa.ArrowException):  # Arrow has errors of its own
        return empty
    return table.drop_duplicates("path", keep="last", ignore_index=True)


def _remember(memory: Path, parts: list[pd.DataFrame], known: pd.DataFrame) -> None:
    """Keep what was read, and what was known of files that were not reached."""
    read = pd.concat(parts, ignore_index=True)
    unreached = known[~known["path"].isin(read["path"])]
    every = pd.concat([unreached, read], ignore_index=True) if len(unreached) else read
    # Files that could not be read are tried again
    every = every[every["size"] >= 0]
    with replacing(memory) as target:
        pq.write_table(
            pa.Table.from_pandas(every, preserve_index=False), target, write_page_checksum=True
        )


def _unchanged(root: Path, known: Row | None) -> Row | None:
    """What is remembered of a file, if it has the same size and time of change."""
    if known is None:
        return None
    try:
        # A Path made for each image would take longer than the question
        status = os.stat(f"{root}/{known[0]}")  # noqa: PTH116
    except OSError:
        return None
    return known if known[1:3] == (status.st_size, status.st_mtime_ns) else None


def _row(root: Path, path: str) -> Row:
    """One row with the columns _REMEMBERED."""

    def refused(reason: str) -> Row:
        return (path, -1, -1, "", 0, 0, False, reason)

    try:
        data, status = read_whole(root / path)
    except UnreadableImage as error:
        return refused(str(error))
    digest = hashlib.sha256(data).hexdigest()
    try:
        header, reason = read_header(data), ""
    except UnreadableImage as error:
        header, reason = Header(0, 0, False), str(error)
    where = path, status.st_size, status.st_mtime_ns, digest
    return (*where, header.width, header.height, header.gray, reason)


def read_whole(path: Path) -> tuple[bytes, os.stat_result]:
    """The bytes of a file and its status. Raises UnreadableImage for what no image is kept in."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage("not a file that could be read to its end")
        if status.st_size > MAX_BYTES:
            raise UnreadableImage(f"{status.st_size // 2**20} MiB, more than {MAX_BYTES // 2**20}")
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None
    if len(data) != status.st_size:
        raise UnreadableImage("changed while it was being read")
    return data, status
