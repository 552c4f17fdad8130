"""The pictures of a run, as PNG bytes.

Tables of pictures and of numbers are drawn by Pillow, in a tenth of the time that matplotlib takes:
a study draws four for each of its runs.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import get_data_path
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mlp.learning.learner import EpochRecord
from mlp.learning.scores import Evaluation, confusion

_DPI = 100
_FULL = (8, 69, 148)  # colour of a cell that holds its whole row


def confusion_matrix(result: Evaluation) -> bytes:
    """True classes as rows, predicted ones as columns; counts, coloured by the share of the row."""
    counts = confusion(result)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_short(name) for name in result.classes]
    cell = 34 if len(names) <= 30 else 14
    font = _font(12 if cell > 20 else 9)
    margin = int(max(font.getlength(name) for name in names)) + 50
    side = cell * len(names)
    sheet = Image.new("RGB", (max(margin + side + 30, 460), side + margin + 40), "white")
    draw = ImageDraw.Draw(sheet)
    right, total = int(np.trace(counts)), int(counts.sum())
    title = f"Validation: {right} of {total} right ({right / total:.1%})"
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
        _sideways(sheet, name, margin + row * cell + cell // 2, 48 + side, font, top=True)
    return _encode(sheet)


def _sideways(
    sheet: Image.Image,
    text: str,
    x: int,
    y: int,
    font: ImageFont.FreeTypeFont | None = None,
    top: bool = False,
) -> None:
    """Write upwards, centred on x; y is the middle, or the end of the text if `top`."""
    font = font or _font(14)
    left, upper, right, lower = font.getbbox(text)
    label = Image.new("L", (int(right - left), int(lower - upper) + 1))
    ImageDraw.Draw(label).text((-left, -upper), text, 255, font)
    label = label.transpose(Image.Transpose.ROTATE_90)
    place = (x - label.width // 2, y if top else y - label.height // 2)
    sheet.paste("black", (*place, place[0] + label.width, place[1] + label.height), label)


def curves(records: Sequence[EpochRecord]) -> bytes:
    """Loss and accuracy of training and validation by epoch."""
    epochs = [record.epoch for record in records]
    figure = Figure((10, 4), dpi=_DPI)
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.13, top=0.95)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, label in (("train", "training"), ("val", "validation")):
            values = [record.metrics[f"{part}/{name}"] for record in records]
            axes.plot(epochs, values, label=label, marker="." if len(epochs) < 40 else "")
        axes.set(xlabel="epoch", ylabel="loss (nats)" if name == "loss" else name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()


def mistakes(result: Evaluation, images: NDArray[np.uint8], columns: int = 6) -> bytes:
    """The 18 most confident errors, each with its true and its predicted class."""
    wrong = np.flatnonzero(result.predicted != result.labels)
    confidence = result.probabilities.max(axis=1)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][: 3 * columns]
    if not len(worst):
        return _gallery(result, images, worst, "No mistake on the validation images", columns)
    title = f"The {len(worst)} most confident of {len(wrong)} mistakes"
    return _gallery(result, images, worst, title, columns)


def predictions(result: Evaluation, images: NDArray[np.uint8], columns: int = 6) -> bytes:
    """12 validation images, evenly spaced over the classes, with true and predicted class."""
    order = np.argsort(result.labels, kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(2 * columns, len(order))).astype(int)]
    return _gallery(result, images, chosen, "Validation images and predictions", columns)


def _gallery(
    result: Evaluation,
    images: NDArray[np.uint8],
    chosen: NDArray[np.intp],
    title: str,
    columns: int,
) -> bytes:
    """Pictures with two lines below each."""
    side, line, gap = 170, 18, 14
    columns = min(columns, max(len(chosen), 2))
    rows = -(-len(chosen) // columns)
    width = columns * (side + gap) + gap
    sheet = Image.new("RGB", (width, 40 + rows * (side + 2 * line + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((width / 2, 20), title, "black", _font(18), anchor="mm")
    for place, which in enumerate(chosen):
        x = gap + place % columns * (side + gap)
        y = 40 + place // columns * (side + 2 * line + gap)
        picture = cv2.resize(images[which], (side, side), interpolation=cv2.INTER_NEAREST)
        sheet.paste(Image.fromarray(picture), (x, y))
        true, predicted = result.labels[which], result.predicted[which]
        share = result.probabilities[which, predicted]
        said = f"said {_short(result.classes[predicted], 16)} {share:.0%}"
        colour = "#1a7f37" if true == predicted else "#cf222e"
        middle, below = x + side / 2, y + side + line / 2 + 2
        draw.text(
            (middle, below),
            f"is {_short(result.classes[true], 20)}",
            "black",
            _font(12),
            anchor="mm",
        )
        draw.text((middle, below + line - 2), said, colour, _font(12), anchor="mm")
    return _encode(sheet)


def _encode(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    # zlib's default level takes longer than the drawing
    sheet.save(buffer, "png", compress_level=1)
    return buffer.getvalue()


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _short(name: str, length: int = 22) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
