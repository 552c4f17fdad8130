"""The digits: what decoding gives is what scikit-learn has."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from mlp.data.images.decoding import decode
from mlp.data.index import check
from mlp.data.sources.arrays import digits


def test_digits_are_those_of_scikit_learn() -> None:
    index = digits()
    check(index)
    assert index.digest == digits().digest
    assert index.classes == tuple("0123456789")
    ink, labels = load_digits(return_X_y=True)
    table = index.table
    number = table["path"].str[2:6].astype(int)
    assert sorted(number) == list(range(1797))
    np.testing.assert_array_equal(table["class"].astype(int), labels[number])
    for path, row in list(zip(table["path"], number, strict=True))[::100]:
        pixels = decode(index.read(path), 8, True).ravel()
        np.testing.assert_allclose(pixels / 255 * 16, ink[row], rtol=0, atol=0.04)
