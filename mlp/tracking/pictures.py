"""The pictures of a run, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mlp.learning.learner import EpochRecord
from mlp.learning.scores import Evaluation, confusion

_DPI = 100


def confusion_matrix(result: Evaluation) -> bytes:
    """True classes as rows, predicted ones as columns; counts, coloured by the share of the row."""
    counts = confusion(result)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(result.classes)
    names = [_short(name) for name in result.classes]
    # Margins from the names' length: matplotlib's layout engines take longer than the drawing
    margin, side = 0.7 + 0.075 * max(map(len, names)), min(0.5 * classes, 20) + 0.5
    width, height = margin + side + 0.3, margin + side + 0.5
    figure = Figure((max(width, 5), height), dpi=_DPI)
    axes = figure.add_axes((margin / width, margin / height, side / width, side / height))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(classes), names)
    axes.set(xlabel="predicted class", ylabel="true class")
    accuracy = np.trace(counts) / counts.sum()
    axes.set_title(f"Validation: {np.trace(counts)} of {counts.sum()} right ({accuracy:.1%})")
    if classes <= 30:
        for row, column in zip(*np.nonzero(counts), strict=True):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center",
                      color="white" if shares[row, column] > 0.5 else "black")
    return _png(figure)


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
    return _png(figure)


def mistakes(result: Evaluation, images: NDArray[np.uint8], columns: int = 6) -> bytes:
    """The 18 most confident errors, each with its true and its predicted class."""
    wrong = np.flatnonzero(result.predicted != result.labels)
    confidence = result.probabilities.max(axis=1)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][: 3 * columns]
    if not len(worst):
        figure = Figure((6, 1.5), dpi=_DPI)
        figure.text(0.5, 0.5, "No mistake on the validation images", ha="center", va="center")
        return _png(figure)
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
    columns = min(columns, max(len(chosen), 2))
    rows = -(-len(chosen) // columns)
    figure = Figure((2 * columns, 2.5 * rows + 0.5), dpi=_DPI)
    # One pair of axes for all pictures: a pair each would take ten times as long
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, columns), ylim=(1.25 * rows, -0.25))
    axes.axis("off")
    axes.text(columns / 2, -0.1, title, ha="center", va="center", fontsize=12)
    for place, which in enumerate(chosen):
        x, y = place % columns, 1.25 * (place // columns)
        picture = images[which]
        if picture.shape[-1] == 1:
            picture = picture.repeat(3, axis=-1)
        axes.imshow(picture, extent=(x + 0.05, x + 0.95, y + 0.92, y + 0.02), aspect="auto",
                    interpolation="nearest")
        true, predicted = result.labels[which], result.predicted[which]
        share = result.probabilities[which, predicted]
        axes.text(x + 0.5, y + 1.0, f"is {_short(result.classes[true])}", ha="center", va="center",
                  fontsize=7)
        axes.text(x + 0.5, y + 1.11, f"said {_short(result.classes[predicted])} {share:.0%}",
                  ha="center", va="center", fontsize=7,
                  color="tab:green" if true == predicted else "tab:red")
    axes.set(xlim=(0, columns), ylim=(1.25 * rows, -0.25))
    return _png(figure)


def _short(name: str, length: int = 22) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    # zlib's default level takes longer than the drawing
    figure.savefig(buffer, format="png", pil_kwargs={"compress_level": 1})
    return buffer.getvalue()
