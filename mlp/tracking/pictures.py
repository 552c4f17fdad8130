"""The pictures of a run.

They are drawn by Pillow, in a tenth of the time that matplotlib takes: a study draws six for each
of its runs.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mlp.escaping import line as one_line
from mlp.fonts import named
from mlp.learning.learner import EpochRecord
from mlp.predictions import Evaluation
from mlp.tracking.lettering import cut, few_colours, font, sideways

Pixels = NDArray[np.uint8]  # (H, W, C), or (N, H, W, C)
Caption = tuple[str, str, str]  # two lines, and the colour of the second

_EXPLAINED = "What spoke for the predicted class (red) and against it (blue)"
_TILE = 72  # most pixels of an image in a sheet of weights
_SIDE = 170  # pixels of an image in a gallery
EXAMPLES = 12  # images whose predictions are shown
_RIGHT, _WRONG = "#08458a", "#b3370a"
_FOR, _AGAINST = (203, 24, 29), (33, 102, 172)  # colours that the colour-blind tell apart


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
    return few_colours(sheet)


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
        draw.text((left - 6, y), f"{mark:g}", "black", font(12), anchor="rm")
    for mark in MaxNLocator(8, integer=True).tick_values(1, last):
        if 1 <= mark <= last:
            (x, _) = place(mark, low)
            draw.line((x, top, x, bottom), "#dddddd")
            draw.text((x, bottom + 6), f"{mark:g}", "black", font(12), anchor="mt")
    draw.rectangle((left, top, right, bottom), outline="black")
    for number, (name, line) in enumerate(values.items()):
        colour = ("#1f77b4", "#ff7f0e")[number]
        points = [place(*p) for p in zip(epochs, line, strict=True) if np.isfinite(p[1])]
        draw.line(points, colour, 2)
        if len(points) < 40:
            for x, y in points:
                draw.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        draw.text((left + 12 + 110 * number, 376), f"● {name}", colour, font(13), anchor="lm")
    draw.text((right, 376), "epoch", "black", font(13), anchor="rm")
    sideways(chart, label, 14, 180)
    return chart


def mistakes(result: Evaluation, images: Pixels) -> Image.Image:
    """The 18 most confident errors, each with its true and its predicted class."""
    wrong = np.flatnonzero(result.predicted != result.labels)
    confidence = result.probabilities.max(axis=1)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:18]
    title = "No mistake on these images"
    if len(worst):
        title = f"The {len(worst)} most confident of {len(wrong)} mistakes"
    return _gallery(
        [_enlarged(images[k]) for k in worst], _captions(result, worst, _SIDE), title, 6
    )


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
    shown = [_enlarged(images[k], side) for k in chosen]
    return _gallery(shown, _captions(result, chosen, side), title, 6)


def explanations(
    result: Evaluation, images: Pixels, chosen: NDArray[np.intp], contributions: NDArray[np.float64]
) -> Image.Image:
    """Chosen images, each beside what its pixels add to the probability of the predicted class."""
    pairs = [
        _explained(images[which], added) for which, added in zip(chosen, contributions, strict=True)
    ]
    return few_colours(_gallery(pairs, _captions(result, chosen, 2 * _SIDE), _EXPLAINED, 4))


def explanation(
    image: Pixels, contributions: NDArray[np.float64], name: str, said: str
) -> Image.Image:
    """One image beside what its pixels add to the probability of the class that was said."""
    shown = _explained(image, contributions)
    return _gallery([shown], [(one_line(name), said, "black")], _EXPLAINED, 1)


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
    ImageDraw.Draw(sheet).text((width / 2, 20), title, "black", font(16), anchor="mm")
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


def _captions(result: Evaluation, chosen: NDArray[np.intp], width: int) -> list[Caption]:
    """The class of each image, and the one that was said: blue when that is right."""
    captions = []
    for which in chosen:
        true, predicted = int(result.labels[which]), int(result.predicted[which])
        share = f"{result.probabilities[which, predicted]:.0%}"
        said = cut(named(result.classes[predicted], predicted), 12, width - 70)
        if not said.isascii():
            said += "\u200e"  # or a number after Arabic letters is drawn before them
        colour = _RIGHT if true == predicted else _WRONG
        captions.append((f"is {named(result.classes[true], true)}", f"said {said} {share}", colour))
    return captions


def _gallery(
    shown: Sequence[Pixels], captions: Sequence[Caption], title: str, columns: int
) -> Image.Image:
    """Pictures of one size, with two lines below each."""
    line, gap = 18, 14
    high, wide = shown[0].shape[:2] if shown else (_SIDE, _SIDE)
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns) if shown else 0
    large = font(18)
    width = max(columns * (wide + gap) + gap, int(large.getlength(title)) + 2 * gap)
    sheet = Image.new("RGB", (width, 40 + rows * (high + 2 * line + gap)), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((width / 2, 20), title, "black", large, anchor="mm")
    for place, (picture, (first, second, colour)) in enumerate(zip(shown, captions, strict=True)):
        x = gap + place % columns * (wide + gap)
        y = 40 + place // columns * (high + 2 * line + gap)
        sheet.paste(Image.fromarray(picture), (x, y))
        middle, below = x + wide / 2, y + high + line / 2 + 2
        for k, (text, ink) in enumerate(((first, "black"), (second, colour))):
            shown_text = cut(text, 12, wide + gap - 4)
            at = middle, below + k * (line - 2)
            draw.text(at, shown_text, ink, font(12, shown_text), anchor="mm")
    return sheet


def png(picture: Image.Image) -> bytes:
    """As a file without loss."""
    buffer = io.BytesIO()
    # zlib's default level takes longer than the drawing
    picture.save(buffer, "png", compress_level=1)
    return buffer.getvalue()
