"""Names in pictures: in a font that has their letters, and no longer than there is room."""

from __future__ import annotations

from functools import cache

from PIL import Image, ImageDraw, ImageFont

from mlp.fonts import FONT, font_with


def font(size: int, text: str = "") -> ImageFont.FreeTypeFont:
    """A font that has the letters of a text."""
    return _face(FONT if text.isascii() else font_with(text) or FONT, size)


def cut(text: str, size: int, width: float) -> str:
    """A text that takes at most `width` pixels: its beginning where it would take more."""
    face = font(size, text)
    if face.getlength(text) <= width:
        return text
    # The end that is left out is about as wide as its share of the letters
    kept = len(text)
    while kept and face.getlength(text[:kept] + "…") > width:
        kept = min(kept - 1, int(kept * width / face.getlength(text[:kept])) + 1)
    return text[:kept].rstrip() + "…"


def sideways(
    sheet: Image.Image, text: str, x: int, y: int, size: int = 14, top: bool = False
) -> None:
    """Write upwards, centred on x; y is the middle, or the end of the text if `top`."""
    face = font(size, text)
    left, upper, right, lower = face.getbbox(text)
    label = Image.new("L", (int(right - left), int(lower - upper) + 1))
    ImageDraw.Draw(label).text((-left, -upper), text, 255, face)
    label = label.transpose(Image.Transpose.ROTATE_90)
    place = (x - label.width // 2, y if top else y - label.height // 2)
    sheet.paste("black", (*place, place[0] + label.width, place[1] + label.height), label)


@cache
def _face(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def few_colours(sheet: Image.Image) -> Image.Image:
    """A drawing in 256 colours: as a file a third of the size, in less time."""
    return sheet.quantize(256, Image.Quantize.FASTOCTREE)
