"""The audit: findings in a data set that flatter or spoil the numbers made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.audit.likeness import SIDE, alike
from mlp.data.images.formats import HEAD, by_content, by_name
from mlp.data.index import Index, look_alikes
from mlp.data.normalization import channel_statistics
from mlp.data.pixels import load_pixels

# All of these are guesses at what most people would want to see
TINY = 16  # pixels, of the shorter side, where most images are larger
# Measured on shrunken pictures of skin: from 16 pixels on, only pictures of the same skin pass for
# the same picture; at 8, other ones do (and 67 pairs of the handwritten digits)
COMPARED = 16  # pixels, of the shorter side
LONG = 4  # times as wide as high, or the other way
BLANK = 2.0  # gray levels of standard deviation
FEW = 0.1  # of the images of the largest class

# In the order in which they matter, worst first
KINDS = {
    "leak": "the same file in training and in validation or test: scores flatter",
    "conflict": "the same picture under two classes: one of them is wrong",
    "near_leak": "the same picture, saved otherwise, in training and in validation or test",
    "unreadable": "files that cannot be used",
    "class_sets": "classes that a split lacks",
    "near_conflict": "the same picture, saved otherwise, under two classes",
    "look_alikes": "classes that differ only in case, width or blanks",
    "duplicate": "the same file twice within a split",
    "near_duplicate": "the same picture, saved otherwise, twice within a split",
    "blank": "images of one colour",
    "tiny": "images much smaller than the others",
    "shape": "images far from square, which are squeezed to squares",
    "extension": "files whose ending names another format",
    "imbalance": "classes with few images",
    "passed_over": "what was not even looked at",
}

# What is said of a finding; `what` is one of these itself
REASONS = {
    "under": "{what} under {classes}",
    "across": "{what} in {splits}",
    "times": "{what}, {count} times",
    "equal_files": "equal files",
    "equal_pixels": "equal pixels in other files",
    "same_picture": "the same picture ({agreement:.0%} alike)",
    "pixels": "{width}x{height} pixels",
    "one_shade": "hardly anything but one shade",
    "format": "{format} inside",
    "absent": "{split} has no {classes}",
    "few": "{cls}: {count} training images, where the largest class has {largest}",
    "folder": "{part}: {count} images",
    "look_alikes": "{classes}",
}


@dataclass(frozen=True)
class Finding:
    """Something about one image, a group that belongs together, or (without paths) the whole.

    `said`: of REASONS, with its values, or a text. Values that are tuples are joined by "and".
    """

    kind: str  # of KINDS
    paths: tuple[str, ...]
    said: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The sentence on it, in English."""
        return self.told(" and ", lambda key, values: REASONS[key].format(**values))

    def told(self, joint: str, phrase: Callable[[str, Mapping[str, object]], str]) -> str:
        """The sentence on it, in the phrases of a language for keys of REASONS."""
        if self.said not in REASONS:
            return self.said
        values = {k: joint.join(v) if isinstance(v, tuple) else v for k, v in self.values.items()}
        if "what" in values:
            values["what"] = phrase(str(values["what"]), values)
        return phrase(self.said, values)


@dataclass(frozen=True)
class Audit:
    """All findings, and the numbers that describe the data."""

    index: Index  # with the images refused that could not be decoded
    findings: tuple[Finding, ...]
    counts: pd.DataFrame  # images by class (rows) and split
    mean: tuple[float, ...]  # by channel, 0..1, of the usable images
    std: tuple[float, ...]
    sizes: dict[str, int]  # smallest, median and largest width and height
    small: int  # images of which only copies with equal pixels could be found

    def of(self, kind: str) -> list[Finding]:
        """The findings of a kind."""
        return [finding for finding in self.findings if finding.kind == kind]


def audit(index: Index) -> Audit:
    """Look at every image of a source, usable or not. Nothing is changed or left out."""
    index, pixels = load_pixels(index, SIDE, False)
    rows = index.usable
    small = rows[["width", "height"]].min(axis=1).to_numpy() < COMPARED
    findings = [
        *(Finding("unreadable", (row.path,), row.reason) for row in index.damaged.itertuples()),
        *_copies(rows, pixels, small),
        *_of_each_image(index, pixels),
        *_of_the_whole(index),
    ]
    findings.sort(key=lambda finding: ([*KINDS].index(finding.kind), finding.paths))
    splits = rows["split"].astype("str").replace("", "all")
    counts = pd.crosstab(rows["class"].astype("str"), splits)
    mean, std = channel_statistics(pixels, np.arange(len(pixels)))
    sizes = {
        f"{name} {side}": int(getattr(rows[side], measure)())
        for name, measure in (("smallest", "min"), ("median", "median"), ("largest", "max"))
        for side in ("width", "height")
        if len(rows)
    }
    return Audit(index, tuple(findings), counts, mean, std, sizes, int(small.sum()))


def _copies(
    rows: pd.DataFrame, pixels: NDArray[np.uint8], small: NDArray[np.bool_]
) -> Iterator[Finding]:
    """Groups of equal files, and pairs that show the same picture.

    In the pairs, the first of equal files stands for all. Small images have too few details to tell
    alike from the same: their pixels have to be equal.
    """
    for _, group in rows[rows["sha256"].duplicated(keep=False)].groupby("sha256"):
        yield from _group(group, "", {"what": "equal_files"})
    first = np.flatnonzero(~rows["sha256"].duplicated())
    for i, j, agreement in alike(pixels[first]):
        pair = first[[i, j]]
        equal = np.array_equal(*pixels[pair])
        if equal or not small[pair].any():
            what = {"what": "equal_pixels" if equal else "same_picture", "agreement": agreement}
            yield from _group(rows.iloc[pair], "near_", what)


def _group(group: pd.DataFrame, near: str, what: Mapping[str, object]) -> Iterator[Finding]:
    """The findings, perhaps several, in a group of images that show the same.

    `near` begins their kinds where the files are not equal.
    """
    paths = tuple(group["path"])
    classes, splits = sorted(set(group["class"])), sorted(set(group["split"]))
    if len(classes) > 1:
        yield Finding(f"{near}conflict", paths, "under", {**what, "classes": tuple(classes)})
    if len(splits) > 1:
        yield Finding(f"{near}leak", paths, "across", {**what, "splits": tuple(splits)})
    elif len(classes) == 1:
        yield Finding(f"{near}duplicate", paths, "times", {**what, "count": len(paths)})


def _of_each_image(index: Index, pixels: NDArray[np.uint8]) -> Iterator[Finding]:
    """Sizes and shapes that few images have, images of one shade, wrong endings of names."""
    rows = index.usable
    usual = rows[["width", "height"]].min(axis=1).median() > TINY
    for row, image in zip(rows.itertuples(), pixels, strict=True):
        size = {"width": row.width, "height": row.height}
        short, long = sorted(size.values())
        if usual and short < TINY:
            yield Finding("tiny", (row.path,), "pixels", size)
        if long > LONG * short:
            yield Finding("shape", (row.path,), "pixels", size)
        if cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std() < BLANK:
            yield Finding("blank", (row.path,), "one_shade")
        claimed, found = by_name(row.path), by_content(index.read(row.path)[:HEAD])
        if claimed and found and claimed is not found:
            yield Finding("extension", (row.path,), "format", {"format": found.name})


def _of_the_whole(index: Index) -> Iterator[Finding]:
    """Classes that a split lacks, of few images or of like names; what was passed over."""
    rows = index.usable
    for split, classes in index.by_split.items():
        if absent := sorted(set(index.classes) - classes):
            values = {"split": split, "classes": ", ".join(absent)}
            yield Finding("class_sets", (), "absent", values)
    trained = rows.loc[rows["split"].isin(["train", ""]), "class"].astype("str")
    counts = trained.value_counts().sort_index()
    for cls, count in counts[counts < FEW * counts.max()].items():
        few = {"cls": cls, "count": count, "largest": int(counts.max())}
        yield Finding("imbalance", (), "few", few)
    for group in look_alikes(index.classes):
        yield Finding("look_alikes", (), "look_alikes", {"classes": tuple(map(repr, group))})
    for part, count in index.layout.passed if index.layout else ():
        if count:
            yield Finding("passed_over", (), "folder", {"part": part, "count": count})
    for note in index.notes:
        yield Finding("passed_over", (), str(note))
