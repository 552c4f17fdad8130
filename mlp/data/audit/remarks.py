"""Remarks on data that a person should read before believing numbers made from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp.data.index import SPLITS, Index, Layout, Refusal, look_alikes
from mlp.data.sources.walk import Note
from mlp.data.split import find_leaks, is_drawn
from mlp.settings.training import RunConfig

_SHOWN = 10

TEXTS = {
    "layout_flat": "{name}: understood as {count} images in {place}/, a folder for each class and "
    "no splits, {classes} classes ({names})",
    "layout_splits": "{name}: understood as splits, {splits}, with {classes} classes ({names})",
    "layout_listed": "{name}: understood as a list of {count} images without splits, {classes} "
    "classes ({names})",
    "look_alikes": "{name}: classes that differ only in case, width or blanks: {classes}",
    "damaged": "{name}: {count} of {all} images left out: {shown}{more}",
    "depth": "{name}: {count} images of 16 bits do not say how many of them count; the largest "
    "value takes {bits}, so {white} is white in all; {dark} of them stay below a sixteenth of that",
    "single": "{name}: {count} images are of one colour only, once decoded: {shown}{more}",
    "copies_left_out": "{name}: {count} validation or test images left out: they are copies of "
    "images that come before them, byte for byte",
    "not_named": "{name}: {count} images left out: the split file does not name them",
    "dealt": "{name}: its images are dealt by each seed into {folds} folds by class, copies of an "
    "image in one fold, whatever was meant for validation",
    "drawn": "{name}: no validation images of its own, so each seed draws {share:.0%} of the "
    "training images of each class",
    "val_leaks": "{name}: {count} of {all} validation images are copies of training images, byte "
    "for byte: accuracies on this split flatter",
    "test_leaks": "{name}: {count} of {all} test images are copies of training or validation "
    "images, byte for byte: their scores will flatter",
    "absent": "{name}: no validation images of {classes}",
}

_PASSED = "; passed over, with so many images: {passed}"
TEXTS |= {f"{kind}_passed": TEXTS[kind] + _PASSED for kind in TEXTS if kind.startswith("layout")}


@dataclass(frozen=True)
class Remark:
    """A kind of remark (of TEXTS, or `note.` and a kind of note) and its values; `str` is English.

    Raises KeyError for an unknown kind, and where a value is missing.
    """

    kind: str
    values: Mapping[str, Any]

    def __post_init__(self) -> None:
        str(self)

    def __str__(self) -> str:
        kind, values = self.kind.removeprefix("note."), dict(self.values)
        if kind == self.kind:
            return TEXTS[kind].format(**values)
        return f"{values.pop('name')}: {Note(kind, **values)}"


def remarks(index: Index, config: RunConfig, folds: int = 0) -> list[Remark]:
    """Remarks on the images and on how they are split.

    `folds`: of a study that trains all of them, 0 where it does not.
    """
    refused, table = index.damaged, index.table
    made = understood(index)
    if len(refused):
        shown = _listed([f"{row.path}: {row.reason}" for row in refused.itertuples()], "; ")
        made.append(_on(index, "damaged", all=len(table), **shown))
    made += of_depth(index)
    if index.single:
        made.append(_on(index, "single", **_listed(index.single)))
    for kind, refusal in (("copies_left_out", Refusal.COPY), ("not_named", Refusal.NOT_IN_SPLIT)):
        count = int((table["refusal"] == refusal).sum())
        if count:
            made.append(_on(index, kind, count=count))
    if folds or config.fold != "none":
        made.append(_on(index, "dealt", folds=folds or int(config.fold.split("/")[1])))
    elif is_drawn(index):
        made.append(_on(index, "drawn", share=config.val_fraction))
    else:
        made += _on_given_splits(index)
    return made


def _on(index: Index, kind: str, **values: object) -> Remark:
    return Remark(kind, {"name": index.name, **values})


def _listed(names: Sequence[str], between: str = ", ") -> dict[str, object]:
    """The number of names, the first of them, and how many more there are."""
    more = f" + {len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return {"count": len(names), "shown": between.join(names[:_SHOWN]), "more": more}


def of_depth(index: Index) -> list[Remark]:
    """The decision on the brightness of images with more than 8 bits, where there was one."""
    depths, bits = index.usable["depth"], index.depth
    deep = depths[depths > 0]
    if deep.empty:
        return []
    dark = int((deep <= bits - 4).sum())
    return [_on(index, "depth", count=len(deep), bits=bits, white=2**bits - 1, dark=dark)]


def understood(index: Index) -> list[Remark]:
    """The layout that was seen in one line, what was passed over, and doubtful classes."""
    made = [_on_layout(index, index.layout)] if index.layout else []
    made += [_on(index, f"note.{n.kind}", count=n.count, first=n.first) for n in index.notes]
    for group in look_alikes(index.classes):
        made.append(_on(index, "look_alikes", classes=", ".join(map(repr, group))))
    return made


def _on_layout(index: Index, layout: Layout) -> Remark:
    """The splits and classes that were seen in a folder or list, and folders passed over."""
    counts = index.usable["split"].astype("str").value_counts()
    # The folders that hold those of the classes
    places = {split: part.rpartition("/")[0] for part, _, split in layout.classes}
    seen: dict[str, object] = {"count": len(index.usable), "classes": len(index.classes)}
    seen["names"] = _shortened(index.classes)
    end = "_passed" if layout.passed else ""
    if layout.passed:
        seen["passed"] = _shortened([f"{part} ({count})" for part, count in layout.passed])
    if set(counts.index) - {""}:
        splits = [
            f"{split} {counts[split]}"
            + (f" ({places[split]}/)" if places.get(split, split) != split else "")
            for split in SPLITS
            if split in counts.index
        ]
        return _on(index, f"layout_splits{end}", **seen, splits=", ".join(splits))
    place = "/".join(filter(None, (index.name, places.get("", ""))))
    return _on(index, f"layout_{'flat' if places else 'listed'}{end}", **seen, place=place)


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _SHOWN - 1])}, ... {names[-1]}"


def _on_given_splits(index: Index) -> Iterator[Remark]:
    for split, copies in find_leaks(index).groupby("split", sort=False):
        every = int((index.usable["split"] == split).sum())
        yield _on(index, f"{split}_leaks", count=len(copies), all=every)
    absent = sorted(index.by_split.get("train", set()) - index.by_split["val"])
    if absent:
        yield _on(index, "absent", classes=", ".join(absent))
