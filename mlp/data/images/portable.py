"""PBM, PGM and PPM files as NumPy arrays.

Where the largest value is not 255 or 65535, Pillow scales values one by one, in Python: an image
of a megapixel takes it seconds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NUMBER = rb"(?:\s|#[^\n\r]*[\n\r])+(\d{1,9})"
# Of bits, only width and height stand there; of the others, white as well
_START = re.compile(rb"P(?:([14])|[2356])" + 2 * _NUMBER + rb"(?(1)|" + _NUMBER + rb")\s")
_HEADER = 2**16  # bytes: where comments fill more, it is no header


@dataclass(frozen=True)
class Portable:
    """The header of a file, and its values, which are read when they are asked for."""

    kind: int  # 1 to 6: bits, levels or colours as text, and then the same in bytes
    size: tuple[int, int]  # width and height
    white: int  # the largest value that a pixel may have
    body: bytes

    @property
    def gray(self) -> bool:
        """True where it has no colour."""
        return self.kind not in (3, 6)

    @classmethod
    def open(cls, data: bytes) -> Portable:
        """Read the header. Raises ValueError."""
        found = _START.match(data[:_HEADER])
        if found is None:
            raise ValueError("its header is not whole")
        width, height, white = (int(digits or 1) for digits in found.groups()[1:])
        if not (width and height and 0 < white < 2**16):
            raise ValueError(f"{width}x{height} pixels with values up to {white}")
        return cls(int(data[1:2]), (width, height), white, data[found.end() :])

    def values(self) -> NDArray[np.uint16]:
        """The pixels (H, W) or (H, W, 3), 0 to `white`. Raises ValueError where some are absent."""
        width, height = self.size
        shape = (height, width) if self.gray else (height, width, 3)
        count = math.prod(shape)
        flat = self._flat(count)[:count]
        if len(flat) < count:
            raise ValueError(f"truncated: {len(flat)} of {count} values")
        if flat.max() > self.white:
            raise ValueError(f"a value of {flat.max()}, where white is {self.white}")
        return flat.astype(np.uint16).reshape(shape)

    def _flat(self, count: int) -> NDArray[np.integer]:
        if self.kind == 4:
            width, height = self.size
            row = -(-width // 8)  # bytes
            whole = min(len(self.body) // row, height)
            packed = np.frombuffer(self.body, np.uint8, whole * row).reshape(-1, row)
            return np.asarray(1 - np.unpackbits(packed, 1, width).ravel(), np.uint8)
        if self.kind > 4:
            kind = np.dtype("u1" if self.white < 256 else ">u2")
            return np.frombuffer(self.body, kind, len(self.body) // kind.itemsize)
        if count > len(self.body):
            raise ValueError(f"truncated: {len(self.body)} bytes for {count} values")
        text = re.sub(rb"#[^\n\r]*", b"", self.body)
        if self.kind == 1:  # the digits need not be apart
            digits = np.frombuffer(text, np.uint8)
            return np.asarray(49 - digits[(digits == 48) | (digits == 49)], np.uint8)
        if re.search(rb"[^\d\s]", text):
            raise ValueError("letters among its numbers")
        return np.array(np.fromstring(text, np.int64, sep=" "), np.int64)
