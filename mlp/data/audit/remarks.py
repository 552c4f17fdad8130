"""What a person should know about data before believing numbers made from them."""

from __future__ import annotations

from collections.abc import Sequence

from mlp.data.index import COPY, NOT_IN_SPLIT, SPLITS, Index, Layout
from mlp.data.labels import look_alikes
from mlp.data.leaks import find_leaks
from mlp.data.sources.notes import TEXTS as NOTES
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
    "note": "{name}: {note}",
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


class Remark(str):
    """A remark in English, with its kind (of TEXTS) and values for other languages."""

    kind: str
    values: dict[str, object]

    @classmethod
    def make(cls, kind: str, **values: object) -> Remark:
        """A remark of a kind."""
        of_note = kind.removeprefix("note.")
        if of_note == kind:
            text = TEXTS[kind].format(**values)
        else:
            text = f"{values['name']}: {NOTES[of_note][values['count'] != 1].format(**values)}"
        made = cls(text)
        made.kind, made.values = kind, values
        return made


def remarks(index: Index, config: RunConfig, folds: int = 0) -> list[Remark]:
    """Remarks on the images and on how they are split.

    `folds`: of a study that trains all of them, 0 where it does not.
    """
    name, refused, reasons = index.name, index.damaged, index.table["reason"]
    made = understood(index)
    if len(refused):
        first = refused.head(_SHOWN).itertuples()
        shown = ", ".join(f"{row.path} ({row.reason})" for row in first)
        more = f" + {len(refused) - _SHOWN}" if len(refused) > _SHOWN else ""
        values = {"count": len(refused), "all": len(index.table), "shown": shown, "more": more}
        made.append(Remark.make("damaged", name=name, **values))
    made += of_depth(index)
    if index.single:
        more = f" + {len(index.single) - _SHOWN}" if len(index.single) > _SHOWN else ""
        shown = ", ".join(index.single[:_SHOWN])
        values = {"count": len(index.single), "shown": shown, "more": more}
        made.append(Remark.make("single", name=name, **values))
    for kind, beginning in (("copies_left_out", COPY), ("not_named", NOT_IN_SPLIT)):
        count = int(reasons.str.startswith(beginning).sum())
        if count:
            made.append(Remark.make(kind, name=name, count=count))
    if folds or config.fold != "none":
        count = folds or int(config.fold.split("/")[1])
        made.append(Remark.make("dealt", name=name, folds=count))
    elif is_drawn(index):
        made.append(Remark.make("drawn", name=name, share=config.val_fraction))
    else:
        made += _on_given_splits(index)
    return made


def of_depth(index: Index) -> list[Remark]:
    """What was decided about the brightness of images with more than 8 bits, where it was."""
    deep, bits = index.usable["depth"], index.depth
    if not deep.any():
        return []
    dark = int(((deep > 0) & (deep <= bits - 4)).sum())
    values = {"count": int((deep > 0).sum()), "bits": bits, "white": 2**bits - 1, "dark": dark}
    return [Remark.make("depth", name=index.name, **values)]


def understood(index: Index) -> list[Remark]:
    """How the source was read: its layout in one line, what was passed over, doubtful classes."""
    name, made = index.name, []
    if index.layout:
        made.append(_layout(index, index.layout))
    for note in index.notes:
        if isinstance(note, Note):
            made.append(Remark.make(f"note.{note.kind}", name=name, **note.values))
        else:
            made.append(Remark.make("note", name=name, note=note))
    for group in look_alikes(index.classes):
        shown = ", ".join(repr(cls) for cls in group)
        made.append(Remark.make("look_alikes", name=name, classes=shown))
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
        return Remark.make(kind + end, **values, place=place)
    splits = [
        f"{split} {counts[split]}"
        + (f" ({places[split]}/)" if places.get(split, split) != split else "")
        for split in SPLITS
        if split in counts.index
    ]
    return Remark.make(f"layout_splits{end}", **values, splits=", ".join(splits))


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
            values = {"count": count, "all": every}
            made.append(Remark.make(f"{split}_leaks", name=index.name, **values))
    absent = sorted(
        set(rows.loc[rows["split"] == "train", "class"])
        - set(rows.loc[rows["split"] == "val", "class"])
    )
    if absent:
        made.append(Remark.make("absent", name=index.name, classes=", ".join(absent)))
    return made
