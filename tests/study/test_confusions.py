"""A report says which classes are confused, by their names, however many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from mlp.evidence.findings import weigh
from mlp.predictions import Evaluation
from mlp.report.blocks import Grid, Picture, Section
from mlp.report.drawing import style
from mlp.report.sections import confusion
from mlp.report.wording import Wording
from mlp.study.arm import Arm
from mlp.study.record import RecordedRun, RecordedStudy


def section(classes: Sequence[str], *confused: tuple[int, int, int]) -> Section:
    """Of a study in which an arm confuses pairs so often, of ten images a class, and one never."""
    count = len(classes)
    labels = np.arange(count).repeat(10)

    def run(arm: str, seed: int, wrong: bool) -> RecordedRun:
        said = labels.copy()
        for true, predicted, often in confused if wrong else ():
            said[np.flatnonzero(labels == true)[:often]] = predicted
        ids = np.arange(10 * count).astype(str)
        made = Evaluation(ids, labels, np.eye(count)[said], tuple(classes))
        score = {"final/accuracy": float((said == labels).mean())}
        return RecordedRun(arm, seed, "none", arm, "FINISHED", "", score, evaluation=made)

    arms = [Arm("baseline", {}, ""), Arm("dropout", {"dropout": 0.5}, "")]
    runs = [run(arm.name, seed, arm is arms[0]) for arm in arms for seed in range(3)]
    study = RecordedStudy("id", "1", "a study", "d", "l", "s", "?", arms, {}, [], runs, classes)
    with style(classes):
        return confusion.section(weigh(study, "accuracy", 0.01), Wording("en", "accuracy"))


def drawn(made: Section) -> list[str]:
    """The texts of its picture: matplotlib writes each before the paths of its letters."""
    assert isinstance(made.blocks[0], Picture)
    with style():
        return re.findall("<!-- (.*?) -->", str(made.blocks[0].drawing))


def test_digits_stand_at_the_rows_of_the_first_matrix_and_the_columns_of_all() -> None:
    texts = drawn(section([str(k) for k in range(10)], (3, 5, 4)))
    # In the cells are a share of 60% that is right and one of 40, and 40 points more and less
    assert {"60", "40", "−40"} <= set(texts)
    for digit in "1234567890":
        assert texts.count(digit) == 4
    assert "10" not in texts


def test_names_that_are_too_long_are_cut_and_have_a_key() -> None:
    names = [
        "a name that goes on and on, and then x",
        "a name that goes on and on, and then y",
        "z",
    ]
    texts = drawn(section(names, (0, 1, 2)))
    assert texts.count("1: a name that goes o…") == texts.count("2: a name that goes o…") == 4
    assert f"1: {names[0]}   2: {names[1]}" in texts and texts.count("z") == 4


@pytest.mark.parametrize("count", [26, 100])
def test_many_classes_have_a_list_of_what_is_confused_most(count: int) -> None:
    made = section([f"kind {k}" for k in range(count)], (7, 3, 6), (21, 20, 2), (20, 22, 3))
    _, table = made.blocks
    assert isinstance(table, Grid)
    assert table.headings == ("true class", "predicted class", "baseline", "dropout")
    assert table.rows == [
        ("kind 7", "kind 3", "60%", "0%"),
        ("kind 20", "kind 22", "30%", "0%"),
        ("kind 21", "kind 20", "20%", "0%"),
    ]
    assert drawn(made).count(f"kind {count - 1}") == 4
