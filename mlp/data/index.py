"""The index: one row an image, and nothing of its pixels; the names of its classes."""

from __future__ import annotations

import hashlib
import io
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlp.data.images.depth import UNKNOWN
from mlp.data.sources.walk import Note
from mlp.errors import DataError

SPLITS = ("train", "val", "test")

# path: relative to the source, with /, the name of the image from here on
# class: its label; split: one of SPLITS, or "" where the source does not say
# sha256: of the encoded bytes; width, height: pixels; gray: has no colour
# depth: bits that the values take where they have more than 8 and the format does not say how many
# count, 0 elsewhere
# refusal: "" for an image that can be used, else a Refusal; reason: the same in words
# Texts lie one after the other in Arrow's memory, those that repeat as numbers: of a million rows,
# an object each would take a gigabyte
_TYPES = {
    "path": "str", "class": "category", "split": "category", "sha256": "str", "width": "int32",
    "height": "int32", "gray": "bool", "depth": "int8", "refusal": "category", "reason": "category",
}  # fmt: skip
COLUMNS = tuple(_TYPES)
_BLOCK = 2**16  # rows that are hashed at once
_SHOWN = 10


class Refusal(StrEnum):
    """The kinds of reasons for which an image is not used."""

    STRAY = "stray"  # no image, nor is it named like one
    DAMAGED = "damaged"  # or not read for another reason
    COPY = "copy"  # sound, and left out on purpose
    NOT_IN_SPLIT = "not in split"  # sound as well: a split file does not name it


@dataclass(frozen=True)
class Layout:
    """A source as it was understood.

    `classes`: the folders of classes, relative to the source, with class and split ("" where there
    is none). `passed`: folders that were passed over, and how many images are in each.
    """

    classes: tuple[tuple[str, str, str], ...] = ()
    passed: tuple[tuple[str, int], ...] = ()

    def told(self) -> list[str]:
        """A line for each folder that was passed over."""
        return [f"passed over: {part} ({count} images)" for part, count in self.passed]


@dataclass(frozen=True)
class Index:
    """The images of a source: a table with COLUMNS, sorted by path, and the means to read one.

    The table is never changed: what follows from it is found once.
    """

    name: str
    table: pd.DataFrame
    read: Callable[[str], bytes] = field(repr=False, compare=False)
    notes: tuple[Note, ...] = ()
    single: tuple[str, ...] = ()  # once decoded: paths of images of one value in each channel
    layout: Layout | None = None  # of folders and CSV files: how they were understood

    def __post_init__(self) -> None:
        assert tuple(self.table.columns) == COLUMNS
        object.__setattr__(self, "table", self.table.astype(_TYPES))

    def __getstate__(self) -> dict[str, object]:
        """Pickle the table packed, and not what follows from it: each worker is sent it."""
        packed = io.BytesIO()
        self.table.to_parquet(packed, compression="zstd", index=False)
        kept: dict[str, object] = {f.name: getattr(self, f.name) for f in fields(self)}
        return kept | {"table": packed.getvalue()}

    def __setstate__(self, state: dict[str, bytes]) -> None:
        table = pd.read_parquet(io.BytesIO(state["table"]))
        self.__dict__.update(state | {"table": table})

    @cached_property
    def usable(self) -> pd.DataFrame:
        """The rows that were not refused."""
        sound = self.table["refusal"] == ""
        return self.table if sound.all() else self.table[sound]

    @property
    def damaged(self) -> pd.DataFrame:
        """The rows that were refused because they cannot be used, not because of a choice."""
        refused = self.table["refusal"].isin((Refusal.STRAY, Refusal.DAMAGED))
        # Choosing rows copies texts: of none there is nothing to choose
        return self.table[refused] if refused.any() else self.table[:0]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their labels 0, 1, ..."""
        return tuple(sorted(self.usable["class"].unique()))

    @cached_property
    def by_split(self) -> dict[str, set[str]]:
        """The classes of the usable images of each split, in the order of their names."""
        splits, classes = (self.usable[column].array for column in ("split", "class"))
        return {split: set(classes[splits == split].unique()) for split in sorted(splits.unique())}

    @cached_property
    def depth(self) -> int:
        """Bits of white in images of more than 8 whose format does not say it: one for the set.

        UNKNOWN where there is no such image.
        """
        return int(self.usable["depth"].max()) if self.usable["depth"].any() else UNKNOWN

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digest of the usable images, their classes and their given splits."""
        hasher = hashlib.sha256()
        add_rows(hasher, self.usable[["path", "class", "split", "sha256"]], "\n")
        return hasher.hexdigest()[:32]

    @cached_property
    def content(self) -> NDArray[np.int32]:
        """A number for the bytes of each usable image, in the order of sha256; copies share it."""
        ranks = pc.rank(pa.array(self.usable["sha256"]), tiebreaker="dense")
        return np.asarray(ranks, np.int32)


def add_rows(hasher: hashlib._Hash, texts: pd.DataFrame, end: str) -> None:
    """Hash the rows of a table of texts, with zero bytes within and an `end` after each."""
    for start in range(0, len(texts), _BLOCK):
        part = texts.iloc[start : start + _BLOCK]
        rows = zip(*(part[column].tolist() for column in part), strict=True)
        hasher.update("".join("\0".join(row) + end for row in rows).encode())


def refuse(index: Index, reasons: dict[str, str], kind: Refusal = Refusal.DAMAGED) -> Index:
    """The index with further images refused: path to reason."""
    table = index.table.astype({"refusal": "str", "reason": "str"})
    refused = table["path"].isin(reasons)
    table.loc[refused, "refusal"] = str(kind)
    table.loc[refused, "reason"] = table.loc[refused, "path"].map(reasons)
    return replace(index, table=table)


def check(index: Index) -> None:
    """Raise DataError where no classifier could be trained on these images."""
    table, usable, refused = index.table, index.usable, index.damaged
    listed = said([f"{row.path}: {row.reason}" for row in refused.itertuples()], _SHOWN)
    listed += said(index.notes)
    if usable.empty:
        raise DataError(f"{index.name}: none of its {len(table)} images can be read{listed}")
    if len(refused):
        _check_folders(index)
    if len(refused) > 0.1 * len(table):
        raise DataError(
            f"{index.name}: {len(refused)} of {len(table)} images cannot be used, more than a "
            f"tenth; repair or remove them{listed}"
        )
    if len(index.classes) < 2:
        passed = said(index.layout.told() if index.layout else [])
        raise DataError(
            f"{index.name}: all {len(usable)} images are of one class ({index.classes[0]!r}); "
            f"a classifier needs a folder for each of at least two classes{passed}{listed}"
        )
    training = index.by_split.get("train", set()) | index.by_split.get("", set())
    if not training:
        raise DataError(f"{index.name}: no training images; put them in train/<class>/{listed}")
    near = {likeness(name): name for name in training}
    for split, classes in index.by_split.items():
        unknown = sorted(classes - training)
        if unknown:
            alike = [f"{n} ({near[likeness(n)]}?)" if likeness(n) in near else n for n in unknown]
            raise DataError(
                f"{index.name}: {split}/ has classes that train/ lacks: {', '.join(alike)}; "
                "nothing could learn them"
            )


def said(notes: Iterable[object], most: int | None = None) -> str:
    """Notes as further lines of an error: the first ones, and how many more there are."""
    lines = list(map(str, notes))
    more = [f"and {len(lines) - most} more"] if most is not None and len(lines) > most else []
    return "".join(f"\n  {line}" for line in lines[:most] + more)


def _check_folders(index: Index) -> None:
    """Raise DataError where all images of a class, in a split, cannot be used."""
    kept = index.table.drop(index.damaged.index).groupby(["split", "class"]).groups
    names, firsts = [], []
    for (split, cls), rows in index.damaged.groupby(["split", "class"]):
        if (split, cls) not in kept:
            names.append(f"{cls!r}{f' in {split}/' if split else ''}")
            file = rows.iloc[0]
            firsts.append(f"{names[-1]}: {len(rows)} files, the first: {file.path}: {file.reason}")
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise DataError(
            f"{index.name}: no image can be used of the class {', '.join(names[:_SHOWN])}{more}; "
            f"convert or repair its files, or remove the folder{said(firsts[:_SHOWN])}"
        )


def label(name: str) -> str:
    """The name of a class as it is compared: in Unicode's NFC, without blanks around it."""
    return unicodedata.normalize("NFC", name).strip() or name


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, width (Unicode's NFKC) or blanks, sorted."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(likeness(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def likeness(name: str) -> str:
    """The text that names have in common which a person would take for one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Cf: characters without width
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")
