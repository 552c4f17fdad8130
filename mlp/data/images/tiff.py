"""The directory of a TIFF file, changed where Pillow would stumble over it or misread it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PHOTOMETRIC, BITS = 262, 258
# Of the first image: what its pixels depend on, by the TIFF specification and libtiff
_OF_PIXELS = {
    254, 256, 257, BITS, 259, PHOTOMETRIC, 266, 273, 274, 277, 278, 279, 280, 281, 284, 292, 293,
    317, 320, 322, 323, 324, 325, 332, 338, 339, 340, 341, 347, 512, 513, 514, 515, 517, 518, 519,
    520, 521, 529, 530, 531, 532,
}  # fmt: skip
_SHORT = 3


class _Directory:
    """The place of the first directory and of its entries. Raises struct.error, ValueError."""

    def __init__(self, data: bytes) -> None:
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = 43 in data[2:4]
        self.start = self._number(data, 8, "Q") if self.big else self._number(data, 4, "L")
        self.count = self._number(data, self.start, "Q" if self.big else "H")
        self.first = self.start + (8 if self.big else 2)
        self.step = 20 if self.big else 12
        if self.count > 4096:
            raise ValueError("no directory has so many entries")

    def _number(self, data: bytes, at: int, kind: str) -> int:
        if at > len(data):  # a number of 64 bits may be none that Python takes for a place
            raise ValueError("the file ends before its directory")
        return int(struct.unpack_from(self.order + kind, data, at)[0])

    def entries(self, data: bytes) -> Iterator[tuple[int, int]]:
        """The tag of each entry, and where it stands."""
        for number in range(self.count):
            at = self.first + number * self.step
            yield self._number(data, at, "H"), at

    def short(self, data: bytes, at: int) -> int:
        """The first of the values of an entry, where they are 16-bit numbers; else -1."""
        kind, count = struct.unpack_from(self.order + "H" + "LQ"[self.big], data, at + 2)
        value = at + (12 if self.big else 8)
        if kind != _SHORT:
            return -1
        if count * 2 > (8 if self.big else 4):
            value = self._number(data, value, "Q" if self.big else "L")
        return self._number(data, value, "H")


def black_is_zero(data: bytes) -> tuple[bytes, bool]:
    """The file with values of more than 8 bits said to be 0 at black, and whether they were not.

    Pillow ignores it in one byte order, and refuses such a file in the other.
    """
    try:
        directory = _Directory(data)
        found = dict(directory.entries(data))
        bits, photometric = (
            directory.short(data, found[tag]) if tag in found else -1 for tag in (BITS, PHOTOMETRIC)
        )
    except (struct.error, ValueError):
        return data, False
    if bits <= 8 or photometric != 0:
        return data, False
    value = found[PHOTOMETRIC] + (12 if directory.big else 8)
    return data[:value] + struct.pack(directory.order + "H", 1) + data[value + 2 :], True


def of_pixels(data: bytes) -> bytes | None:
    """The file without the entries that its pixels do not depend on, None where it is broken."""
    try:
        directory = _Directory(data)
        kept = [at for tag, at in directory.entries(data) if tag in _OF_PIXELS]
    except (struct.error, ValueError):
        return None
    entries = b"".join(data[at : at + directory.step] for at in kept)
    count = struct.pack(directory.order + ("Q" if directory.big else "H"), len(kept))
    # Nor on the directories of further images, which would be named behind the last entry
    made = count + entries + bytes(8 if directory.big else 4)
    return data[: directory.start] + made + data[directory.start + len(made) :]
