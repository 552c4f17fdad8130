"""The pictures of a run.

They are drawn by Pillow, in a tenth of the time that matplotlib takes: a study draws six for each
of its runs.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import get_data_path
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mlp.escaping import line as one_line
from mlp.learning.learner import EpochRecord
from mlp.predictions import Evaluation, confusion

Pixels = NDArray[np.uint8]  # (H, W, C), or (N, H, W, C)
Caption = tuple[str, str, str]  # two lines, and the colour of the second

_FULL = (8, 69, 148)  # colour of a cell that holds its whole row
_EXPLAINED = "What spoke for the predicted class (red) and against it (blue)"
_TILE = 72  # most pixels of an image in a sheet of weights
_SIDE = 170  # pixels of an image in a gallery
EXAMPLES = 12  # images whose predictions are shown
_FOR, _AGAINST = (203, 24, 29), (33, 102, 172)  # colours that the colour-blind tell apart


def confusion_matrix(result: Evaluation, images: str = "Validation") -> Image.Image:
    """True classes as rows, predicted ones as columns; counts, coloured by the share of the row."""
    counts = confusion(result)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_short(name) for name in result.classes]
    cell = 34 if len(names) <= 30 else 14
    size = 12 if cell > 20 else 9
    font = _font(size)
    margin = int(max(font.getlength(name) for name in names)) + 50
    side = cell * len(names)
    sheet = Image.new("RGB", (max(margin + side + 30, 460), side + margin + 40), "white")
    draw = ImageDraw.Draw(sheet)
    right, total = int(np.trace(counts)), int(counts.sum())
    title = f"{images}: {right} of {total} right ({right / total:.1%})"
    draw.text((sheet.width / 2, 20), title, "black", _font(16), anchor="mm")
    _sideways(sheet, "true class", 16, 40 + side // 2)
    draw.text(
        (margin + side / 2, sheet.height - 16), "predicted class", "black", _font(14), anchor="mm"
    )
    for row, name in enumerate(names):
        y = 40 + row * cell
        draw.text((margin - 8, y + cell / 2), name, "black", font, anchor="rm")
        for column in range(len(names)):
            share, count = shares[row, column], counts[row, column]
            x = margin + column * cell
            colour = tuple(round(255 + share * (full - 255)) for full in _FULL)
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), colour)
            if count and cell > 20:
                ink = "white" if share > 0.5 else "black"
                draw.text((x + cell / 2, y + cell / 2), str(count), ink, font, anchor="mm")
        _sideways(sheet, name, margin + row * cell + cell // 2, 48 + side, size, top=True)
    return _few_colours(sheet)


def _sideways(
    sheet: Image.Image, text: str, x: int, y: int, size: int = 14, top: bool = False
) -> None:
    """Write upwards, centred on x; y is the middle, or the end of the text if `top`."""
    font = _font(size)
    left, upper, right, lower = font.getbbox(text)
    label = Image.new("L", (int(right - left), int(lower - upper) + 1))
    ImageDraw.Draw(label).text((-left, -upper), text, 255, font)
    label = label.transpose(Image.Transpose.ROTATE_90)
    place = (x - label.width // 2, y if top else y - label.height // 2)
    sheet.paste("black", (*place, place[0] + label.width, place[1] + label.height), label)


def curves(records: Sequence[EpochRecord]) -> Image.Image:
    """Loss and accuracy of training and validation by epoch."""
    epochs = np.array([record.epoch for record in records])
    sheet = Image.new("RGB", (1000, 400), "white")
    for left, name, label in ((0, "loss", "loss (nats)"), (500, "accuracy", "accuracy")):
        values = {
            part: np.array([record.metrics[f"{short}/{name}"] for record in records])
            for part, short in (("training", "train"), ("validation", "val"))
        }
        sheet.paste(_chart(epochs, values, label), (left, 0))
    return _few_colours(sheet)


def _chart(
    epochs: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]], label: str
) -> Image.Image:
    """Lines over epochs, 500 by 400 pixels; what is not finite is left out."""
    chart = Image.new("RGB", (500, 400), "white")
    draw = ImageDraw.Draw(chart)
    left, right, top, bottom = 76, 484, 16, 344
    every = np.concatenate(list(values.values()))
    known = every[np.isfinite(every)]
    marks = MaxNLocator(6).tick_values(known.min(), known.max()) if len(known) else np.arange(2.0)
    low, high = float(marks[0]), float(marks[-1])
    last = max(int(epochs[-1]), 2)

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = left + (epoch - 1) / (last - 1) * (right - left)
        return across, bottom - (value - low) / (high - low) * (bottom - top)

    for mark in marks:
        (_, y) = place(1, mark)
        draw.line((left, y, right, y), "#dddddd")
        draw.text((left - 6, y), f"{mark:g}", "black", _font(12), anchor="rm")
    for mark in MaxNLocator(8, integer=True).tick_values(1, last):
        if 1 <= mark <= last:
            (x, _) = place(mark, low)
            draw.line((x, top, x, bottom), "#dddddd")
            draw.text((x, bottom + 6), f"{mark:g}", "black", _font(12), anchor="mt")
    draw.rectangle((left, top, right, bottom), outline="black")
    for number, (name, line) in enumerate(values.items()):
        colour = ("#1f77b4", "#ff7f0e")[number]
        points = [place(*p) for p in zip(epochs, line, strict=True) if np.isfinite(p[1])]
        draw.line(points, colour, 2)
        if len(points) < 40:
            for x, y in points:
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        draw.text((left + 12 + 110 * number, 376), f"● {name}", colour, _font(13), anchor="lm")
    draw.text((right, 376), "epoch", "black", _font(13), anchor="rm")
    _sideways(chart, label, 14, 180)
    return chart


def mistakes(result: Evaluation, images: Pixels) -> Image.Image:
    """The 18 most confident errors, each with its true and its predicted class."""
    wrong = np.flatnonzero(result.predicted != result.labels)
    confidence = result.probabilities.max(axis=1)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:18]
    title = "No mistake on these images"
    if len(worst):
        title = f"The {len(worst)} most confident of {len(wrong)} mistakes"
    return _gallery([_enlarged(images[k]) for k in worst], _captions(result, worst), title, 6)


def examples(labels: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Rows of some images, evenly spaced over the classes."""
    order = np.argsort(labels, kind="stable")
    chosen = np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)
    return np.asarray(order[chosen])


def predictions(
    result: Evaluation, images: Pixels, title: str = "Images and predictions", side: int = _SIDE
) -> Image.Image:
    """Up to EXAMPLES images, evenly spaced over the classes, with true and predicted class."""
    chosen = examples(result.labels, EXAMPLES)
    return _gallery(
        [_enlarged(images[k], side) for k in chosen], _captions(result, chosen), title, 6
    )


def explanations(
    result: Evaluation, images: Pixels, chosen: NDArray[np.intp], contributions: NDArray[np.float64]
) -> Image.Image:
    """Chosen images, each beside what its pixels add to the probability of the predicted class."""
    pairs = [
        _explained(images[which], added) for which, added in zip(chosen, contributions, strict=True)
    ]
    return _few_colours(_gallery(pairs, _captions(result, chosen), _EXPLAINED, 4))


def explanation(
    image: Pixels, contributions: NDArray[np.float64], name: str, said: str
) -> Image.Image:
    """One image beside what its pixels add to the probability of the class that was said."""
    shown = _explained(image, contributions)
    return _gallery([shown], [(_short(name, 50), said, "black")], _EXPLAINED, 1)


def _explained(image: Pixels, contributions: NDArray[np.float64]) -> Pixels:
    return np.concatenate([_enlarged(image), heat(image, contributions)], axis=1)


def heat(image: Pixels, contributions: NDArray[np.float64]) -> Pixels:
    """A pale gray image (H, W, C) under contributions (H, W): red for, blue against; (S, S, 3)."""
    side = _SIDE
    gray = _enlarged(image).mean(axis=2, keepdims=True) * 0.35 + 160
    # A pixel alone is noise: what a neighbourhood adds is what an eye can follow
    wide = cv2.resize(contributions.astype(np.float32), (side, side))
    wide = cv2.GaussianBlur(wide, (0, 0), side / 48)
    strength = np.clip(wide / max(float(np.quantile(np.abs(wide), 0.99)), 1e-12), -1, 1)[..., None]
    colour = np.where(strength > 0, np.array(_FOR), np.array(_AGAINST))
    mixed = gray + np.abs(strength) * (colour - gray)
    return np.asarray(mixed.round(), np.uint8)


def first_layer(weights: NDArray[np.float32]) -> Image.Image:
    """The weights of units (units, H, W, C) as a sheet of images; middle gray is zero."""
    columns, gap = min(16, len(weights)), 6
    # A whole multiple where it fits, so that every weight is as large as the next
    side = _TILE // weights.shape[1] * weights.shape[1] or _TILE
    rows = -(-len(weights) // columns)
    width = max(columns * (side + gap) + gap, 560)
    sheet = Image.new("RGB", (width, 40 + rows * (side + gap)), "white")
    title = f"First layer: weights of the {len(weights)} units with the largest norm"
    ImageDraw.Draw(sheet).text((width / 2, 20), title, "black", _font(16), anchor="mm")
    for place, unit in enumerate(weights):
        shade = 127.5 + 127.5 * unit / max(float(np.abs(unit).max()), 1e-12)
        picture = _enlarged(shade.round().astype(np.uint8), side)
        x, y = gap + place % columns * (side + gap), 40 + place // columns * (side + gap)
        sheet.paste(Image.fromarray(picture), (x, y))
    return sheet


def _enlarged(image: Pixels, side: int = _SIDE) -> Pixels:
    """RGB pixels (side, side, 3) of an image (H, W, 1 or 3)."""
    picture = cv2.resize(image, (side, side), interpolation=cv2.INTER_NEAREST)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture)


def _captions(result: Evaluation, chosen: NDArray[np.intp]) -> list[Caption]:
    """The class of each image, and the one that was said: green when that is right."""
    captions = []
    for which in chosen:
        true, predicted = result.labels[which], result.predicted[which]
        share = result.probabilities[which, predicted]
        said = f"said {_short(result.classes[predicted], 16)} {share:.0%}"
        colour = "#1a7f37" if true == predicted else "#cf222e"
        captions.append((f"is {_short(result.classes[true], 20)}", said, colour))
    return captions


def _gallery(
    shown: Sequence[Pixels], captions: Sequence[Caption], title: str, columns: int
) -> Image.Image:
    """Pictures of one size, with two lines below each."""
    line, gap = 18, 14
    high, wide = shown[0].shape[:2] if shown else (_SIDE, _SIDE)
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns) if shown else 0
    font = _font(18)
    width = max(columns * (wide + gap) + gap, int(font.getlength(title)) + 2 * gap)
    sheet = Image.new("RGB", (width, 40 + rows * (high + 2 * line + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((width / 2, 20), title, "black", font, anchor="mm")
    for place, (picture, (first, second, colour)) in enumerate(zip(shown, captions, strict=True)):
        x = gap + place % columns * (wide + gap)
        y = 40 + place // columns * (high + 2 * line + gap)
        sheet.paste(Image.fromarray(picture), (x, y))
        middle, below = x + wide / 2, y + high + line / 2 + 2
        draw.text((middle, below), first, "black", _font(12), anchor="mm")
        draw.text((middle, below + line - 2), second, colour, _font(12), anchor="mm")
    return sheet


def _few_colours(sheet: Image.Image) -> Image.Image:
    """A drawing in 256 colours: as a file a third of the size, in less time."""
    return sheet.quantize(256, Image.Quantize.FASTOCTREE)


def png(picture: Image.Image) -> bytes:
    """As a file without loss."""
    buffer = io.BytesIO()
    # zlib's default level takes longer than the drawing
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _short(name: str, length: int = 22) -> str:
    name = one_line(name)
    return name if len(name) <= length else name[: length - 1] + "…"
