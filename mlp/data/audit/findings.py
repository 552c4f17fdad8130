"""The audit: findings in a data set that flatter or spoil the numbers made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.audit.likeness import SIDE, alike
from mlp.data.images.formats import HEAD, by_content, by_name
from mlp.data.index import Index
from mlp.data.labels import look_alikes
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
    pixels: NDArray[np.uint8]  # of its usable images (N, 64, 64, 3)
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
    rows = index.usable.reset_index(drop=True)
    findings = [
        Finding("unreadable", (row.path,), row.reason) for row in index.damaged.itertuples()
    ]
    findings += _copies(rows)
    findings += _near_copies(rows, pixels)
    findings += _of_each_image(rows, pixels)
    findings += _extensions(index, rows)
    findings += _classes(rows)
    findings += [
        Finding("look_alikes", (), "look_alikes", {"classes": tuple(map(repr, group))})
        for group in look_alikes(index.classes)
    ]
    passed = index.layout.passed if index.layout else ()
    findings += [
        Finding("passed_over", (), "folder", {"part": part, "count": n}) for part, n in passed if n
    ]
    findings += [Finding("passed_over", (), str(note)) for note in index.notes]
    order = list(KINDS)
    findings.sort(key=lambda finding: (order.index(finding.kind), finding.paths))
    counts = pd.crosstab(rows["class"], rows["split"].replace("", "all"))
    mean, std = channel_statistics(pixels, np.arange(len(pixels)))
    return Audit(
        index, pixels, tuple(findings), counts, mean, std, _sizes(rows), int(_small(rows).sum())
    )


def _copies(rows: pd.DataFrame) -> Iterable[Finding]:
    """Groups of equal files."""
    repeated = rows[rows["sha256"].duplicated(keep=False)]
    for _, group in repeated.groupby("sha256"):
        yield from _group(group, "leak", "conflict", "duplicate", {"what": "equal_files"})


def _group(
    group: pd.DataFrame, across: str, conflict: str, within: str, what: Mapping[str, object]
) -> Iterable[Finding]:
    """The findings, perhaps several, in a group of images that show the same."""
    paths = tuple(group["path"])
    classes, splits = sorted(set(group["class"])), sorted(set(group["split"]))
    if len(classes) > 1:
        yield Finding(conflict, paths, "under", {**what, "classes": tuple(classes)})
    if len(splits) > 1:
        yield Finding(across, paths, "across", {**what, "splits": tuple(splits)})
    elif len(classes) == 1:
        yield Finding(within, paths, "times", {**what, "count": len(paths)})


def _near_copies(rows: pd.DataFrame, pixels: NDArray[np.uint8]) -> Iterable[Finding]:
    """Pairs that show the same picture: of equal files, the first stands for all.

    Small images have too few details to tell alike from the same: their pixels have to be equal.
    """
    first = np.flatnonzero(~rows["sha256"].duplicated())
    small = _small(rows)
    for i, j, agreement in alike(pixels[first]):
        pair = rows.iloc[first[[i, j]]]
        equal = np.array_equal(pixels[first[i]], pixels[first[j]])
        if not equal and small[first[[i, j]]].any():
            continue
        what = {"what": "equal_pixels" if equal else "same_picture", "agreement": agreement}
        yield from _group(pair, "near_leak", "near_conflict", "near_duplicate", what)


def _small(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell for each image whether it is too small to be told from others like it."""
    return np.asarray(rows[["width", "height"]].min(axis=1) < COMPARED, bool)


def _of_each_image(rows: pd.DataFrame, pixels: NDArray[np.uint8]) -> Iterable[Finding]:
    short = rows[["width", "height"]].min(axis=1)
    long = rows[["width", "height"]].max(axis=1)
    usual = short.median() > TINY
    for row, side, other, image in zip(rows.itertuples(), short, long, pixels, strict=True):
        pixels_of = {"width": row.width, "height": row.height}
        if usual and side < TINY:
            yield Finding("tiny", (row.path,), "pixels", pixels_of)
        if other > LONG * side:
            yield Finding("shape", (row.path,), "pixels", pixels_of)
        if cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std() < BLANK:
            yield Finding("blank", (row.path,), "one_shade")


def _extensions(index: Index, rows: pd.DataFrame) -> Iterable[Finding]:
    """Files whose first bytes are not of the format that their name claims."""
    for path in rows["path"]:
        claimed = by_name(path)
        found = by_content(index.read(path)[:HEAD])
        if claimed and found and claimed is not found:
            yield Finding("extension", (path,), "format", {"format": found.name})


def _classes(rows: pd.DataFrame) -> Iterable[Finding]:
    everywhere = sorted(set(rows["class"]))
    for split in sorted(set(rows["split"])):
        absent = [c for c in everywhere if c not in set(rows.loc[rows["split"] == split, "class"])]
        if absent:
            values = {"split": split, "classes": ", ".join(absent)}
            yield Finding("class_sets", (), "absent", values)
    counts = Counter(rows.loc[rows["split"].isin(["train", ""]), "class"])
    largest = max(counts.values(), default=0)
    for cls, count in sorted(counts.items()):
        if count < FEW * largest:
            values = {"cls": cls, "count": count, "largest": largest}
            yield Finding("imbalance", (), "few", values)


def _sizes(rows: pd.DataFrame) -> dict[str, int]:
    return {
        f"{name} {side}": int(getattr(rows[side], measure)())
        for name, measure in (("smallest", "min"), ("median", "median"), ("largest", "max"))
        for side in ("width", "height")
        if len(rows)
    }
