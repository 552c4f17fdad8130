"""Images with values of more than 8 bits: their white, and the 8 bits that are kept of each value.

A format that says how many bits count is believed: PGM's largest value, TIFF's BitsPerSample and
its (S)MaxSampleValue where that is 2^n - 1 (others are statistics of one image), PNG's sBIT. The
others hold as many bits as the largest value of their whole set takes, 8 to 16: one factor for all,
or a dark image would be as bright as a bright one; and whole bits, as sensors have, or one lamp
more in one image would change every other image.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from mlp.data.images.containers import BITS, chunks, sound
from mlp.data.images.formats import JPEG2000, PNG, Format
from mlp.errors import UnreadableImage

FULL = 16  # bits
UNKNOWN = 0  # of a set without such images: nobody can say what is white in one
_BLACK = FULL - 4  # bits: an image that takes no more is (almost) black if it was meant to take all
_FULL_WHITE = 2**FULL - 1
_WIDE = re.compile(r"(LA|RGBA|RGBa|RGBX|RGB|CMYK);16([LBN])")
_OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
_PLANES, _MAX_VALUES = 284, (281, 341)  # tags of TIFF
_IN_PLANES = 2


@dataclass(frozen=True)
class Wide:
    """Values (H, W), (H, W, 3) or (H, W, 4) as stored: of gray, RGB or CMYK; and alpha (H, W).

    `white`: the value of white that the format declares, 0 where it does not.
    """

    values: NDArray[np.uint16]
    alpha: NDArray[np.uint16] | None = None
    white: int = 0
    white_is_zero: bool = False
    premultiplied: bool = False

    def bits(self) -> int:
        """The bits that the values take, 8 to 16; 0 where the format declares them."""
        if self.white:
            return 0
        largest = int(self.values.max())
        if self.white_is_zero and largest.bit_length() == FULL:
            largest = _FULL_WHITE - int(self.values.min())
        return max(8, largest.bit_length())

    def picture(self, depth: int) -> Image.Image:
        """8 bits of each value: L, LA, RGB, RGBA or CMYK. `depth`: bits, where no format says it.

        Raises UnreadableImage for values of more bits, and where neither says it and most bits are
        not used.
        """
        if not self.white and depth == UNKNOWN:
            bits, depth = self.bits(), FULL
            if bits <= _BLACK:
                raise UnreadableImage(
                    f"values of {bits} bits in 16, and nothing says which of them is white: save "
                    "it with 8 bits, or train on images like it"
                )
        colour = self._eight_bits(depth)
        if colour.ndim == 3 and colour.shape[2] == 4:
            return Image.frombytes("CMYK", colour.shape[1::-1], colour.tobytes())
        if self.alpha is None:
            return Image.fromarray(colour)
        spare = max(0, self.white.bit_length() - 8 if self.white else depth - 8)
        if int(self.alpha.max()) >> spare > 255:
            spare = 8  # of the whole range, whatever the colours are
        alpha = (self.alpha >> spare).astype(np.uint8)
        if self.premultiplied:  # on white
            shown = colour.astype(np.uint16) + (255 - alpha[..., None].astype(np.uint16))
            return Image.fromarray(np.minimum(shown, 255).astype(np.uint8))
        return Image.fromarray(np.dstack([colour, alpha]))

    def _eight_bits(self, depth: int) -> NDArray[np.uint8]:
        values, white = self.values, self.white or 2**depth - 1
        largest = int(values.max())
        if self.white_is_zero:
            values = (white if largest <= white else _FULL_WHITE) - values
            largest = int(values.max())
        if largest > white:
            raise UnreadableImage(
                f"values of {largest.bit_length()} bits, where {white.bit_length()} are expected"
            )
        bits = white.bit_length()
        if bits >= 8 and white == 2**bits - 1:
            return (values >> (bits - 8)).astype(np.uint8)
        return ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def is_wide(image: ImageFile) -> bool:
    """Tell whether an image that Pillow has opened, not loaded, has more than 8 bits a value."""
    return image.mode.startswith("I") or bool(_WIDE.match(_rawmode(image)))


def is_la(image: ImageFile) -> bool:
    """Tell whether it is 16-bit gray with alpha, for which Pillow has no mode of its own."""
    return _rawmode(image) == "LA;16B"


def refuse_misread(image: ImageFile, data: bytes, kind: Format) -> None:
    """Raise UnreadableImage where the values that Pillow reads of an image are not its pixels."""
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS)
    if tags.get(_PLANES) == _IN_PLANES and isinstance(bits, tuple) and max(bits) > 8:
        raise UnreadableImage("16-bit colours in separate planes: save it as PNG")
    if kind is JPEG2000 and not image.mode.startswith("I") and _precision(data) == FULL:
        raise UnreadableImage("16-bit colours in JPEG 2000: save it as PNG or TIFF")
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels, of which the range is unknown")


def load_wide(image: ImageFile, data: bytes, kind: Format, white_is_zero: bool) -> Wide:
    """The values of such an image. Raises UnreadableImage, and as Pillow does.

    Pillow keeps one byte of each value of a colour image: which one, the name of its mode decides.
    """
    raw = _WIDE.match(_rawmode(image))
    if raw is None:
        stored = np.asarray(image)
        if stored.min() < 0:
            raise UnreadableImage("negative values, of which the range is unknown")
        if stored.max() > _FULL_WHITE:
            raise UnreadableImage("pixels of more than 16 bits")
        values = stored.astype(np.uint16)
    elif raw[1] == "LA":
        both = _read_as(image, "RGBA")
        values = np.asarray(both[..., ::2] << 8 | both[..., 1::2], np.uint16)
    else:
        mode = raw[1].replace("a", "A")
        high = _read_as(image, f"{mode};16{raw[2]}")
        low = _read_as(type(image)(io.BytesIO(data), ""), f"{mode};16{_OTHER_BYTE[raw[2]]}")
        values = np.asarray(high << 8 | low, np.uint16)
    alpha = values[..., -1] if image.mode == "RGBA" else _clear(values, image)
    if image.mode == "RGBA":
        values = values[..., 0] if values.shape[2] == 2 else values[..., :3]
    white = _declared(values, data, kind, image)
    return Wide(values, alpha, white, white_is_zero, raw is not None and raw[1] == "RGBa")


def _read_as(image: ImageFile, mode: str) -> NDArray[np.uint16]:
    """The bytes (H, W, C) that Pillow keeps of an image if its values are said to lie like this."""
    image.tile = [
        tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode)
        for tile in image.tile
    ]
    return np.asarray(image).astype(np.uint16)


def _rawmode(image: ImageFile) -> str:
    """Pillow's name for the way in which the values lie in the file."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _clear(values: NDArray[np.uint16], image: ImageFile) -> NDArray[np.uint16] | None:
    """Alpha of an image in which one value or colour is said to be transparent."""
    clear = image.info.get("transparency")
    if not isinstance(clear, int | tuple):
        return None
    same = values == np.asarray(clear)
    same = same.all(axis=2) if values.ndim == 3 else same
    return np.where(same, 0, _FULL_WHITE).astype(np.uint16)


def _declared(values: NDArray[np.uint16], data: bytes, kind: Format, image: ImageFile) -> int:
    """The value of white, 0 where the format does not say it or the image contradicts it."""
    if kind is PNG:
        return _by_sbit(values, data)
    if kind is JPEG2000:
        return _FULL_WHITE if _precision(data) < FULL else 0  # Pillow scales them
    tags = getattr(image, "tag_v2", {})
    bits = tags.get(BITS)
    said = [2 ** max(bits) - 1 if isinstance(bits, tuple) else 0, *map(tags.get, _MAX_VALUES)]
    for number in said:
        white = max(number) if number and isinstance(number, tuple) else number
        if isinstance(white, int) and 255 <= white < _FULL_WHITE and not white & (white + 1):
            return white if values.max() <= white else 0
    return 0


def _by_sbit(values: NDArray[np.uint16], data: bytes) -> int:
    """White by the chunk sBIT: values fill all 16 bits then, by the standard, and often do not."""
    found = next((chunk for chunk in chunks(data) if chunk[4:8] == b"sBIT"), b"")
    if not found or not sound(found):
        return 0
    said = found[8:-4]
    bits = max(said[: 3 if len(said) > 2 else 1], default=0)
    if not 0 < bits < FULL:
        return 0
    spare = FULL - bits
    top = values >> spare
    filled = (top << spare == values).all() or (
        bits >= 8 and (top << spare | top >> (bits - spare) == values).all()
    )
    white: int = _FULL_WHITE if filled or values.max() >= 2**bits else 2**bits - 1
    return white


def _precision(data: bytes) -> int:
    """Bits of the first component of a JPEG 2000 image."""
    at = data.find(b"\xff\x4f\xff\x51")
    return (data[at + 42] & 0x7F) + 1 if 0 <= at < len(data) - 42 else FULL
