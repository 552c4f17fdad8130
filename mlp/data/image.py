"""One encoded image: what its header says, and its pixels at a given size.

Formats: JPEG, PNG, BMP, WebP and TIFF, recognised by content, never by file name. EXIF rotation is
applied, palettes and CMYK become RGB, transparent pixels show white, 16-bit values keep their
high byte, and of several frames the first is taken.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# Ten times the picture of a usual camera; a bomb of a few kilobytes can claim far more.
MAX_PIXELS = 120_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# No camera or scanner makes a longer side; Pillow runs out of memory at some, whatever there is.
MAX_SIDE = 1_000_000
_TOO_LONG = f"a side of more than {MAX_SIDE // 1_000_000} million pixels"
_TOO_LARGE = f"more than {MAX_PIXELS // 1_000_000} million pixels"
# A larger picture is decoded while no other large one is: each takes a dozen bytes a pixel, and
# there is a thread for every core.
_LARGE_PIXELS = 20_000_000
_one_large = threading.Lock()
# Part of the key under which headers and decoded pixels are kept: raise the number when `decode`
# changes its output, as another release of a library may.
DECODER_VERSION = f"2 pillow {PIL.__version__} opencv {cv2.__version__}"

# A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for less work (its 8x8 cosine transforms,
# cut off). This much larger than what is asked for it stays, the rest being averaged.
_MARGIN = 2

_GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")


class UnreadableImage(ValueError):
    """Why bytes cannot be used as an image, in words for a person."""


@dataclass(frozen=True)
class Header:
    """Width and height in pixels as stored, and whether the image has no colour."""

    width: int
    height: int
    gray: bool


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Silence Pillow's remarks on odd but readable files. Enter it outside of any thread pool."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def read_header(data: bytes) -> Header:
    """What the first bytes of an image say. Raises UnreadableImage."""
    image = _open(data)
    return Header(image.width, image.height, image.mode in _GRAY_MODES)


def decode(data: bytes, size: int, gray: bool) -> NDArray[np.uint8]:
    """The pixels of an image squeezed to a square: uint8 (size, size, 1 if gray else 3), RGB order.

    Shrinking averages areas (cv2.INTER_AREA), enlarging is bilinear. A JPEG at least four
    times as large is decoded at a fraction of its size first (`_draft`). Raises UnreadableImage.
    """
    image = _open(data)
    large = image.width * image.height > _LARGE_PIXELS
    try:
        with _one_large if large else nullcontext():
            _draft(image, size)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            pixels = _pixels(image, gray)
    except UnreadableImage:
        raise
    except MemoryError:
        raise
    # Pillow's decoders raise nearly any exception on damaged files: OSError, SyntaxError,
    # ValueError, struct.error, IndexError ...
    except Exception as error:
        raise UnreadableImage(f"damaged: {_one_line(error)}") from None
    height, width = pixels.shape[:2]
    shrinking = height >= size and width >= size
    resized = cv2.resize(
        pixels, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )
    return np.asarray(resized, np.uint8).reshape(size, size, 1 if gray else 3)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise UnreadableImage("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadableImage("not an image (JPEG, PNG, BMP, WebP or TIFF)") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(_TOO_LARGE) from None
    except Exception as error:
        raise UnreadableImage(f"damaged: {_one_line(error)}") from None
    if image.width * image.height > MAX_PIXELS:
        raise UnreadableImage(_TOO_LARGE)
    if max(image.size) > MAX_SIDE:
        raise UnreadableImage(_TOO_LONG)
    return image


def drafted(width: int, height: int, size: int) -> int:
    """The part of its size, 1/2, 1/4, 1/8 or 1, at which a JPEG is decoded for `size`: 2, 4, 8, 1.

    One that is large enough and divides it. If it did not, the last row and column would stand for
    fewer pixels than the others, and the picture be stretched by that.
    """
    for part in (8, 4, 2):
        if min(width, height) >= part * _MARGIN * size and width % part == height % part == 0:
            return part
    return 1


def _draft(image: Image.Image, size: int) -> None:
    """Let a JPEG be decoded at a fraction of its size."""
    part = drafted(*image.size, size)
    if part > 1:
        image.draft(None, (image.width // part, image.height // part))


def _pixels(image: Image.Image, gray: bool) -> NDArray[np.uint8]:
    """The 8-bit pixels of a loaded image, (H, W) if gray, else (H, W, 3)."""
    if image.mode == "F":
        raise UnreadableImage("floating-point pixels, of which the range is unknown")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 0xFFFF:
            raise UnreadableImage("pixels of more than 16 bits")
        image = Image.fromarray((wide >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    wanted = "L" if gray else "RGB"
    # Pillow copies what it need not convert
    return np.asarray(image if image.mode == wanted else image.convert(wanted))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
