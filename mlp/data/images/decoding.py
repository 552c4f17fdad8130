"""One encoded image: its header, its pixels at a given size, and the file of given pixels.

Formats (`mlp.data.images.formats`) are recognised by content, never by file name. EXIF rotation
is applied, palettes and CMYK become RGB, transparent pixels show white, values of more than 8 bits
become 8 (`mlp.data.images.depth`), and of several frames the first is taken. Texts, profiles and
broken metadata do not matter.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from mlp.data.images.containers import black_is_zero, without_ancillary
from mlp.data.images.depth import FULL, Wide, is_la, is_wide, load_wide, refuse_misread
from mlp.data.images.formats import PNM, RAW, READABLE, TIFF, Format, by_content
from mlp.data.images.portable import Portable
from mlp.errors import UnreadableImage

NOT_AN_IMAGE, EMPTY = f"not an image ({READABLE})", "empty file"
# Ten times the picture of a usual camera; a bomb of a few kilobytes can claim far more.
MAX_PIXELS = 120_000_000
# No camera or scanner makes a longer side; Pillow runs out of memory at some, whatever there is.
MAX_SIDE = 1_000_000
# A larger picture is decoded while no other large one is: each takes a dozen bytes a pixel, and
# there is a thread for every core.
_LARGE_PIXELS = 20_000_000
_one_large = threading.Lock()
# Part of the key under which headers and decoded pixels are kept: raise the number when `decode`
# changes its output, as another release of a library may.
DECODER_VERSION = f"3 pillow {PIL.__version__} opencv {cv2.__version__}"

# A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size for less work (its 8x8 cosine transforms,
# cut off). This much larger than what is asked for it stays, the rest being averaged.
_MARGIN = 2

_GRAY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION, _TURN = 0x0112, Image.Transpose
_UPRIGHT = {
    2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_270, 7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90,
}  # fmt: skip
# Tags by which a TIFF file shows that it is a camera's, of which the first image is a preview
_DNG_VERSION, _SUBFILE, _SUB_DIRECTORIES = 50706, 254, 330
Made = TypeVar("Made")


class _Damaged(UnreadableImage):
    """A decoder failed, and said why."""

    def __init__(self, error: Exception | str) -> None:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        super().__init__(f"damaged: {reason}")


@dataclass(frozen=True)
class Header:
    """Width and height in pixels, whether the image has no colour, and whether more than 8 bits."""

    width: int
    height: int
    gray: bool
    wide: bool = False


@contextmanager
def quiet_decoder() -> Iterator[None]:
    """Silence Pillow's warnings of odd but readable files. Enter it outside of any thread pool."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def read_header(data: bytes) -> Header:
    """The header of an image, without decoding it. Raises UnreadableImage."""
    return _with_opened(data, _Opened.header)


def significant_bits(data: bytes) -> int:
    """The bits that the values of an image take, 8 to 16, where its format does not say it; else 0.

    An image of more than 8 is decoded for this. Raises UnreadableImage.
    """
    return _with_opened(data, _Opened.bits)


def decode(data: bytes, size: int, gray: bool, depth: int = FULL) -> NDArray[np.uint8]:
    """The pixels of an image squeezed to a square: uint8 (size, size, 1 if gray else 3), RGB order.

    Shrinking averages areas (cv2.INTER_AREA), enlarging is bilinear. A JPEG at least four
    times as large is decoded at a fraction of its size first (`drafted`). `depth`: bits of white in
    an image with more than 8, of which the format does not say it. Raises UnreadableImage.
    """
    pixels = _with_opened(data, lambda image: image.pixels(size, gray, depth))
    method = cv2.INTER_AREA if min(pixels.shape[:2]) >= size else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (size, size), interpolation=method)
    return np.asarray(resized, np.uint8).reshape(size, size, 1 if gray else 3)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels (H, W), (H, W, 1) or (H, W, 3), colours in the order RGB."""
    return cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1].tobytes()


@dataclass(frozen=True)
class _Opened:
    """An image of which the header was read."""

    source: ImageFile | Portable
    data: bytes
    kind: Format
    white_is_zero: bool = False

    def header(self) -> Header:
        source = self.source
        if isinstance(source, Portable):
            return Header(*source.size, source.gray, source.white > 255)
        return Header(*source.size, source.mode in _GRAY_MODES or is_la(source), is_wide(source))

    def bits(self) -> int:
        wide = self._load(MAX_SIDE)
        return wide.bits() if isinstance(wide, Wide) else 0

    def pixels(self, size: int, gray: bool, depth: int) -> NDArray[np.uint8]:
        """The 8-bit pixels of the image, (H, W) if gray, else (H, W, 3)."""
        loaded = self._load(size)
        image = self._upright(loaded.picture(depth) if isinstance(loaded, Wide) else loaded)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("RGB")
        wanted = "L" if gray else "RGB"
        # Pillow copies what it need not convert
        return np.asarray(image if image.mode == wanted else image.convert(wanted))

    def _load(self, size: int) -> Wide | Image.Image:
        """Its values: as they are where they have more than 8 bits, else as Pillow has them.

        `size`: the side that they will be shrunk to.
        """
        source = self.source
        if isinstance(source, Portable):
            # A white of all 16 bits says nothing: it is what writers give to any such image
            return Wide(source.values(), white=source.white % (2**FULL - 1))
        refuse_misread(source, self.data, self.kind)
        if is_wide(source):
            return load_wide(source, self.data, self.kind, self.white_is_zero)
        part = drafted(*source.size, size)
        if part > 1:  # only a JPEG lets itself be decoded at a fraction of its size
            source.draft(None, (source.width // part, source.height // part))
        source.load()
        return source

    def _upright(self, image: Image.Image) -> Image.Image:
        """The picture, turned as the metadata of the loaded file say; not where they are broken.

        Pillow turns TIFF files itself.
        """
        source = self.source
        try:
            turn = 1 if isinstance(source, Portable) else source.getexif().get(_ORIENTATION, 1)
            method = _UPRIGHT.get(turn)
        except Exception:  # whatever metadata make of Pillow
            return image
        return image if method is None else image.transpose(method)


def _with_opened(data: bytes, use: Callable[[_Opened], Made]) -> Made:
    """Return what `use` makes of an image, tried again without its texts, profiles and metadata.

    Raises UnreadableImage.
    """
    if not data:
        raise UnreadableImage(EMPTY)
    kind = by_content(data)
    if kind is None:
        raise UnreadableImage(NOT_AN_IMAGE)
    if not kind.reader:
        raise UnreadableImage(kind.refusal)
    try:
        return _attempt(data, kind, use)
    except _Damaged as error:
        bare = without_ancillary(data, kind)
        if bare is None:
            raise
        try:
            return _attempt(bare, kind, use)
        except UnreadableImage:
            raise error from None


def _attempt(data: bytes, kind: Format, use: Callable[[_Opened], Made]) -> Made:
    try:
        data, white_is_zero = black_is_zero(data) if kind is TIFF else (data, False)
        source = Portable.open(data) if kind is PNM else _open(data, kind)
        width, height = source.size
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"more than {MAX_PIXELS // 1_000_000} million pixels")
        if max(width, height) > MAX_SIDE:
            raise UnreadableImage(f"a side of more than {MAX_SIDE // 1_000_000} million pixels")
        with _one_large if width * height > _LARGE_PIXELS else nullcontext():
            return use(_Opened(source, data, kind, white_is_zero))
    except (UnreadableImage, MemoryError):
        raise
    # Pillow's decoders raise nearly any exception on damaged files: OSError, SyntaxError,
    # ValueError, struct.error, IndexError ...
    except Exception as error:
        raise _Damaged(error) from None


def _open(data: bytes, kind: Format) -> ImageFile:
    """As Image.open does, but for its limit of pixels, which all of a process would share."""
    Image.preinit()
    if kind.reader not in Image.OPEN:
        Image.init()
    reader, _ = Image.OPEN[kind.reader]
    try:
        image = reader(io.BytesIO(data), "")
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        said = f"a {kind.name} file that is not whole, or of a variant that is not read"
        raise _Damaged(said) from error
    tags = getattr(image, "tag_v2", {})
    preview = tags.get(_SUBFILE, 0) & 1 and _SUB_DIRECTORIES in tags
    if _DNG_VERSION in tags or preview:
        raise UnreadableImage(RAW.refusal)
    return image


def drafted(width: int, height: int, size: int) -> int:
    """The divisor, 8, 4, 2 or 1, of the size at which a JPEG is decoded for `size`.

    The decoded image is large enough, and the divisor divides both sides. If it did not, the last
    row and column would stand for fewer pixels than the others, and stretch the picture.
    """
    whole = (part for part in (8, 4, 2) if width % part == height % part == 0)
    return next((part for part in whole if min(width, height) >= part * _MARGIN * size), 1)
