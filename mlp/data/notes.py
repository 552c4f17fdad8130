"""What was passed over while data were read: counted by kind, so that it cannot flood."""

from __future__ import annotations

from collections.abc import Iterator

# What a note says of one case, and of several: `first` is where the first one was met
TEXTS = {
    "loose": (
        "1 image in no class folder was passed over: {first}",
        "{count} images in no class folder were passed over, the first: {first}",
    ),
    "beside": (
        "1 image in a folder beside those of the splits was passed over: {first}",
        "{count} images in folders beside those of the splits were passed over, the first: {first}",
    ),
    "unlabelled": (
        "1 image without a label was passed over: {first}",
        "{count} images without labels were passed over, the first: {first}",
    ),
    "no_images": (
        "the folder {first} holds no images",
        "{count} folders hold no images, the first: {first}",
    ),
    "system": (
        "1 image in a hidden or system folder was passed over: {first}",
        "{count} images in hidden or system folders were passed over, the first: {first}",
    ),
    "apple_double": (
        "1 file that macOS keeps beside an image (._) was passed over: {first}",
        "{count} files that macOS keeps beside images (._) were passed over, the first: {first}",
    ),
    "link_lost": (
        "1 link leads nowhere, or in a circle: {first}",
        "{count} links lead nowhere, or in a circle, the first: {first}",
    ),
    "link_out": (
        "1 link that leads out of the folder was refused (links=inside): {first}",
        "{count} links that lead out of the folder were refused (links=inside), the first: {first}",
    ),
    "link_again": (
        "1 link leads to a folder that is read already, and was passed over: {first}",
        "{count} links lead to folders that are read already, and were passed over, the first: "
        "{first}",
    ),
    "unreadable": (
        "the folder {first}",
        "{count} folders cannot be read, the first: {first}",
    ),
    "not_utf8": (
        "1 file whose name is not UTF-8 was passed over: rename {first}",
        "{count} files whose names are not UTF-8 were passed over: rename them, the first: {first}",
    ),
}


class Note(str):
    """A note in English, with its kind (of TEXTS) and values for other languages."""

    kind: str
    values: dict[str, object]

    @classmethod
    def make(cls, kind: str, count: int, first: str) -> Note:
        """A note of a kind that was met `count` times."""
        made = cls(TEXTS[kind][count > 1].format(count=count, first=first))
        made.kind, made.values = kind, {"count": count, "first": first}
        return made


class Notes:
    """Counts what is told to it, by kind; iterated, it gives a note for each kind."""

    def __init__(self) -> None:
        self._met: dict[str, tuple[int, str]] = {}
        self._told: set[tuple[str, str]] = set()

    def add(self, kind: str, first: str, count: int = 1) -> None:
        """Another `count` cases of a kind (of TEXTS), the first of them at a path not yet told."""
        assert kind in TEXTS
        if (kind, first) in self._told:
            return
        self._told.add((kind, first))
        before, shown = self._met.get(kind, (0, first))
        self._met[kind] = before + count, shown

    def __iter__(self) -> Iterator[Note]:
        for kind, (count, first) in self._met.items():
            # Names may hold bytes that are no text
            yield Note.make(kind, count, first.encode("utf-8", "backslashreplace").decode())
