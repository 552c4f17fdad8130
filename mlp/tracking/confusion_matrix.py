"""The picture of a confusion matrix, with the names of the classes wherever they fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from mlp.fonts import named
from mlp.predictions import Evaluation, Labels, confusion, frequent_confusions
from mlp.tracking.lettering import cut, few_colours, font, sideways

_FULL = np.array([8, 69, 148])  # colour of a cell that holds its whole row
_TOP = 40  # pixels, for the title
_NAME = 180  # most pixels of a name beside its row
_LINE = 18  # pixels
_MANY = 30  # classes: with more of them the cells are smaller


def confusion_matrix(result: Evaluation, images: str = "Validation") -> Image.Image:
    """True classes as rows, predicted ones as columns; counts, coloured by the share of the row.

    Names that are too long are cut and numbered, with a key below. Of many classes the picture is
    large, to zoom into, and it says which are confused most often.
    """
    counts = confusion(result)
    many = len(counts) > _MANY
    size = 9 if many else 12
    cell = max(18 if many else 34, int(font(size).getlength(str(counts.max()))) + 8)
    names = [named(name, label) for label, name in enumerate(result.classes)]
    labels, below = _labels(names, size)
    if many:
        below = _confused(result, names) + below
    widths = [font(size, label).getlength(label) for label in labels]
    flat = max(widths) < cell - 2  # or the names of the columns stand upright

    left, side = int(max(widths)) + 50, cell * len(names)
    longest = max((int(font(12, line).getlength(line)) for line in below), default=0) + 40
    width = max(left + side + 30, 460, longest)
    base = _TOP + side + (24 if flat else int(max(widths)) + 12)
    columns = width // longest
    rows = -(-len(below) // columns)
    sheet = Image.new("RGB", (width, base + 30 + rows * _LINE), "white")
    draw = ImageDraw.Draw(sheet)
    right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{images}: {right} of {total} right ({right / total:.1%})"
    draw.text((width / 2, 20), title, "black", font(16), anchor="mm")
    sideways(sheet, "true class", 16, _TOP + side // 2)
    draw.text((left + side / 2, base + 8), "predicted class", "black", font(14), anchor="mm")
    _draw_cells(sheet, counts, (left, _TOP), cell, size)
    for k, label in enumerate(labels):
        middle, face = k * cell + cell // 2, font(size, label)
        draw.text((left - 8, _TOP + middle), label, "black", face, anchor="rm")
        if flat:
            draw.text((left + middle, _TOP + side + 12), label, "black", face, anchor="mm")
        else:
            sideways(sheet, label, left + middle, _TOP + side + 8, size, top=True)
    for k, line in enumerate(below):
        place = 20 + k // rows * width // columns, base + 34 + k % rows * _LINE
        draw.text(place, line, "black", font(12, line), anchor="lm")
    return few_colours(sheet)


def _labels(names: Sequence[str], size: int) -> tuple[list[str], list[str]]:
    """The names as they fit beside their rows, and a key to those that do not."""
    labels, key = [], []
    for k, name in enumerate(names):
        label = cut(name, size, _NAME)
        if label != name:
            key.append(cut(f"{k + 1}: {name}", 12, 600))
            label = cut(f"{k + 1}: {name}", size, _NAME)
        labels.append(label)
    return labels, key


def _confused(result: Evaluation, names: Sequence[str]) -> list[str]:
    pairs = [
        f"{count} of {images}: {cut(names[true], 12, 200)} taken for {cut(names[said], 12, 200)}"
        for true, said, count, images in frequent_confusions(result)
    ]
    return ["Confused most often:", *pairs] if pairs else []


def _draw_cells(
    sheet: Image.Image, counts: Labels, place: tuple[int, int], cell: int, size: int
) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = np.round(255 + shares[..., None] * (_FULL - 255)).astype(np.uint8)
    pixels = colours.repeat(cell, axis=0).repeat(cell, axis=1)
    for gap in (1, 2):
        pixels[cell - gap :: cell] = pixels[:, cell - gap :: cell] = 255
    sheet.paste(Image.fromarray(pixels), place)
    draw = ImageDraw.Draw(sheet)
    for row, column in np.argwhere(counts):
        x, y = place[0] + column * cell + cell / 2 - 1, place[1] + row * cell + cell / 2 - 1
        ink = "white" if shares[row, column] > 0.5 else "black"
        draw.text((x, y), str(counts[row, column]), ink, font(size), anchor="mm")
