"""The packaged classifier: base64 images in, classes out, and an error that says what is wrong."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CLASSES, colored_image
from mlflow.exceptions import MlflowException

from mlp.data.normalization import Normalization
from mlp.learning.checkpoint import Checkpoint
from mlp.learning.initialization import initialize
from mlp.learning.network import MLP
from mlp.serving.classifier import Classifier

SIDE = 8
# Made once, at import: encoded images of each class and size
FILES = [
    cv2.imencode(suffix, colored_image(label, np.random.default_rng(label), side))[1].tobytes()
    for label, (suffix, side) in enumerate([(".png", 8), (".jpg", 20), (".bmp", 5)])
]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def checkpoint() -> Checkpoint:
    network = MLP(3 * SIDE**2, [10], len(CLASSES), dropout=0.5)
    initialize(network, "he", torch.Generator().manual_seed(0))
    return Checkpoint(network, CLASSES, SIDE, False, Normalization((0.4,) * 3, (0.2,) * 3))


@pytest.fixture
def classifier(checkpoint: Checkpoint, tmp_path: Path) -> Classifier:
    files = checkpoint.save(tmp_path)
    own = Classifier()
    own.load_context(SimpleNamespace(artifacts={k: str(path) for k, path in files.items()}))
    return own


def answer(classifier: Classifier, images: list[Any]) -> pd.DataFrame:
    return classifier.predict(None, pd.DataFrame({"image": images}, dtype=object))


def test_rows_are_answered_in_order_with_label_and_probabilities(
    classifier: Classifier, checkpoint: Checkpoint
) -> None:
    given = [FILES[2], FILES[0], FILES[1], FILES[0]]
    expected = checkpoint.predict(given)
    table = answer(classifier, [text(file) for file in given])
    assert list(table.columns) == ["label", "probability", "probabilities"]
    np.testing.assert_array_equal(np.array(table["probabilities"].to_list()), expected)
    assert list(table["label"]) == [CLASSES[k] for k in expected.argmax(axis=1)]
    np.testing.assert_array_equal(table["probability"], expected.max(axis=1))
    np.testing.assert_allclose([sum(row) for row in table["probabilities"]], 1, rtol=1e-12)
    assert table["probabilities"][1] == table["probabilities"][3] != table["probabilities"][0]


def test_answers_are_plain_numbers_that_json_takes(classifier: Classifier) -> None:
    [row] = answer(classifier, [text(FILES[0])]).to_dict("records")
    assert type(row["label"]) is str
    assert [type(value) for value in row["probabilities"]] == [float] * 3


def test_index_of_the_table_does_not_matter(classifier: Classifier) -> None:
    table = pd.DataFrame({"image": [text(FILES[0]), text(FILES[1])]}, index=[7, 7])
    pd.testing.assert_frame_equal(
        classifier.predict(None, table), answer(classifier, list(table["image"]))
    )


def test_empty_table_is_answered_with_an_empty_one(classifier: Classifier) -> None:
    table = answer(classifier, [])
    assert len(table) == 0
    assert list(table.columns) == ["label", "probability", "probabilities"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("not base64!", "encoded in base64"),
        ("abc", "encoded in base64"),
        ("!" + text(FILES[0]), "encoded in base64"),
        ("é", "encoded in base64"),
        ("/etc/passwd", "encoded in base64"),
        (None, "encoded in base64"),
        (float("nan"), "encoded in base64"),
        (3, "encoded in base64"),
        (3.5, "encoded in base64"),
        (["a"], "encoded in base64"),
        ("", "empty file"),
        (text(b"no image at all"), "not an image"),
        (text(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image"),
        (text(FILES[0][:100]), "damaged"),
    ],
)
def test_bad_row_is_the_clients_error_with_its_number_and_no_path(
    classifier: Classifier, bad: object, why: str, tmp_path: Path
) -> None:
    with pytest.raises(MlflowException) as caught:
        answer(classifier, [text(FILES[0]), bad, text(FILES[1])])
    message = str(caught.value)
    assert caught.value.get_http_status_code() == 400
    assert why in message and ("row 1" in message or "image 1" in message)
    for leak in (str(tmp_path), str(Path.cwd()), ".py", "Traceback", "/etc", "0x"):
        assert leak not in message
    assert caught.value.__suppress_context__  # no stack of causes
