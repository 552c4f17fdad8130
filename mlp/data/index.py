"""The index: one row an image, and nothing of its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pandas as pd

SPLITS = ("train", "val", "test")

# path: relative to the source, with /, the name of the image from here on
# class: its label; split: one of SPLITS, or "" where the source does not say
# sha256: of the encoded bytes; width, height: pixels; gray: has no colour
# reason: "" for an image that can be used, else why not
COLUMNS = ("path", "class", "split", "sha256", "width", "height", "gray", "reason")


# How the reasons begin of images that are sound, and were left out on purpose
COPY, NOT_IN_SPLIT = "a copy of ", "not named by "


class DataError(ValueError):
    """Something about the data that only its owner can put right."""


@dataclass(frozen=True)
class Layout:
    """The folders of classes: path relative to the root, class, and split ("" where there is none).

    `inside`: the folder within the root that holds them, "" where that is the root. `splits`: the
    folders that are splits, and of what. `passed`: names of folders that were passed over.
    """

    classes: tuple[tuple[str, str, str], ...]
    inside: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """The images of a source: a table with COLUMNS, sorted by path, and the means to read one.

    The table is never changed: what follows from it is found once.
    """

    name: str
    table: pd.DataFrame
    read: Callable[[str], bytes] = field(repr=False, compare=False)
    notes: tuple[str, ...] = ()
    layout: Layout | None = None  # of a folder: how it was understood

    def __post_init__(self) -> None:
        assert tuple(self.table.columns) == COLUMNS

    @cached_property
    def usable(self) -> pd.DataFrame:
        """The rows that were not refused."""
        return self.table[self.table["reason"] == ""]

    @property
    def damaged(self) -> pd.DataFrame:
        """The rows that were refused because they cannot be used, not because of a choice."""
        reasons = self.table["reason"]
        return self.table[(reasons != "") & ~reasons.str.startswith((COPY, NOT_IN_SPLIT))]

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of their labels 0, 1, ..."""
        return tuple(sorted(self.usable["class"].unique()))

    @cached_property
    def digest(self) -> str:
        """Hexadecimal digest of the usable images, their classes and their given splits."""
        hasher = hashlib.sha256()
        for row in self.usable[["path", "class", "split", "sha256"]].itertuples(index=False):
            hasher.update("\0".join(row).encode() + b"\n")
        return hasher.hexdigest()[:32]


def refuse(index: Index, reasons: dict[str, str]) -> Index:
    """The index with further images refused: path to reason."""
    table = index.table.copy()
    table["reason"] = [
        reasons.get(path, reason)
        for path, reason in zip(table["path"], table["reason"], strict=True)
    ]
    return replace(index, table=table)


def with_unread(table: pd.DataFrame, unread: Sequence[tuple[str, str, str, str]]) -> pd.DataFrame:
    """The table with files that are not to be opened: path, class, split and reason of each."""
    if not unread:
        return table
    rows = [(path, cls, split, "", 0, 0, False, reason) for path, cls, split, reason in unread]
    every = pd.concat([table, pd.DataFrame(rows, columns=list(COLUMNS))], ignore_index=True)
    return every.sort_values("path", ignore_index=True)


def check(index: Index) -> None:
    """Raise DataError where no classifier could be trained on these images."""
    table, usable = index.table, index.usable
    refused = index.damaged
    listed = "".join(f"\n  {r.path}: {r.reason}" for r in refused.head(10).itertuples())
    if len(refused) > 10:
        listed += f"\n  and {len(refused) - 10} more"
    if usable.empty:
        raise DataError(f"{index.name}: none of its {len(table)} images can be read{listed}")
    if len(refused) > 0.1 * len(table):
        raise DataError(
            f"{index.name}: {len(refused)} of {len(table)} images cannot be used, more than a "
            f"tenth; repair or remove them{listed}"
        )
    given = set(usable["split"])
    if len(index.classes) < 2:
        raise DataError(
            f"{index.name}: all {len(usable)} images are of one class ({index.classes[0]!r}); "
            "a classifier needs a folder for each of at least two classes"
        )
    training = set(usable.loc[usable["split"].isin(["train", ""]), "class"])
    if not training:
        raise DataError(f"{index.name}: no training images; put them in train/<class>/")
    for split in sorted(given - {"train", ""}):
        unknown = sorted(set(usable.loc[usable["split"] == split, "class"]) - training)
        if unknown:
            raise DataError(
                f"{index.name}: {split}/ has classes that train/ lacks: {', '.join(unknown)}; "
                "nothing could learn them"
            )
