"""Files, folders and patterns to answers, and answers to text."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlp.data.images.decoding import NOT_AN_IMAGE
from mlp.data.sources.walk import Notes
from mlp.errors import DataError
from mlp.model.ensemble import Answer, Ensemble
from mlp.serving.loading import load_packaged
from mlp.serving.prediction import Found, explain, find_images, predict, write
from mlp.tracking.mlflow.store import Store
from tests.serving.conftest import Trained
from tests.serving.test_registry import register

CLASSES = ("blue", "green", "red")


@pytest.fixture
def ensemble(trained: Trained, store: Store) -> Ensemble:
    register(store, trained.strong)
    return load_packaged(store).ensemble


@pytest.fixture
def new(trained: Trained) -> Path:
    """A folder of new images, with other things among them."""
    folder = Path("new")
    shutil.copytree(trained.images / "val" / "red", folder / "a")
    (folder / "b").mkdir()
    shutil.copy(trained.images / "val" / "blue" / "0.png", folder / "b" / "no_suffix")
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "c").mkdir()
    (folder / "c" / "phone").write_bytes(b"\0\0\0\x18ftypheic")
    (folder / "c" / "scan.DCM").write_bytes(b"unknown")
    Image.open(folder / "a" / "1.png").save(folder / "c" / "small.gif")
    (folder / ".hidden.png").write_bytes(b"no image")
    return folder


def test_a_folder_gives_what_is_or_claims_to_be_an_image(ensemble: Ensemble, new: Path) -> None:
    notes = Notes()
    made = list(predict(ensemble, find_images([str(new)], notes)))
    names = [prediction.path for prediction in made]
    red = sorted(f"new/a/{p.name}" for p in (new / "a").iterdir())
    others = [f"new/c/{name}" for name in ("phone", "scan.DCM", "small.gif")]
    (note,) = notes
    assert str(note) == "1 hidden file with the name of an image was passed over: .hidden.png"
    assert names == [*red, "new/b/no_suffix", "new/broken.png", *others]
    assert {p.path: p.answer.error.split(",")[0] for p in made if p.answer.error} == {
        "new/broken.png": NOT_AN_IMAGE.split(",")[0],
        "new/c/phone": "HEIC",
        "new/c/scan.DCM": "DICOM",
    }
    for prediction in made:
        if prediction.answer.error:
            continue
        data = Path(prediction.path).read_bytes()
        [alone] = ensemble.answer([ensemble.decode(data)])
        assert alone.probabilities is not None and prediction.answer.probabilities is not None
        np.testing.assert_allclose(
            alone.probabilities, prediction.answer.probabilities, rtol=1e-5, atol=1e-12
        )
    said = [
        CLASSES[int(p.answer.probabilities.argmax())]
        for p in made
        if p.answer.probabilities is not None
    ]
    assert said.count("red") >= 19 and said[len(red)] == "blue"


def test_files_and_patterns_keep_their_order_and_count_once(new: Path) -> None:
    given = ["new/b/no_suffix", "new/a/1*.png", "new/a/1.png", "new/missing.png", ""]
    found = find_images(given, Notes())
    assert [file.path for file in found] == [
        "new/b/no_suffix",
        *sorted(p.as_posix() for p in (new / "a").glob("1*.png")),
        "new/missing.png",
    ]
    assert all(file.named for file in found)
    assert len(find_images(["new/**/*.png"], Notes())) == len(list(new.rglob("[!.]*.png")))


def test_what_was_named_is_answered_for_whatever_it_is(ensemble: Ensemble, new: Path) -> None:
    found = find_images(["new/notes.txt", "new/missing.png"], Notes())
    errors = [prediction.answer.error for prediction in predict(ensemble, found)]
    assert "not an image" in errors[0] and "No such file" in errors[1]


@pytest.mark.parametrize("given", [[], [""], ["*.nothing"], ["empty"]])
def test_nothing_to_classify_is_told(given: list[str]) -> None:
    Path("empty").mkdir()
    with pytest.raises(DataError, match=r"no images: .*give image files, folders"):
        find_images(given, Notes())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_links_are_followed_and_a_pipe_does_not_hang(ensemble: Ensemble, new: Path) -> None:
    (new / "out.png").symlink_to((new / "a" / "1.png").rename("elsewhere.png").resolve())
    (new / "lost.png").symlink_to("nothing.png")
    os.mkfifo(new / "pipe.png")
    notes = Notes()
    made = {p.path: p.answer for p in predict(ensemble, find_images([str(new)], notes))}
    assert not made["new/out.png"].error and "leads nowhere" in made["new/lost.png"].error
    assert "leads nowhere" in made["new/lost.png"].error
    assert "not a file" in made["new/pipe.png"].error
    inside = find_images([str(new)], Notes(), "inside")
    refused = {p.path: p.answer.error for p in predict(ensemble, inside)}["new/out.png"]
    assert refused == "a link that leads out of the folder, which links=inside refuses"


def test_an_explanation_is_a_picture_beside_the_path(ensemble: Ensemble, new: Path) -> None:
    for prediction in predict(ensemble, find_images(["new/a/1.png", "new/broken.png"], Notes())):
        explain(ensemble, prediction, Path("why"))
    absolute = str((new / "a" / "2.png").resolve())
    explain(ensemble, next(predict(ensemble, [Found(absolute)])), Path("why"))
    files = [p.relative_to("why").as_posix() for p in Path("why").rglob("*") if p.is_file()]
    assert sorted(files) == sorted(["new/a/1.png.png", f"{absolute.lstrip('/')}.png"])
    picture = np.asarray(Image.open("why/new/a/1.png.png").convert("RGB")).astype(int)
    assert (abs(picture[..., 0] - picture[..., 2]) > 60).any()  # something is red or blue


ANSWERS = [
    ("a.png", Answer(np.array([0.1, 0.7, 0.2]))),
    ("b,c.png", Answer(np.array([0.5, 0.25, 0.25]), unfamiliar=True)),
    ("d.png", Answer(None, error="not an image")),
]


def test_json_is_the_servers_answer_with_the_path() -> None:
    rows = json.loads(write(ANSWERS, CLASSES, 2, "json"))
    assert rows == [{"path": path, **answer.row(CLASSES, 2)} for path, answer in ANSWERS]
    assert rows[0]["top_labels"] == ["green", "red"] and rows[2]["label"] is None


def test_csv_has_a_column_for_each_of_the_top_classes() -> None:
    rows = list(csv.DictReader(io.StringIO(write(ANSWERS, CLASSES, 9, "csv"))))
    assert list(rows[0]) == ["path", "label", "probability", "label_2", "probability_2", "label_3",
                             "probability_3", "unfamiliar", "error"]  # fmt: skip
    assert rows[0]["label"] == "green" and float(rows[0]["probability_3"]) == 0.1
    assert rows[1]["path"] == "b,c.png" and rows[1]["unfamiliar"] == "True"
    assert rows[2]["label"] == rows[2]["label_3"] == "" and rows[2]["error"] == "not an image"


def test_the_table_is_aligned_and_notes_what_is_odd() -> None:
    lines = write(ANSWERS, CLASSES, 2, "table").splitlines()
    assert lines[0].split() == ["image", "class", "probability", "then", "note"]
    assert lines[2].split() == ["a.png", "green", "70.0%", "red", "20.0%"]
    assert lines[3].endswith("unlike the training images") and lines[4].endswith("not an image")
    assert lines[2].index("70.0%") == lines[3].index("50.0%") == lines[0].index("probability")
