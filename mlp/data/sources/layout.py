"""The layout of a folder: its folders of splits and of classes, and those that are neither."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NoReturn

from mlp.data.index import SPLITS, Layout, label, likeness
from mlp.data.sources.walk import Walk, below
from mlp.errors import DataError

Kind = Literal["auto", "flat", "splits"]

# What the names of splits mean, in folders and in CSV files
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
# Images without labels: nothing is trained or measured with them
_PRED = "pred"
_WORDS = SPLIT_NAMES | dict.fromkeys((_PRED, "predict", "prediction", "predictions"), _PRED)
_UNLABELLED = {"unknown", "unlabelled", "unlabeled"}
_PLAIN = _UNLABELLED | {"images", "image", "imgs", "img", "data", "all", "pictures", "photos"}
_SHOWN = 8


def split_named(text: str) -> str:
    """The split that a text names, in any case; "" where it names none."""
    return SPLIT_NAMES.get(text.strip().lower(), "")


def split_in(name: str) -> str:
    """The split (or pred) of which a folder's name has a word; "" for none, or more than one.

    Words end at blanks, signs, digits and where capitals begin: seg_train, TrainSet, test1.
    """
    spaced = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", name)
    found = {_WORDS[word] for word in re.split(r"[\W\d_]+", spaced.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else ""


class Reader:
    """Understands a folder: `read` raises DataError where it could mean several things, OSError."""

    def __init__(self, walk: Walk, kind: Kind = "auto") -> None:
        self.walk, self.kind = walk, kind
        self.top = self.unwrapped("", splits=kind != "flat")
        self.shown = walk.root / self.top
        # Folders with images that are called for splits, and what is in them; then the other ones
        full = self.full(self.top)
        self.meant = {n: split_in(n) for n in full if kind != "flat" and split_in(n)}
        self.inner = {n: self.unwrapped(below(self.top, n)) for n in self.meant}
        self.held = {n: self.full(part) for n, part in self.inner.items()}
        self.others = [n for n in full if n not in self.meant]
        # A single folder may as well be a wrapper of the images of one class, called train, where
        # no other folder has one of that name
        single = kind == "splits" or not self.others
        times = Counter(name for found in self.held.values() for name in found)
        self.training = [
            n
            for n, found in self.held.items()
            if found and self.meant[n] == "train"
            if len(found) > 1 or single or times[found[0]] > 1
        ]
        self.known = {likeness(c) for n in self.training for c in self.held[n]}
        self.labelled = {n: found for n in self.meant if (found := self.classes_of(n))}

    def read(self) -> Layout:
        if not self.meant:
            if self.kind == "splits":
                self.unclear("layout=splits was said, but no folder is called train")
            return self.layout()
        if not self.training:
            return self.without_training()
        tested = [n for n in self.labelled if self.meant[n] != "train"]
        # One name alone may as well be that of a class, where other folders are full of images
        alone = not tested and (len(self.meant) == 1 or len(self.others) >= len(self.meant))
        if self.kind == "auto" and self.others and alone:
            name = self.training[0]
            self.unclear(
                f"{name}/ could be the training split, with the classes "
                f"{_and(self.held[name])}, or a class beside {_and(self.others)}"
            )
        for name in tested if self.kind == "auto" else []:
            classes = self.labelled[name]
            if not split_named(name) and self.known.isdisjoint(map(likeness, classes)):
                self.unclear(
                    f"{name}/ could be a split, but none of its folders ("
                    f"{_and(classes)}) is a class of {_and(self.training)}"
                )
        for split in SPLITS:
            names = [n for n in self.labelled if self.meant[n] == split]
            if len(names) > 1:
                raise DataError(
                    f"{self.shown} has two folders for one split: {', '.join(names)}; move one "
                    f"of them elsewhere{self.tree()}"
                )
        return self.layout(list(self.labelled))

    def classes_of(self, name: str) -> list[str]:
        """The classes in a folder called for a split, none where its images have no labels."""
        if self.meant[name] == _PRED or (self.meant[name] == "train" and name not in self.training):
            return []
        found = self.held[name]
        if len(found) == 1 and self.known and likeness(found[0]) not in self.known:
            # One folder around images of all kinds; in val/, a class that train/ lacks is an error
            plain = found[0].casefold() in _PLAIN or split_in(found[0])
            return [] if plain or self.meant[name] == "test" else found
        return found

    def without_training(self) -> Layout:
        """A flat folder, if folders called for splits can be classes in it. Raises DataError."""
        names = sorted(self.meant)
        called = set(self.meant.values()) - {_PRED}
        if self.kind == "splits":
            self.unclear("layout=splits was said, but no folder called train holds classes")
        nested = [n for n, classes in self.labelled.items() if len(classes) > 1]
        if not nested and (len(self.others) > 1 or (self.others and len(called) < 2)):
            return self.layout()
        if self.labelled and not self.others:
            raise DataError(f"{self.shown} has {'/ and '.join(names)}/ but no train/{self.tree()}")
        if nested:
            self.unclear(f"{_and(nested)} could be a split, or a class beside {_and(self.others)}")
        self.unclear(
            f"{_and(names)}: images, but no folder for each class, so nothing says what they show"
        )

    def layout(self, names: Sequence[str] = ()) -> Layout:
        """The layout in which these folders are splits; of no names, one without splits."""
        if names:
            for name in self.walk.listing(self.top).folders:
                if name not in names:
                    self.walk.pass_over(below(self.top, name))
            self.around(self.top)
        classes: list[tuple[str, str, str]] = []
        for name in names or [""]:
            part = self.inner.get(name, self.top)
            self.around(part, below(self.top, name) if name else "")
            classes += self.class_folders(part, self.meant.get(name, ""))
        return Layout(tuple(classes), tuple(self.walk.passed))

    def class_folders(self, part: str, split: str) -> Iterator[tuple[str, str, str]]:
        for name in self.walk.listing(part).folders:
            here, cls = below(part, name), label(name)
            unlabelled = split not in ("", "train") and cls.casefold() in _UNLABELLED - self.known
            if unlabelled or (name.startswith(".") and not self.walk.holds_images(here)):
                self.walk.pass_over(here)
                continue
            inside = self.unwrapped(here, loose=False)
            folders = self.full(inside)
            if self.kind == "auto" and len(folders) > 1 and not self.walk.listing(inside).images:
                self.unclear(
                    f"{here}/ holds no images itself, but {_and(folders)}: it could be a class, "
                    "or these could be"
                )
            yield here, cls, split

    def unwrapped(self, part: str, splits: bool = False, loose: bool = True) -> str:
        """The folder, or the one within it that has more than one folder with images.

        `splits`: a folder that is called for one, and holds no others, is not gone through.
        `loose`: images beside a folder of folders do not keep one from going into it.
        """
        while len(full := self.full(part)) == 1:
            inside = below(part, full[0])
            within = self.full(inside)
            # A folder of images is a class, even where it is the only one
            if not within or self.walk.listing(inside).images:
                break
            if self.walk.listing(part).images and not (loose and len(within) > 1):
                break
            called = {split_in(n) for n in self.full(self.unwrapped(inside))}
            if splits and split_in(full[0]) and "train" not in called:
                break
            part = inside
        return part

    def full(self, part: str) -> list[str]:
        """Names of the folders with images in a folder; of what may be images, if none has any."""
        names = self.walk.listing(part).folders
        found = [n for n in names if self.walk.holds_images(below(part, n))]
        return found or [
            n for n in names if n[0] != "." and self.walk.holds_images(below(part, n), False)
        ]

    def around(self, part: str, within: str = "") -> None:
        """Note what is in a folder of folders, and in those around it, and is none of them."""
        while True:
            listing = self.walk.listing(part)
            if listing.images:
                self.walk.passed.append((below(part, "*"), listing.images))
            if part == within:
                return
            part, _, through = part.rpartition("/")
            for name in self.walk.listing(part).folders:
                if name != through:
                    self.walk.pass_over(below(part, name))

    def unclear(self, what: str) -> NoReturn:
        raise DataError(
            f"{self.shown}: {what}{self.tree()}\nsay layout=flat (each folder is a class, with "
            "all below it) or layout=splits (the names of folders say what trains, validates and "
            "tests), give a folder within it as data, or a CSV file of path, class and split"
        )

    def tree(self) -> str:
        """The first folders of what was found."""
        lines = [f"\n{self.shown} holds"]
        folders = list(self.walk.listing(self.top).folders)
        for name in folders[:_SHOWN]:
            listing = self.walk.listing(below(self.top, name))
            content = _first(list(listing.folders), 4, "and {} folders more")
            content += [f"{listing.images} images"] if listing.images else []
            lines.append(f"  {name}/  {'  '.join(content)}".rstrip())
        if len(folders) > _SHOWN:
            lines.append(f"  and {len(folders) - _SHOWN} folders more")
        return "\n".join(lines)


def _first(names: Sequence[str], most: int, more: str) -> list[str]:
    """The first names of folders, and how many there are more."""
    left = len(names) - most
    return [f"{name}/" for name in names[:most]] + ([more.format(left)] if left > 0 else [])


def _and(names: Sequence[str]) -> str:
    *first, last = _first(names, _SHOWN, "{} more")
    return f"{', '.join(first)} and {last}" if first else last
