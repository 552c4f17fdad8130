"""The packaged classifier: base64 images in, classes out, and an error that says what is wrong."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from mlp.data.familiarity_fit import fit_familiarity
from mlp.data.images.decoding import decode
from mlp.data.normalization import Normalization
from mlp.learning.initialization import initialize
from mlp.learning.networks.mlp import MLP
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble
from mlp.model.seal import BLANK, seal
from mlp.serving.classifier import Classifier
from tests.conftest import CLASSES, colored_image

SIDE = 8
# Made once, at import: encoded images of each class and size
FILES = [
    cv2.imencode(suffix, colored_image(label, np.random.default_rng(label), side))[1].tobytes()
    for label, (suffix, side) in enumerate([(".png", 8), (".jpg", 20), (".bmp", 5)])
]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def ensemble() -> Ensemble:
    network = MLP(3 * SIDE**2, [10], len(CLASSES), dropout=0.5)
    initialize(network, "he", torch.Generator().manual_seed(0))
    pixels = np.stack([colored_image(k % 3, np.random.default_rng(k), SIDE) for k in range(40)])
    member = Checkpoint(network, CLASSES, SIDE, False, Normalization((0.4,) * 3, (0.2,) * 3))
    return Ensemble((member,), fit_familiarity(pixels, np.arange(30), np.arange(30, 40)))


def opened(folder: Path) -> Classifier:
    own = Classifier()
    own.load_context(SimpleNamespace(artifacts={"ensemble": str(folder / "artifacts/ensemble")}))
    return own


@pytest.fixture
def sealed(ensemble: Ensemble, tmp_path: Path) -> Path:
    place = tmp_path / "model" / "artifacts" / "ensemble"
    place.mkdir(parents=True)
    ensemble.save(place)
    (tmp_path / "model" / "MLmodel").write_text(BLANK)
    seal(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def classifier(sealed: Path) -> Classifier:
    return opened(sealed)


def answer(classifier: Classifier, images: list[Any], **params: object) -> pd.DataFrame:
    return classifier.predict(None, pd.DataFrame({"image": images}, dtype=object), params)


COLUMNS = ["label", "probability", "top_labels", "top_probabilities", "probabilities",
           "unfamiliar", "error"]  # fmt: skip


def test_rows_are_answered_in_order_with_label_and_probabilities(
    classifier: Classifier, ensemble: Ensemble
) -> None:
    given = [FILES[2], FILES[0], FILES[1], FILES[0]]
    expected = ensemble.probabilities(np.stack([decode(file, SIDE, False) for file in given]))
    table = answer(classifier, [text(file) for file in given])
    assert list(table.columns) == COLUMNS
    np.testing.assert_array_equal(np.array(table["probabilities"].to_list()), expected)
    assert list(table["label"]) == [CLASSES[k] for k in expected.argmax(axis=1)]
    np.testing.assert_array_equal(table["probability"], expected.max(axis=1))
    np.testing.assert_allclose([sum(row) for row in table["probabilities"]], 1, rtol=1e-12)
    assert table["probabilities"][1] == table["probabilities"][3] != table["probabilities"][0]
    assert list(table["error"]) == [""] * 4


@pytest.mark.parametrize(("top", "given"), [(1, 1), (2, 2), (3, 3), (50, 3)])
def test_the_most_probable_classes_are_named_best_first(
    classifier: Classifier, top: int, given: int
) -> None:
    [row] = answer(classifier, [text(FILES[0])], top_k=top).to_dict("records")
    assert len(row["top_labels"]) == len(row["top_probabilities"]) == given
    assert (
        row["top_labels"][0] == row["label"] and row["top_probabilities"][0] == row["probability"]
    )
    assert row["top_probabilities"] == sorted(row["probabilities"], reverse=True)[:given]
    shares = dict(zip(CLASSES, row["probabilities"], strict=True))
    assert [shares[name] for name in row["top_labels"]] == row["top_probabilities"]


def test_an_image_unlike_the_training_images_is_flagged(classifier: Classifier) -> None:
    black = cv2.imencode(".png", np.zeros((30, 30, 3), np.uint8))[1].tobytes()
    table = answer(classifier, [text(FILES[0]), text(black)])
    assert list(table["unfamiliar"]) == [False, True]


def test_answers_are_what_json_takes(classifier: Classifier) -> None:
    rows = answer(classifier, [text(FILES[0]), "bad"]).to_dict("records")
    back = json.loads(json.dumps(rows, allow_nan=False))
    assert back == rows
    assert back[1]["label"] is None and back[1]["probability"] is None


def test_index_of_the_table_does_not_matter(classifier: Classifier) -> None:
    table = pd.DataFrame({"image": [text(FILES[0]), text(FILES[1])]}, index=[7, 7])
    pd.testing.assert_frame_equal(
        classifier.predict(None, table), answer(classifier, list(table["image"]))
    )


def urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


@pytest.mark.parametrize(
    "way",
    [
        lambda data: "data:image/png;base64," + text(data),
        lambda data: "DATA:;charset=utf-8;BASE64," + text(data).replace("+", "%2B"),
        lambda data: "data:image/png;base64," + urlsafe(data).rstrip("="),
        urlsafe,
        lambda data: text(data).rstrip("="),
        lambda data: f" {base64.encodebytes(data).decode()} ",
    ],
)
@pytest.mark.parametrize("number", range(3))
def test_every_usual_way_to_write_base64_is_the_same_image(
    classifier: Classifier, way: Callable[[bytes], str], number: int
) -> None:
    files = [FILES[number], FILES[number] + b"\xfb\xff", FILES[number] + b"\xfb\xff\xfe"]
    assert any(set("-_") & set(urlsafe(file)) for file in files)
    pd.testing.assert_frame_equal(
        answer(classifier, [way(file) for file in files]),
        answer(classifier, [text(file) for file in files]),
    )


BAD = [
    ("not base64!", "in base64"),
    ("abcde", "in base64"),
    ("!" + text(FILES[0]), "in base64"),
    ("é", "in base64"),
    ("/etc/passwd.", "in base64"),
    ("/etc/passwd", "not an image"),  # letters of base64, every one of them
    ("data:image/png,abc", "this data URL is not in base64"),
    ("data:", "this data URL is not in base64"),
    (repr(FILES[0]), "this is Python's b'...' around it"),
    (None, "in base64"),
    (float("nan"), "in base64"),
    (3, "in base64"),
    (3.5, "in base64"),
    (["a"], "in base64"),
    ("", "empty file"),
    (text(b"no image at all"), "not an image"),
    (text(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "SVG, which is not read"),
    (text(FILES[0][:100]), "damaged"),
]


@pytest.mark.parametrize(("bad", "why"), BAD)
def test_a_bad_row_is_answered_for_itself_and_names_no_path(
    classifier: Classifier, bad: object, why: str, tmp_path: Path
) -> None:
    table = answer(classifier, [text(FILES[0]), bad, text(FILES[1])])
    good = answer(classifier, [text(FILES[0]), text(FILES[1])])
    pd.testing.assert_frame_equal(table.iloc[[0, 2]].reset_index(drop=True), good)
    row = table.iloc[1]
    assert row["label"] is None and row["probabilities"] == [] and not row["unfamiliar"]
    assert why in row["error"]
    for leak in (str(tmp_path), str(Path.cwd()), ".py", "Traceback", "/etc", "0x"):
        assert leak not in row["error"]


@pytest.mark.parametrize(
    ("images", "params", "why"),
    [
        ([], {}, "1 to 1024 images; this one holds 0"),
        ([text(FILES[0])] * 1025, {}, "this one holds 1025"),
        (["bad!", None], {}, "none of the 2 rows is a readable image; row 0: column 'image'"),
        ([text(FILES[0])], {"top_k": 0}, "top_k should be an integer of 1 or more, not 0"),
    ],
)
def test_a_request_that_cannot_be_answered_is_the_clients_error(
    classifier: Classifier, images: list[object], params: dict[str, object], why: str
) -> None:
    with pytest.raises(MlflowException) as caught:
        answer(classifier, images, **params)
    assert caught.value.get_http_status_code() == 400
    assert why in str(caught.value)
    assert caught.value.__cause__ is None


def test_pixels_that_a_request_claims_are_limited(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a BMP counts its pixels, a JPEG of one scan that is made at full size a scan of them
    monkeypatch.setattr("mlp.serving.request.MOST_PIXELS", 8 * 8 + 20 * 20 + 5 * 5)
    answer(classifier, [text(file) for file in FILES])
    monkeypatch.setattr("mlp.serving.request.MOST_PIXELS", 8 * 8 + 20 * 20 + 5 * 5 - 1)
    with pytest.raises(MlflowException, match="million pixels"):
        answer(classifier, [text(file) for file in FILES])


def test_all_answers_of_a_long_request_are_those_of_short_ones(classifier: Classifier) -> None:
    given = [text(FILES[k % 3]) for k in range(70)]
    long = answer(classifier, given)
    assert list(long["label"]) == list(answer(classifier, given[:3])["label"]) * 23 + [
        long["label"][0]
    ]


@pytest.mark.parametrize(
    "name",
    [
        "0/weights.safetensors",
        "0/settings.json",
        "familiarity.safetensors",
        "members.json",
        "../../MLmodel",
        "../../seal.json",
    ],
)
@pytest.mark.parametrize("way", ["changed", "removed", "linked"])
def test_a_changed_file_is_refused(sealed: Path, tmp_path: Path, name: str, way: str) -> None:
    file = (sealed / "artifacts" / "ensemble" / name).resolve()
    content = bytearray(file.read_bytes())
    file.unlink()
    if way == "changed":
        content[0] ^= 1
        file.write_bytes(bytes(content))
    elif way == "linked":
        (tmp_path / "same").write_bytes(bytes(content))
        file.symlink_to(tmp_path / "same")
    with pytest.raises(
        MlflowException, match=rf"this model is refused: .*({file.name}|seal\.json)"
    ):
        opened(sealed)


def test_an_added_member_is_refused_and_never_counted(sealed: Path, ensemble: Ensemble) -> None:
    place = sealed / "artifacts" / "ensemble"
    shutil.copytree(place / "0", place / "1")
    with pytest.raises(MlflowException, match=r"this model is refused: .*ensemble/1"):
        opened(sealed)
    assert len(Ensemble.load(place).members) == 1


def test_added_source_is_refused(sealed: Path) -> None:
    (sealed / "code").mkdir()
    (sealed / "code" / "cv2.py").write_text("")
    with pytest.raises(MlflowException, match=r"this model is refused: 'code/cv2\.py'"):
        opened(sealed)
