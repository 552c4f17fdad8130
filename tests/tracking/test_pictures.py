"""Pictures show the numbers they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.ft2font import FT2Font
from PIL import Image

from mlp.fonts import named
from mlp.learning.learner import EpochRecord
from mlp.predictions import Evaluation
from mlp.tracking import pictures
from mlp.tracking.confusion_matrix import confusion_matrix
from mlp.tracking.lettering import cut, font


def record(epoch: int, train: float, val: float) -> EpochRecord:
    names = {"train/loss": train, "val/loss": val, "train/accuracy": train, "val/accuracy": val}
    return EpochRecord(epoch, names)


def rows_of(picture: Image.Image, colour: tuple[int, int, int], column: int) -> np.ndarray:
    """The rows of a column of the left chart that have a colour."""
    return np.flatnonzero((np.asarray(picture.convert("RGB"))[:344, column] == colour).all(axis=1))


BLUE, ORANGE = (0x1F, 0x77, 0xB4), (0xFF, 0x7F, 0x0E)


def test_curves_rise_and_fall_with_their_values() -> None:
    drawn = pictures.curves([record(k, train=k / 10, val=1 - k / 10) for k in range(1, 10)])
    assert drawn.size == (1000, 400)
    early, late = 120, 440
    assert rows_of(drawn, BLUE, early).mean() > rows_of(drawn, BLUE, late).mean() + 150
    assert rows_of(drawn, ORANGE, early).mean() < rows_of(drawn, ORANGE, late).mean() - 150
    ends = rows_of(drawn, ORANGE, early).mean(), rows_of(drawn, ORANGE, late).mean()
    assert rows_of(drawn, ORANGE, 280).mean() == pytest.approx(np.mean(ends), abs=2)


@pytest.mark.parametrize(
    "values", [[0.5], [0.5, 0.5], [np.nan, 0.5], [np.nan], [np.inf, 1.0, 2.0], [1e30, 1e-30], [0.0]]
)
def test_curves_of_any_values_can_be_drawn(values: list[float]) -> None:
    drawn = pictures.curves([record(k + 1, v, v) for k, v in enumerate(values)])
    assert np.asarray(drawn).min() == 0


def test_heat_is_red_where_pixels_speak_for_the_class_and_blue_where_against() -> None:
    added = np.zeros((8, 8))
    added[:, :3], added[:, 5:] = 0.2, -0.1
    heat = pictures.heat(np.full((8, 8, 1), 128, np.uint8), added).astype(int)
    left, middle, right = heat[85, 20], heat[85, 85], heat[85, 150]
    assert left[0] > left[2] + 100 and right[2] > right[0] + 20
    assert np.ptp(middle) < 30


def test_first_layer_shows_zero_as_middle_gray_and_each_unit_in_its_own_scale() -> None:
    weights = np.zeros((2, 4, 4, 1), np.float32)
    weights[0, 0, 0], weights[0, 3, 3] = 2.0, -2.0
    weights[1, 0, 0] = 0.01
    drawn = np.asarray(pictures.first_layer(weights))[40:112]
    first, second = drawn[:, 6:78, 0], drawn[:, 84:156, 0]
    assert (first[0, 0], first[71, 71], first[36, 36]) == (255, 0, 128)
    assert (second[0, 0], second[36, 36]) == (255, 128)


@pytest.mark.parametrize(
    "name",
    ["new\nline", "\t", "\x1b[31m", "$x_$", "\u0301", "\u200b", "😀", "cod\u202egpj", "é" * 300],
)
def test_classes_of_any_name_are_drawn(name: str) -> None:
    labels = np.array([0, 1, 0, 1])
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    said = Evaluation(np.array(list("abcd")), labels, shares, (name, "other"))
    images = np.zeros((4, 8, 8, 3), np.uint8)
    for drawn in (
        confusion_matrix(said),
        pictures.mistakes(said, images),
        pictures.predictions(said, images),
        pictures.explanation(images[0], np.ones((8, 8)), name, "said"),
    ):
        assert max(drawn.size) < 2000 and len(pictures.png(drawn)) > 500


def answers(pairs: list[tuple[int, int, int]], classes: tuple[str, ...]) -> Evaluation:
    """Images by true class, predicted class and how many there are."""
    true, predicted, count = np.array(pairs).T
    shares = np.eye(len(classes))[predicted.repeat(count)]
    labels = true.repeat(count)
    return Evaluation(np.arange(len(labels)).astype(str), labels, shares, classes)


# The colour of a cell that holds its whole row, and of one that holds half of it
WHOLE, HALF = (8, 69, 148), (132, 162, 202)


@pytest.mark.parametrize(("classes", "cell"), [(2, 34), (10, 34), (26, 34), (100, 18)])
def test_a_confusion_matrix_has_true_classes_as_rows(classes: int, cell: int) -> None:
    pairs = [(0, 1, 1), (0, 0, 1), *((k, k, 3) for k in range(1, classes))]
    said = answers(pairs, tuple(f"{k}" for k in range(classes)))
    drawn = np.asarray(confusion_matrix(said).convert("RGB")).astype(int)
    whole = np.argwhere((np.abs(drawn - WHOLE) <= 4).all(axis=2))
    half = np.argwhere((np.abs(drawn - HALF) <= 4).all(axis=2))
    (top, left), size = half.min(axis=0), cell - 2
    assert tuple(half.max(axis=0)) == (top + size - 1, left + cell + size - 1)
    assert tuple(whole.min(axis=0)) == (top + cell, left + cell)
    assert tuple(whole.max(axis=0) + 1) == (
        top + (classes - 1) * cell + size,
        left + (classes - 1) * cell + size,
    )


def test_numbers_stay_within_their_cells() -> None:
    said = answers([(t, s, 11111) for t in range(3) for s in range(3)], ("a", "b", "c"))
    drawn = np.asarray(confusion_matrix(said).convert("RGB")).astype(int)
    third = (np.abs(drawn - (173, 193, 219)) <= 4).all(axis=2)
    gaps = ~third.any(axis=0)
    left, right = np.flatnonzero(~gaps)[[0, -1]]
    inside = drawn[np.flatnonzero(third.any(axis=1))[0] : third.nonzero()[0].max(), left:right]
    between = inside[:, gaps[left:right]]
    assert between.shape[1] == 4 and (between >= 250).all()


def test_names_are_cut_where_there_is_no_room_and_numbered_where_no_font_has_them() -> None:
    for name in ("a name that is too long to be shown", "ein N\u00e4me, der zu lang ist", "W" * 60):
        short = cut(name, 12, 80)
        assert font(12, short).getlength(short) <= 80 < font(12).getlength(name)
        assert short.endswith("\u2026") and name.startswith(short[:-1]) and len(short) > 5
        assert cut(name, 12, 1000) == name
    assert named("\u0643\u0644\u0628", 4) == "\u0643\u0644\u0628"  # Arabic
    assert named("\U00013000", 4) == "class 5"  # a hieroglyph
    # An arc, which is in another font of matplotlib's alone
    assert font(12, "\u2312").path != font(12, "arc").path
    assert 0x2312 in FT2Font(font(12, "\u2312").path).get_charmap()


def test_classes_with_one_beginning_are_told_apart_by_their_number() -> None:
    names = tuple("a long beginning that both of them share, and then " + end for end in ("x", "y"))
    said = answers([(0, 0, 1), (1, 1, 1)], names)
    short = answers([(0, 0, 1), (1, 1, 1)], ("x", "y"))
    # The key has a line for each of them
    extra = confusion_matrix(said).height - confusion_matrix(short).height
    assert extra > 2 * 18 + 100
