"""The memory of files that were read: a table in the cache folder, read and written in pieces."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlp.data.cache import replacing

STATE = ("size", "mtime_ns", "ctime_ns", "inode")
SCHEMA = pa.schema(
    [
        pa.field("path", pa.large_string()),
        *(pa.field(name, pa.int64()) for name in STATE),
        pa.field("sha256", pa.large_string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("gray", pa.bool_()),
        pa.field("depth", pa.int8()),
        pa.field("refusal", pa.string()),
        pa.field("reason", pa.string()),
    ]
)
_GROUP = 2**16  # rows that are read, and written, at once

Row = tuple[object, ...]


class Remembered:
    """Rows of SCHEMA in the order of their paths; none where their file was damaged."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._groups = self._read()
        self._next = SCHEMA.empty_table()  # was read, but not asked for yet
        self._others: list[pa.Table] = []  # nobody asked for

    def of(self, paths: Sequence[str]) -> tuple[pa.Table, NDArray[np.int32]]:
        """The rows up to the last of these paths, and the place of each path in them, or -1.

        Paths are asked for in their order.
        """
        while not len(self._next) or self._next["path"][-1].as_py() < paths[-1]:
            if (group := next(self._groups, None)) is None:
                break
            self._next = pa.concat_tables([self._next, group])
        names, rows = self._next["path"], range(len(self._next))
        end = bisect_right(rows, paths[-1], key=lambda row: names[row].as_py())
        found, self._next = self._next[:end], self._next[end:]
        places = pc.index_in(pa.array(paths, names.type), found["path"]).fill_null(-1)
        others = np.setdiff1d(rows[:end], places)
        if len(others):
            self._others.append(found.take(others))
        return found, places.to_numpy().copy()

    def save(self, read: Sequence[pa.Table]) -> None:
        """Keep what was read, and the rows of files that were not asked for, or not reached."""
        self._next = pa.concat_tables([self._next, *self._groups])
        kept = pa.concat_tables([*read, *self._others, self._next])
        if len(self._next) or self._others:
            kept = kept.sort_by("path")
        options = {"use_dictionary": ["refusal", "reason"], "write_page_checksum": True}
        with (
            replacing(self._file) as target,
            pq.ParquetWriter(target, SCHEMA, **options) as out,
        ):
            for start in range(0, len(kept), _GROUP):
                # Files that could not be read are tried again
                out.write_table(kept[start : start + _GROUP].filter(pc.field("size") >= 0))

    def _read(self) -> Iterator[pa.Table]:
        try:
            with pq.ParquetFile(self._file, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, SCHEMA.names, use_threads=False).cast(SCHEMA)
        except Exception:  # there is none yet, or whatever a flipped bit makes of Arrow's reader
            return


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows of SCHEMA as a table."""
    columns = zip(zip(*rows, strict=True), SCHEMA.types, strict=True)
    return pa.table([pa.array(values, kind) for values, kind in columns], SCHEMA)
