"""Notes on things that were passed over while data were read, counted by kind: a line for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# The text for one case, and for several; `first` is where the first one was met
TEXTS = {
    "empty": ("the folder {first} is empty", "{count} folders are empty, the first: {first}"),
    "unreadable": ("the folder {first}", "{count} folders cannot be read, the first: {first}"),
    "system": (
        "1 image in a hidden folder, or one of a system, was passed over: {first}",
        "{count} images in hidden folders, or those of a system, were passed over, the first: "
        "{first}",
    ),
    "hidden": (
        "1 hidden file with the name of an image was passed over: {first}",
        "{count} hidden files with names of images were passed over, the first: {first}",
    ),
    "link_lost": (
        "1 link leads nowhere, or in a circle: {first}",
        "{count} links lead nowhere, or in a circle, the first: {first}",
    ),
    "link_out": (
        "1 link leads out of the folder, which links=inside refuses: {first}",
        "{count} links lead out of the folder, which links=inside refuses, the first: {first}",
    ),
    "link_again": (
        "1 link leads to a folder that is read already, and was passed over: {first}",
        "{count} links lead to folders that are read already, and were passed over, the first: "
        "{first}",
    ),
    "not_utf8": (
        "1 file whose name is not UTF-8 was passed over: rename {first}",
        "{count} files whose names are not UTF-8 were passed over: rename them, the first: {first}",
    ),
    "stray": 2 * ("{count} files that are no images were passed over",),
}


@dataclass(frozen=True)
class Note:
    """A kind of thing (of TEXTS) that was met: how often, and where first. `str` is English."""

    kind: str
    count: int
    first: str

    def __str__(self) -> str:
        return TEXTS[self.kind][self.count > 1].format(count=self.count, first=self.first)


class Notes:
    """The places where each kind of thing was met; iterating gives a note for each kind."""

    def __init__(self) -> None:
        self._met: dict[str, dict[str, int]] = {}

    def add(self, kind: str, path: str, count: int = 1) -> None:
        """Count a thing of a kind (of TEXTS) that was met at a path, once for each path."""
        assert kind in TEXTS
        self._met.setdefault(kind, {})[path] = count

    def __iter__(self) -> Iterator[Note]:
        for kind, met in self._met.items():
            # Names may hold bytes that are no text
            first = min(met).encode("utf-8", "backslashreplace").decode()
            yield Note(kind, sum(met.values()), first)
