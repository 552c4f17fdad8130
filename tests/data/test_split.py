"""Splits: drawn by the seed, stratified, with copies on one side; given ones taken as they are."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from mlp.data.index import COLUMNS, Index, refuse
from mlp.data.split import is_drawn, split, thin
from mlp.errors import DataError


def make_index(*images: tuple[str, str, str]) -> Index:
    """Of (class, given split, content) each."""
    rows = [
        (f"{number:03d}", cls, part, content, 8, 8, True, 0, "", "")
        for number, (cls, part, content) in enumerate(images)
    ]
    return Index("made", pd.DataFrame(rows, columns=list(COLUMNS)), str.encode)


def of_counts(part: str = "", **counts: int) -> list[tuple[str, str, str]]:
    return [(c, part, f"{part}{c}{k}") for c, count in counts.items() for k in range(count)]


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_the_fraction_is_drawn_of_each_class(fraction: float) -> None:
    counts = {"a": 50, "b": 30, "c": 20}
    index = make_index(*of_counts(**counts))
    assert is_drawn(index)
    drawn = split(index, fraction, 0)
    names = index.table["class"].to_numpy()
    assert Counter(names[drawn.val]) == {c: round(fraction * n) for c, n in counts.items()}
    np.testing.assert_array_equal(np.union1d(drawn.train, drawn.val), np.arange(100))
    assert len(drawn.train) + len(drawn.val) == 100
    assert len(drawn.test) == 0
    assert (np.diff(drawn.train) > 0).all() and (np.diff(drawn.val) > 0).all()


def test_the_seed_decides_the_draw() -> None:
    index = make_index(*of_counts(a=50, b=30))
    draws = [split(index, 0.2, seed).val.tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_copies_stay_on_one_side() -> None:
    images = of_counts(a=10, b=10)
    index = make_index(*images, *images, *images[:5])
    content = index.table["sha256"].to_numpy()
    for seed in range(5):
        drawn = split(index, 0.3, seed)
        assert not set(content[drawn.train]) & set(content[drawn.val])
        assert len(drawn.train) + len(drawn.val) == 45
        assert len(set(content[drawn.val])) == 6


def test_refused_images_are_in_no_part() -> None:
    whole = make_index(*of_counts(a=11, b=10))
    index = refuse(whole, {whole.table["path"][0]: "damaged"})
    drawn = split(index, 0.2, 0)
    np.testing.assert_array_equal(np.union1d(drawn.train, drawn.val), np.arange(20))
    assert Counter(index.usable["class"].to_numpy()[drawn.val]) == {"a": 2, "b": 2}


def test_given_validation_images_are_used_as_they_are() -> None:
    images = [*of_counts("val", a=3, b=2), *of_counts("train", a=4, b=4), *of_counts("test", a=1)]
    index = make_index(*images)
    assert not is_drawn(index)
    for seed in (0, 1):
        given = split(index, 0.5, seed)
        assert given.val.tolist() == list(range(5))
        assert given.train.tolist() == list(range(5, 13))
        assert given.test.tolist() == [13]


def test_the_test_split_is_never_drawn_from() -> None:
    index = make_index(*of_counts("test", a=20, b=20), *of_counts("train", a=20, b=20))
    for seed in range(5):
        drawn = split(index, 0.5, seed)
        assert drawn.test.tolist() == list(range(40))
        assert min(drawn.train.min(), drawn.val.min()) == 40
        assert len(drawn.val) == 20


@pytest.mark.parametrize("rare", [[("b", "", "x")], [("b", "", "x")] * 3], ids=["one", "copies"])
def test_a_class_of_one_image_cannot_be_drawn_from(rare: list[tuple[str, str, str]]) -> None:
    with pytest.raises(DataError, match="class 'b' has 1 distinct image"):
        split(make_index(*of_counts(a=20), *rare), 0.2, 0)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_fraction_that_leaves_a_side_empty_is_an_error(fraction: float) -> None:
    with pytest.raises(DataError, match=f"val_fraction {fraction}"):
        split(make_index(*of_counts(a=10, b=10)), fraction, 0)


def test_no_class_loses_all_its_training_images() -> None:
    with pytest.raises(DataError, match="no training image of b"):
        split(make_index(*of_counts(a=100, b=2)), 0.8, 0)


def test_a_class_of_copies_of_another_still_trains() -> None:
    twice = [(c, "", f"same{k}") for c in "ab" for k in range(2)]
    index = make_index(*of_counts(a=20), *twice)
    for seed in range(10):
        try:
            drawn = split(index, 0.5, seed)
        except DataError as error:
            assert "no training image of b" in str(error)
        else:
            assert "b" in set(index.table["class"].to_numpy()[drawn.train])


@pytest.mark.parametrize("part", ["", "train"])
def test_folds_deal_every_image_once_by_class_with_copies_together(part: str) -> None:
    images = of_counts(part, a=25, b=15, c=10)
    images += [(c, "val" if part else "", content) for c, _, content in images[:8]]  # copies
    test = [("a", "test", f"t{k}") for k in range(3)] if part else []
    index = make_index(*images, *test)
    content, names = index.table["sha256"].to_numpy(), index.table["class"].to_numpy()
    dealt = [split(index, 0.2, 7, f"{k}/5") for k in range(1, 6)]
    validated = np.concatenate([fold.val for fold in dealt])
    np.testing.assert_array_equal(np.sort(validated), np.arange(58))
    for fold in dealt:
        np.testing.assert_array_equal(np.union1d(fold.train, fold.val), np.arange(58))
        assert not set(content[fold.train]) & set(content[fold.val])
        assert len(fold.test) == len(test)
        counts = Counter(names[fold.val])
        assert all(abs(counts[c] - n / 5) <= 2 for c, n in {"a": 33, "b": 15, "c": 10}.items())
    again = split(index, 0.2, 7, "2/5")
    np.testing.assert_array_equal(again.val, dealt[1].val)
    assert split(index, 0.2, 8, "2/5").val.tolist() != dealt[1].val.tolist()


def test_a_class_needs_an_image_for_each_fold() -> None:
    index = make_index(*of_counts(a=10, b=3))
    with pytest.raises(DataError, match="class 'b' has 3 distinct images, too few for 4 folds"):
        split(index, 0.2, 0, "1/4")


def test_fewer_training_images_are_part_of_more_and_as_many_of_each_class() -> None:
    images = of_counts(a=30, b=12, c=3)
    index = make_index(*images, *images)  # every one twice
    rows = np.arange(5, 90)
    names, content = index.table["class"].to_numpy(), index.table["sha256"].to_numpy()
    before: set[int] = set()
    for count in (1, 4, 12, 20):
        kept = thin(rows, index, count, 0)
        assert set(kept) <= set(rows) and before <= set(kept) and (np.diff(kept) > 0).all()
        assert Counter(names[kept]) == {
            c: min(count, n) for c, n in zip("abc", (30, 12, 3), strict=True)
        }
        assert len(set(content[kept])) == len(kept)
        before = set(kept)
    assert thin(rows, index, 4, 1).tolist() != thin(rows, index, 4, 0).tolist()
    np.testing.assert_array_equal(thin(rows, index, 4, 1), thin(rows, index, 4, 1))
