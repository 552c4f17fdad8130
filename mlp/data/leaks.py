"""Images that stand on two sides of a split: found by their bytes, at no cost."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from mlp.data.index import Index, Refusal, refuse, said
from mlp.errors import DataError

OnLeak = Literal["warn", "drop", "error"]
# An image that validates may not have trained, one that tests may have done neither
_BEFORE = {"val": ("train",), "test": ("train", "val")}
_SHOWN = 3


def find_leaks(index: Index) -> pd.DataFrame:
    """Validation and test images that are copies, byte for byte: path, split, and `of` which image.

    Only of splits that the source gives: drawn ones keep copies on one side.
    """
    rows = index.usable
    found = []
    for split, before in _BEFORE.items():
        originals = rows[rows["split"].isin(before)].drop_duplicates("sha256")
        of = originals.set_index("sha256")["path"]
        copies = rows[(rows["split"] == split) & rows["sha256"].isin(of.index)]
        found.append(copies.assign(of=copies["sha256"].map(of))[["path", "split", "of"]])
    return pd.concat(found, ignore_index=True)


def settle_leaks(index: Index, on_leak: OnLeak) -> Index:
    """Treat leaks as `on_leak` says: do nothing yet, leave the copies out, or raise DataError."""
    if on_leak == "warn":
        return index
    leaks = find_leaks(index)
    if leaks.empty:
        return index
    if on_leak == "error":
        shown = said([f"{row.path} is {row.of}" for row in leaks.itertuples()], _SHOWN)
        raise DataError(
            f"{index.name}: {len(leaks)} validation or test images are copies of images that come "
            f"before them, byte for byte:{shown}\n"
            "remove them, or use on_leak=drop to leave them out"
        )
    reasons = {row.path: f"a copy of {row.of}" for row in leaks.itertuples()}
    kept = refuse(index, reasons, Refusal.COPY)
    if "val" in index.by_split.keys() - kept.by_split.keys():
        raise DataError(
            f"{index.name}: every validation image is a copy of a training image; none would be "
            "left. Give other ones, or none: each seed then draws its own"
        )
    return kept
