"""Remarks on data that a person should read before believing numbers made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlp.data.index import SPLITS, Index, Layout, Refusal
from mlp.data.labels import look_alikes
from mlp.data.leaks import find_leaks
from mlp.data.sources.notes import Note
from mlp.data.split import is_drawn
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
_LAYOUTS = ("layout_flat", "layout_splits", "layout_listed")
TEXTS |= {f"{kind}_passed": TEXTS[kind] + _PASSED for kind in _LAYOUTS}


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
        of_note = self.kind.removeprefix("note.")
        if of_note == self.kind:
            return TEXTS[self.kind].format(**self.values)
        name, count, first = (self.values[key] for key in ("name", "count", "first"))
        return f"{name}: {Note(of_note, count, first)}"


def remarks(index: Index, config: RunConfig, folds: int = 0) -> list[Remark]:
    """Remarks on the images and on how they are split.

    `folds`: of a study that trains all of them, 0 where it does not.
    """
    name, refused = index.name, index.damaged
    made = understood(index)
    if len(refused):
        shown = _listed([f"{row.path} ({row.reason})" for row in refused.itertuples()])
        made.append(Remark("damaged", {"name": name, "all": len(index.table), **shown}))
    made += of_depth(index)
    if index.single:
        made.append(Remark("single", {"name": name, **_listed(index.single)}))
    for kind, refusal in (("copies_left_out", Refusal.COPY), ("not_named", Refusal.NOT_IN_SPLIT)):
        count = int((index.table["refusal"] == refusal).sum())
        if count:
            made.append(Remark(kind, {"name": name, "count": count}))
    if folds or config.fold != "none":
        count = folds or int(config.fold.split("/")[1])
        made.append(Remark("dealt", {"name": name, "folds": count}))
    elif is_drawn(index):
        made.append(Remark("drawn", {"name": name, "share": config.val_fraction}))
    else:
        made += _on_given_splits(index)
    return made


def _listed(names: Sequence[str]) -> dict[str, object]:
    """The number of names, the first of them, and how many more there are."""
    more = f" + {len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return {"count": len(names), "shown": ", ".join(names[:_SHOWN]), "more": more}


def of_depth(index: Index) -> list[Remark]:
    """The decision on the brightness of images with more than 8 bits, where there was one."""
    deep, bits = index.usable["depth"], index.depth
    if not deep.any():
        return []
    dark = int(((deep > 0) & (deep <= bits - 4)).sum())
    values = {"count": int((deep > 0).sum()), "bits": bits, "white": 2**bits - 1, "dark": dark}
    return [Remark("depth", {"name": index.name, **values})]


def understood(index: Index) -> list[Remark]:
    """The layout that was seen in one line, what was passed over, and doubtful classes."""
    name, made = index.name, []
    if index.layout:
        made.append(_layout(index, index.layout))
    for note in index.notes:
        values = {"name": name, "count": note.count, "first": note.first}
        made.append(Remark(f"note.{note.kind}", values))
    for group in look_alikes(index.classes):
        shown = ", ".join(repr(cls) for cls in group)
        made.append(Remark("look_alikes", {"name": name, "classes": shown}))
    return made


def _layout(index: Index, layout: Layout) -> Remark:
    """The splits and classes that were seen in a folder or list, and folders passed over."""
    counts = index.usable["split"].value_counts()
    places = dict(layout.places)
    values: dict[str, object] = {
        "name": index.name,
        "count": len(index.usable),
        "classes": len(index.classes),
        "names": _shortened(index.classes),
    }
    end = ""
    if layout.passed:
        values["passed"] = _shortened([f"{part} ({count})" for part, count in layout.passed])
        end = "_passed"
    if not set(counts.index) - {""}:
        place = "/".join(filter(None, (index.name, places.get("", ""))))
        kind = "layout_flat" if places else "layout_listed"
        return Remark(kind + end, values | {"place": place})
    splits = [
        f"{split} {counts[split]}"
        + (f" ({places[split]}/)" if places.get(split, split) != split else "")
        for split in SPLITS
        if split in counts.index
    ]
    return Remark(f"layout_splits{end}", values | {"splits": ", ".join(splits)})


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _SHOWN - 1])}, ... {names[-1]}"


def _on_given_splits(index: Index) -> list[Remark]:
    rows = index.usable
    made = []
    leaks = find_leaks(index)["split"]
    for split in ("val", "test"):
        count, every = int((leaks == split).sum()), int((rows["split"] == split).sum())
        if count:
            values = {"name": index.name, "count": count, "all": every}
            made.append(Remark(f"{split}_leaks", values))
    absent = sorted(
        set(rows.loc[rows["split"] == "train", "class"])
        - set(rows.loc[rows["split"] == "val", "class"])
    )
    if absent:
        made.append(Remark("absent", {"name": index.name, "classes": ", ".join(absent)}))
    return made
