"""Each kind of finding, made and found; and nothing found in sound data."""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlp.data.audit.findings import KINDS, Audit, audit
from mlp.data.dataset import source
from mlp.report import audit as audit_page
from mlp.report.wording import Wording
from tests.conftest import write_image
from tests.data.test_likeness import picture

SAY = Wording("en")
SKIN = Path(__file__).parents[3] / "shared" / "data" / "skin-smol"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Ten training and five validation pictures in each of two classes."""
    root = tmp_path / "pictures"
    seed = 0
    for split, count in (("train", 10), ("val", 5)):
        for name in ("one", "two"):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                picture(seed).save(root / split / name / f"{number}.png")
                seed += 1
    return root


def found(root: Path) -> dict[str, list[tuple[str, ...]]]:
    kinds: dict[str, list[tuple[str, ...]]] = {}
    for finding in audit(source(str(root))).findings:
        kinds.setdefault(finding.kind, []).append(finding.paths or (finding.reason,))
    return kinds


def test_nothing_is_found_in_sound_data(sound: Path) -> None:
    looked = audit(source(str(sound)))
    assert looked.findings == ()
    assert looked.counts.loc["one"].to_dict() == {"train": 10, "val": 5}
    assert looked.sizes["median width"] == 200 and looked.sizes["largest height"] == 150
    images = [np.asarray(Image.open(path)) / 255 for path in sound.rglob("*.png")]
    assert looked.mean == pytest.approx(np.mean(images, axis=(0, 1, 2)), abs=0.01)
    assert audit_page.headline(looked, SAY) == "pictures: 30 images, nothing to report."


def test_copies_are_told_by_where_they_stand(sound: Path) -> None:
    train, val = sound / "train", sound / "val"
    shutil.copy(train / "one" / "0.png", val / "one" / "copy.png")
    shutil.copy(train / "one" / "1.png", train / "one" / "twin.png")
    shutil.copy(train / "one" / "2.png", train / "two" / "other.png")
    assert found(sound) == {
        "leak": [("train/one/0.png", "val/one/copy.png")],
        "conflict": [("train/one/2.png", "train/two/other.png")],
        "duplicate": [("train/one/1.png", "train/one/twin.png")],
    }


def test_pictures_saved_otherwise_are_told_as_well(sound: Path) -> None:
    train, val = sound / "train", sound / "val"
    Image.open(train / "one" / "0.png").save(val / "one" / "other.bmp")
    turned = Image.open(train / "one" / "1.png").transpose(Image.Transpose.ROTATE_180)
    turned.convert("RGB").save(train / "one" / "turned.jpg", quality=50)
    Image.open(train / "one" / "2.png").resize((140, 105)).save(train / "two" / "small.webp")
    looked = audit(source(str(sound)))
    assert [(f.kind, f.paths) for f in looked.findings] == [
        ("near_leak", ("train/one/0.png", "val/one/other.bmp")),
        ("near_conflict", ("train/one/2.png", "train/two/small.webp")),
        ("near_duplicate", ("train/one/1.png", "train/one/turned.jpg")),
    ]
    assert looked.findings[0].reason == "equal pixels in other files in train and val"


def test_how_a_folder_was_understood_is_told_and_what_was_passed_over(sound: Path) -> None:
    for part in ("train", "val"):
        (sound / part / "one").rename(sound / part / "ONE one")
        (sound / part / "two").rename(sound / part / "One  One")
    (sound / "pred").mkdir()
    shutil.copy(sound / "val" / "ONE one" / "0.png", sound / "pred" / "x.png")
    assert found(sound) == {
        "look_alikes": [("'ONE one' and 'One  One'",)],
        "passed_over": [("pred/: 1 images",)],
    }
    looked = audit(source(str(sound)))
    line = "pictures: understood as splits, train 20, val 10, with 2 classes (ONE one, One  One)"
    for text in (
        audit_page.terminal(looked, SAY),
        audit_page.markdown(looked, SAY),
        audit_page.html(looked, SAY),
    ):
        assert f"{line}; passed over, with so many images: pred/ (1)" in text


def test_files_that_are_not_sound_are_told(sound: Path) -> None:
    one = sound / "train" / "one"
    (one / "text.jpg").write_text("not a picture")
    (one / "cut.png").write_bytes((one / "0.png").read_bytes()[:-200])
    picture(90).save(one / "named.jpg", "png")
    picture(91).resize((12, 9)).save(one / "tiny.png")
    picture(92).resize((200, 30)).save(one / "long.png")
    write_image(one / "blank.png", np.full((150, 200, 3), 130, np.uint8))
    assert found(sound) == {
        "unreadable": [("train/one/cut.png",), ("train/one/text.jpg",)],
        "extension": [("train/one/named.jpg",)],
        "tiny": [("train/one/tiny.png",)],
        "shape": [("train/one/long.png",)],
        "blank": [("train/one/blank.png",)],
    }


def test_of_small_pictures_only_equal_pixels_are_told(tmp_path: Path) -> None:
    """Two handwritten zeros of 8x8 pixels are as alike as a picture and its copy."""
    looked = audit(source("digits"))
    assert looked.findings == () and looked.small == 1797
    assert "1797 images are smaller than 16 pixels" in audit_page.terminal(looked, SAY)
    root = tmp_path / "small"
    for seed, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        for number in range(6):
            picture(10 * seed + number).resize((12, 9)).save(root / name / f"{number}.png")
    Image.open(root / "a" / "0.png").save(root / "a" / "same.bmp")
    Image.open(root / "a" / "1.png").save(root / "a" / "like.jpg", quality=95)
    assert found(root) == {"near_duplicate": [("a/0.png", "a/same.bmp")]}


def test_classes_are_compared_between_splits_and_with_one_another(sound: Path) -> None:
    (sound / "train" / "three").mkdir()
    picture(95).save(sound / "train" / "three" / "0.png")
    for number in range(8):
        picture(100 + number).save(sound / "train" / "one" / f"more{number}.png")
    assert found(sound) == {
        "class_sets": [("val has no three",)],
        "imbalance": [("three: 1 training images, where the largest class has 18",)],
    }


@pytest.mark.parametrize("harm", ["one class", "nothing readable"])
def test_data_that_training_refuses_are_audited(sound: Path, harm: str) -> None:
    if harm == "one class":
        for split in ("train", "val"):
            shutil.rmtree(sound / split / "two")
        assert audit(source(str(sound))).findings == ()
    else:
        for path in sound.rglob("*.png"):
            path.write_text("no more")
        looked = audit(source(str(sound)))
        assert Counter(f.kind for f in looked.findings) == {"unreadable": 30}
        assert "30 x files that cannot be used" in audit_page.terminal(looked, SAY)
        assert audit_page.html(looked, SAY)


class Pictures(HTMLParser):
    """Counts inlined pictures and keeps the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count, self.text = 0, ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            assert (dict(attrs)["src"] or "").startswith("data:image/jpeg;base64,")
            self.count += 1

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def looked(sound: Path) -> Audit:
    odd = sound / "train" / "a <b> & | c"
    odd.mkdir()
    shutil.copy(sound / "train" / "one" / "0.png", odd / "copy.png")
    (odd / "text.jpg").write_text("not a picture")
    return audit(source(str(sound)))


def test_the_page_shows_what_was_found_and_escapes_names(looked: Audit) -> None:
    page = audit_page.html(looked, SAY)
    shown = Pictures(page)
    assert shown.count == 2  # of the conflict; the text file has none
    assert KINDS["conflict"] in shown.text and "a <b> & | c" in shown.text
    assert "<b>" not in page
    assert "a &lt;b&gt; &amp; \\| c" in audit_page.markdown(looked, SAY)


def test_the_csv_has_a_row_for_each_image_of_each_finding(looked: Audit) -> None:
    rows = list(csv.DictReader(io.StringIO(audit_page.table_csv(looked))))
    expected = [
        (finding.kind, path) for finding in looked.findings for path in finding.paths or ("",)
    ]
    assert [(row["kind"], row["path"]) for row in rows] == expected
    copies = [row for row in rows if row["kind"] == "conflict"]
    assert len({row["sha256"] for row in copies}) == 1 and len(copies) == 2
    assert {row["class"] for row in copies} == {"one", "a <b> & | c"}


@pytest.mark.skipif(not SKIN.is_dir(), reason="the exercise's pictures are not here")
def test_the_exercises_pictures_have_33_leaks_and_a_pair() -> None:
    looked = audit(source(str(SKIN)))
    assert Counter(finding.kind for finding in looked.findings) == {"leak": 33, "duplicate": 1}
    for finding in looked.of("leak"):
        assert [path.split("/")[0] for path in finding.paths] == ["train", "val"]
    (pair,) = looked.of("duplicate")
    assert len(pair.paths) == 2 and len({path.split("/")[0] for path in pair.paths}) == 1
