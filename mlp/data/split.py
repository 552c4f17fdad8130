"""The split: images that train, validate or are kept for the end, and copies on two sides of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from mlp import seeds
from mlp.data.index import Index, Refusal, refuse, said
from mlp.errors import DataError

OnLeak = Literal["warn", "drop", "error"]
# An image that validates may not have trained, one that tests may have done neither
_BEFORE = {"val": ("train",), "test": ("train", "val")}
_SHOWN = 3


@dataclass(frozen=True)
class Split:
    """Row numbers of the usable images of an index, int64, sorted."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]


def is_drawn(index: Index) -> bool:
    """Tell whether validation images have to be drawn, because the source does not name any."""
    return "val" not in index.by_split


def split(index: Index, val_fraction: float, seed: int, fold: str = "none") -> Split:
    """The split that the source gives; where it names no validation images, one drawn by the seed.

    The draw takes `val_fraction` of the training images of each class. With a fold "k/K", the
    seed deals all images but those for testing into K folds, each with its share of every class;
    the k-th validates. Copies of an image (equal bytes) stay on one side. Raises DataError when a
    class has too few images to be drawn from, or would have none left to train on.
    """
    given = index.usable["split"].to_numpy()
    test, where = np.flatnonzero(given == "test"), np.flatnonzero(given != "test")
    if fold == "none" and not is_drawn(index):
        return Split(np.flatnonzero(given == "train"), np.flatnonzero(given == "val"), test)
    pool = _pool(index, where)
    if fold != "none":
        validates = _deal(index.name, pool, seed, fold)
        what = f"fold {fold}"
        advice = ": too many of its images are copies of one another; use fewer folds"
    else:
        validates = _draw(index.name, pool, val_fraction, seed)
        # Rounding may leave nothing of a small class when val_fraction is large
        what = f"val_fraction {val_fraction:g}"
        advice = "; choose a smaller one, or give a val/ folder"
    absent = sorted(set(pool["class"].unique()) - set(pool.loc[~validates, "class"].unique()))
    if absent:
        raise DataError(
            f"{index.name}: {what} leaves no training image of {', '.join(absent)}{advice}"
        )
    return Split(where[~validates], where[validates], test)


def thin(rows: NDArray[np.int64], index: Index, images: int, seed: int) -> NDArray[np.int64]:
    """Of some rows, those of `images` distinct images of each class, drawn by the seed; sorted.

    The draw for fewer is part of the draw for more; a class that has no more keeps all.
    """
    pool = _pool(index, rows)
    order = seeds.generator(seed, "split", 1).permutation(len(pool))
    distinct = pool.iloc[order].drop_duplicates("content")
    kept = distinct.groupby("class", sort=False).head(images)
    return np.sort(kept.index.to_numpy(np.int64))


def _pool(index: Index, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Class and content of some of the usable images."""
    columns = {"class": index.usable["class"].array, "content": index.content}
    return pd.DataFrame(columns).iloc[rows]


def _deal(name: str, pool: pd.DataFrame, seed: int, fold: str) -> NDArray[np.bool_]:
    """Tell for each image of the pool whether it is in a fold."""
    number, folds = map(int, fold.split("/"))
    counts = pool.drop_duplicates()["class"].astype("str").value_counts()
    if counts.min() < folds:
        raise DataError(
            f"{name}: class {counts.idxmin()!r} has {counts.min()} distinct images, too few for "
            f"{folds} folds; use {counts.min()} folds or fewer (at least 2), or add images"
        )
    dealer = StratifiedGroupKFold(folds, shuffle=True, random_state=seeds.integer(seed, "split"))
    _, validates = list(dealer.split(pool, pool["class"].cat.codes, pool["content"]))[number - 1]
    return np.isin(np.arange(len(pool)), validates)


def _draw(name: str, pool: pd.DataFrame, val_fraction: float, seed: int) -> NDArray[np.bool_]:
    """Tell for each image of the pool whether it is drawn for validation."""
    distinct = pool.drop_duplicates("content")
    counts = distinct["class"].astype("str").value_counts()
    if counts.min() < 2:
        raise DataError(
            f"{name}: class {counts.idxmin()!r} has {counts.min()} distinct image; at least "
            "2 are needed to draw validation images, or give a val/ folder"
        )
    classes, wanted = len(counts), round(val_fraction * len(distinct))
    # scikit-learn needs room for every class on either side
    if not classes <= wanted <= len(distinct) - classes:
        raise DataError(
            f"{name}: val_fraction {val_fraction:g} of {len(distinct)} distinct images leaves no "
            f"image of each of the {classes} classes on either side; choose another val_fraction"
        )
    state = seeds.integer(seed, "split")
    codes = distinct["class"].cat.codes
    _, val = train_test_split(
        distinct["content"], test_size=wanted, random_state=state, stratify=codes
    )
    return np.isin(pool["content"], val)


def find_leaks(index: Index) -> pd.DataFrame:
    """Validation and test images that are copies, byte for byte: path, split, and `of` which image.

    Only of splits that the source gives: drawn ones keep copies on one side.
    """
    paths, given = index.usable["path"].array, index.usable["split"]
    content = pd.Series(index.content)
    found = []
    for split, before in _BEFORE.items():
        originals = content[given.isin(before).array].drop_duplicates()
        place = pd.Series(originals.index, originals.to_numpy())
        of = content[(given == split).array].map(place).dropna().astype(np.int64)
        columns = {"path": paths[of.index], "split": split, "of": paths[of]}
        found.append(pd.DataFrame(columns, dtype="str"))
    return pd.concat(found, ignore_index=True)


def settle_leaks(index: Index, on_leak: OnLeak) -> Index:
    """Treat leaks as `on_leak` says: do nothing yet, leave the copies out, or raise DataError."""
    if on_leak == "warn" or (leaks := find_leaks(index)).empty:
        return index
    reasons = {row.path: f"a copy of {row.of}" for row in leaks.itertuples()}
    if on_leak == "error":
        shown = said([f"{path}: {why}" for path, why in reasons.items()], _SHOWN)
        raise DataError(
            f"{index.name}: {len(leaks)} validation or test images are copies of images that come "
            f"before them, byte for byte:{shown}\n"
            "remove them, or use on_leak=drop to leave them out"
        )
    kept = refuse(index, reasons, Refusal.COPY)
    if "val" in index.by_split.keys() - kept.by_split.keys():
        raise DataError(
            f"{index.name}: every validation image is a copy of a training image; none would be "
            "left. Give other ones, or none: each seed then draws its own"
        )
    return kept
