"""How a folder is read: which of its folders are splits, which are classes, and what neither is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from mlp.data.index import SPLITS, DataError, Layout
from mlp.data.labels import label, likeness
from mlp.data.notes import Notes
from mlp.data.walk import Links, Listing, images_below, is_image_name

Kind = Literal["auto", "flat", "splits"]

# What the names of splits mean, in folders and in CSV files; a prediction set trains nothing
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_WORDS = SPLIT_NAMES | dict.fromkeys(("pred", "predict", "prediction", "predictions"), "pred")
_SHOWN = 8
_SAY = (
    "say layout=flat where each folder is a class, whatever is below it, or layout=splits where "
    "the names say what trains, validates and tests; or give the folder below that holds the "
    "classes, or a CSV file of path, class and split"
)


def split_named(text: str) -> str:
    """The split that a text names, in any case; "" where it names none."""
    return SPLIT_NAMES.get(text.strip().lower(), "")


def split_in(name: str) -> str:
    """The split (or pred) of which a folder's name has a word; "" for none, or more than one.

    Words end at blanks, signs, digits and where capitals begin: seg_train, TrainSet, test1.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    found = {_WORDS[word] for word in re.split(r"[\W\d_]+", spaced.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else ""


def read_layout(root: Path, kind: Kind, notes: Notes, links: Links = "follow") -> Layout:
    """Understand a folder. Raises DataError where it could mean several things, OSError."""
    return _Reader(root, kind, notes, links).read()


class _Reader:
    def __init__(self, root: Path, kind: Kind, notes: Notes, links: Links) -> None:
        self.root, self.kind, self.notes, self.links = root, kind, notes, links
        self.full: dict[str, bool] = {}  # folder to whether there are images in it

    def read(self) -> Layout:
        top = self.unwrapped("", stop_at_splits=self.kind != "flat")
        self.top = top
        meant = {name: split_in(name) for name in top.folders if split_in(name)}
        inner = {name: self.unwrapped(top.below(name)) for name in meant}
        if self.kind == "splits" and "train" not in meant.values():
            raise DataError(f"{self.shown()} has no folder for training{self.tree()}")
        splits = self.kind == "splits" or (self.kind == "auto" and self.is_split(meant, inner))
        return self.splits(meant, inner) if splits else self.flat()

    def listing(self, here: str) -> Listing:
        """What is in a folder that may fail: one that cannot be read is counted, and is empty."""
        try:
            return Listing(self.root, here, self.links)
        except OSError as error:
            if not here:
                raise
            self.notes.add("unreadable", f"{here}/ cannot be read: {error.strerror}")
            empty = Listing.__new__(Listing)
            empty.here, empty.folders, empty.system = here, [], []
            empty.images, empty.refused = [], []
            return empty

    def unwrapped(self, here: str, stop_at_splits: bool = False) -> Listing:
        """The folder, or the one within it that holds more than one folder with images."""
        seen = set()
        while True:
            listing = self.listing(here)
            key = (self.root / here).resolve()
            if listing.named or key in seen:
                return listing
            seen.add(key)
            full = [name for name in listing.folders if self.has_images(listing.below(name))]
            if len(full) != 1 or (stop_at_splits and split_in(full[0])):
                return listing
            inside = self.listing(listing.below(full[0]))
            # A folder of images is a class, even where it is the only one
            if inside.named or not inside.folders:
                return listing
            here = inside.here

    def has_images(self, here: str) -> bool:
        if here not in self.full:
            found = next(images_below(self.root, here, self.links), None)
            self.full[here] = found is not None
        return self.full[here]

    def is_split(self, meant: dict[str, str], inner: dict[str, Listing]) -> bool:
        """Whether the names that could mean splits do. Raises DataError where nobody could tell."""
        if not meant:
            return False
        top = self.top
        others = [n for n in top.folders if n not in meant]
        full = [n for n in others if self.listing(top.below(n)).named]
        labelled = [n for n in meant if self.classes(inner[n]) and not (full and inner[n].named)]
        training = [n for n in labelled if meant[n] == "train"]
        if not labelled:
            loose = [n for n in meant if inner[n].named]
            if len(full) >= max(1, len(loose)) or not loose:
                return False
            raise DataError(
                f"{self.shown()}: {_and(loose)} {'hold' if len(loose) > 1 else 'holds'} images "
                f"without a folder for each class, so nothing says what they show{self.tree()}"
            )
        if not training and len(meant) == len(top.folders):
            raise DataError(f"{self.shown()} has {'/ and '.join(sorted(meant))}/ but no train/")
        if not training:
            raise DataError(
                f"{self.shown()}: {_and(labelled)} could be a split, as there are folders in it, "
                f"or a class beside {_and(others)}; but nothing is named for training{self.tree()}"
            )
        known = {likeness(n) for name in training for n in self.classes(inner[name])}
        for name in labelled:
            found = {likeness(n) for n in self.classes(inner[name])}
            exact = split_named(name) or meant[name] == "pred"
            if not exact and len(found) > 1 and not found & known:
                raise DataError(
                    f"{self.shown()}: {name}/ could be the {meant[name]} split, but none of its "
                    f"folders is a class of {_and(training)}{self.tree()}"
                )
        # One name alone may as well be that of a class, where others are full of images
        if full and len(meant) == 1:
            raise DataError(
                f"{self.shown()}: {training[0]}/ could be the split for training, with the classes "
                f"{_and(self.classes(inner[training[0]]))}, or a class beside "
                f"{_and(full)}{self.tree()}"
            )
        return True

    def classes(self, listing: Listing) -> list[str]:
        """Names of the folders in a folder that hold images."""
        return [name for name in listing.folders if self.has_images(listing.below(name))]

    def splits(self, meant: dict[str, str], inner: dict[str, Listing]) -> Layout:
        top = self.top
        training = [n for n in meant if meant[n] == "train" and self.classes(inner[n])]
        known = {likeness(n) for name in training for n in self.classes(inner[name])}
        used: dict[str, str] = {}
        passed = []
        for name, split in meant.items():
            found = {likeness(n) for n in self.classes(inner[name])}
            # A single folder in val/ may be called anything: there is no class to it
            foreign = training and not found & known and (split == "test" or len(found) == 1)
            if found and split != "pred" and not foreign:
                used[name] = split
            elif found or self.has_images(inner[name].here):
                passed.append(name)
                self.count("unlabelled", top.below(name))
        for name in sorted(set(top.folders) - set(meant)):
            passed.append(name)
            self.count("beside", top.below(name))
        for split in sorted(set(used.values())):
            names = sorted(name for name in used if used[name] == split)
            if len(names) > 1:
                raise DataError(
                    f"{self.shown()} has two folders for one split: {', '.join(names)}{self.tree()}"
                )
        self.pass_over(top)
        shown: dict[str, str] = {}
        found_classes: list[tuple[str, str, str]] = []
        for name, split in sorted(used.items(), key=lambda item: SPLITS.index(item[1])):
            self.pass_over(inner[name])
            found_classes += self.class_folders(inner[name], split)
            shown[inner[name].here] = split
        return Layout(tuple(found_classes), top.here, shown, tuple(passed))

    def flat(self) -> Layout:
        self.pass_over(self.top)
        return Layout(tuple(self.class_folders(self.top, "")), self.top.here)

    def class_folders(self, listing: Listing, split: str) -> Iterator[tuple[str, str, str]]:
        for name in listing.folders:
            here = listing.below(name)
            inside = self.unwrapped(here)
            if not inside.images and len(self.classes(inside)) > 1 and self.kind == "auto":
                raise DataError(
                    f"{self.shown()}: {here}/ holds only folders "
                    f"({_and(self.classes(inside))}): it could be a class, or hold "
                    f"classes{self.tree()}"
                )
            if not self.has_images(here):
                self.notes.add("no_images", f"{here}/")
            yield here, label(name), split

    def pass_over(self, listing: Listing) -> None:
        """Count what is in a folder of folders and is none of them."""
        if listing.named:
            self.notes.add("loose", listing.below(listing.named[0]), len(listing.named))
        for name in listing.system:
            self.count("system", listing.below(name))
        for name in listing.refused:
            self.notes.add("link_out", listing.below(name))

    def count(self, kind: str, here: str) -> None:
        found = [p for p in images_below(self.root, here, self.links) if is_image_name(p)]
        if found:
            self.notes.add(kind, min(found), len(found))

    def shown(self) -> str:
        return str(self.root / self.top.here)

    def tree(self) -> str:
        """The first folders of what was found, and how to say what they are."""
        lines = [f"\n{self.shown()} holds"]
        for name in self.top.folders[:_SHOWN]:
            inside = self.listing(self.top.below(name))
            parts = [f"{folder}/" for folder in inside.folders[:3]]
            parts += ["..."] if len(inside.folders) > 3 else []
            if inside.named:
                parts.append(f"{len(inside.named)} images")
            lines.append(f"  {name}/  {'  '.join(parts)}".rstrip())
        if len(self.top.folders) > _SHOWN:
            lines.append(f"  and {len(self.top.folders) - _SHOWN} folders more")
        return "\n".join([*lines, _SAY])


def _and(names: Sequence[str]) -> str:
    parts = [f"{name}/" for name in names[:_SHOWN]]
    if len(names) > _SHOWN:
        parts.append(f"{len(names) - _SHOWN} more")
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
