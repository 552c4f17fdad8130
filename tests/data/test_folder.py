"""Folders of images: their layouts, what is refused or passed over, and what is read again."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlp.data.index import COLUMNS, check
from mlp.data.sources.files import folder
from mlp.errors import DataError


def put(path: Path, level: int = 0, kind: str = "PNG", side: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(path, kind)


def put_many(root: Path, *parts: str, count: int = 4) -> None:
    """`count` images in each of the folders, no two alike."""
    for offset, part in enumerate(parts):
        for number in range(count):
            put(root / part / f"{number}.png", offset * count + number)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files read from now on."""
    names: list[str] = []
    read_bytes = Path.read_bytes

    def recording(self: Path) -> bytes:
        names.append(self.name)
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", recording)
    return names


def rows(root: Path) -> set[tuple[str, str, str]]:
    return set(folder(str(root)).table[["path", "class", "split"]].itertuples(index=False))


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("training", "valid", "testing"), ("Train", "validation", "TEST")],
)
def test_folders_named_for_splits(tmp_path: Path, train: str, val: str, test: str) -> None:
    put_many(tmp_path / "data", *(f"{s}/{c}" for s in (train, val, test) for c in "ab"), count=1)
    assert rows(tmp_path / "data") == {
        (f"{name}/{cls}/0.png", cls, split)
        for name, split in ((train, "train"), (val, "val"), (test, "test"))
        for cls in "ab"
    }


def test_just_a_folder_a_class(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b", count=2)
    index = folder(str(root))
    assert tuple(index.table.columns) == COLUMNS
    assert list(index.table["path"]) == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    assert set(index.table["split"]) == {""}
    assert (index.name, index.classes) == ("data", ("a", "b"))
    assert index.read("b/1.png") == (root / "b/1.png").read_bytes()
    check(index)


def test_two_folders_for_one_split_are_an_error(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "train/a", "val/a", "valid/a")
    with pytest.raises(DataError, match=r"two folders for one split.*val, valid"):
        folder(str(tmp_path / "data"))


def test_folders_beside_the_splits_are_noted(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "train/a", "val/a", "models/a", ".git/a")
    index = folder(str(tmp_path / "data"))
    assert set(index.table["split"]) == {"train", "val"}
    assert index.layout is not None and index.layout.passed == (("models/", 4),)
    assert tuple(map(str, index.notes)) == (
        "4 images in hidden folders, or those of a system, were passed over, the first: .git/",
    )


def test_names_of_classes_may_have_any_letters(tmp_path: Path) -> None:
    names = ("mélanome malin", "naevus (bénin)", "皮膚")
    for level, name in enumerate(names):
        put(tmp_path / "data" / name / "été 1.png", level)
    index = folder(str(tmp_path / "data"))
    assert index.classes == names
    assert set(index.table["reason"]) == {""}
    folder(str(tmp_path / "data"))  # from what was remembered
    assert len(index.digest) == 32


def test_folders_below_a_class_belong_to_it(tmp_path: Path) -> None:
    put(tmp_path / "data/a/patient 1/left/0.png")
    put(tmp_path / "data/b/0.png")
    assert rows(tmp_path / "data") == {("a/patient 1/left/0.png", "a", ""), ("b/0.png", "b", "")}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.write_text("x"), "is a file"),
        (lambda root: root.mkdir(), "no images found"),
        (lambda root: (root / "a").mkdir(parents=True), "no images found"),
        (lambda root: (root / "train/a").mkdir(parents=True), "no images found"),
        (
            lambda root: ((root / "a").mkdir(parents=True), (root / "a/notes.txt").write_text("x")),
            "no images found",
        ),
    ],
    ids=["missing", "a file", "empty", "empty class", "empty split", "no images"],
)
def test_a_folder_without_images_is_named(tmp_path: Path, make: object, message: str) -> None:
    root = tmp_path / "somewhere"
    make(root)
    with pytest.raises(DataError, match=message) as caught:
        folder(str(root))
    assert str(root) in str(caught.value)


def test_text_renamed_to_an_image_stays_listed_with_its_reason(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b")
    (root / "a/fake.jpg").write_text("not a picture")
    table = folder(str(root)).table.set_index("path")
    assert len(table) == 9
    assert "not an image" in table.loc["a/fake.jpg", "reason"]
    assert (table.drop("a/fake.jpg")["reason"] == "").all()


def test_other_files_are_passed_over_with_a_note(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b")
    (root / "a/notes.txt").write_text("these are good")
    (root / "a/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    (root / "b/.DS_Store").write_bytes(bytes(10))
    (root / "empty").mkdir()
    index = folder(str(root))
    assert len(index.table) == len(index.usable) == 8
    assert tuple(map(str, index.notes)) == (
        "the folder empty/ is empty",
        "2 files that are no images were passed over",
    )


@pytest.mark.parametrize("cls", ["wasp", "papers"])
def test_a_class_folder_without_a_usable_image_is_an_error_that_names_it(
    tmp_path: Path, cls: str
) -> None:
    root = tmp_path / "data"
    put_many(root, "ant", "bee", count=20)
    (root / cls).mkdir()
    name, content = {"wasp": ("a.HEIC", b"\0\0\0\x18ftypheic"), "papers": ("a.txt", b"words")}[cls]
    (root / cls / name).write_bytes(content)
    with pytest.raises(DataError, match=f"no image can be used of the class '{cls}'; convert"):
        check(folder(str(root)))


def test_a_folder_that_lacks_usable_images_in_one_split_is_named_with_it(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "train/a", "train/b", "val/a")
    (tmp_path / "data/val/b").mkdir()
    (tmp_path / "data/val/b/x.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"'b' in val/: 1 files, the first: val/b/x.png: not an"):
        check(folder(str(tmp_path / "data")))


def test_images_that_are_not_read_count_as_refused_and_say_what_they_are(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b", count=10)
    for name, content in {
        "phone.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",  # content before ending
        "raw.NEF": b"",
        "scan.dcm": b"of no known beginning",
        "empty.jpg": b"",
        "words.jpg": b"words",
        "unnamed": b"8BPS\0\1",
        "volume.nii.gz": b"\x1f\x8b",
        "labels.json": b"{}",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        "BMW.txt": b"BMW is where this text begins, which does not make it a picture",
    }.items():
        (root / "a" / name).write_bytes(content)
    index = folder(str(root))
    reasons = index.damaged.set_index("path")["reason"]
    for name, reason in {
        "phone.jpg": "HEIC, which is not read: .*pillow-heif",
        "raw.NEF": "empty file",
        "scan.dcm": "DICOM, which is not read: .*pydicom",
        "empty.jpg": "empty file",
        "words.jpg": "not an image",
        "unnamed": "PSD, which is not read",
        "volume.nii.gz": "a volume .* not read",
    }.items():
        assert re.match(reason, reasons.pop(f"a/{name}")), name
    assert reasons.empty and "3 files that are no images were passed over" in map(str, index.notes)
    with pytest.raises(DataError, match="7 of 27 images cannot be used, more than a tenth"):
        check(index)


def test_the_content_decides_and_not_the_extension(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put(root / "a/really-a-png.jpg", kind="PNG")
    put(root / "a/no-extension", kind="JPEG")
    put(root / "b/tiff.data", kind="TIFF", side=6)
    table = folder(str(root)).table.set_index("path")
    assert set(table["reason"]) == {""}
    assert dict(table["width"]) == {"a/no-extension": 4, "a/really-a-png.jpg": 4, "b/tiff.data": 6}


def test_only_what_changed_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlp.data.reading._TICK", 0)
    root = tmp_path / "data"
    put_many(root, "a", "b")
    (root / "a/fake.jpg").write_text("not a picture")
    first = folder(str(root))
    assert len(reads) == 9
    reads.clear()
    second = folder(str(root))
    assert reads == []
    assert second.table.equals(first.table)
    assert (second.digest, second.notes) == (first.digest, first.notes)

    put(root / "a/fake.jpg", 200, "JPEG", side=7)
    os.utime(root / "a/fake.jpg", ns=(1, 1))
    put(root / "b/new.png", 201)
    third = folder(str(root))
    assert sorted(reads) == ["fake.jpg", "new.png"]
    row = third.table.set_index("path").loc["a/fake.jpg"]
    assert (row["reason"], row["width"]) == ("", 7)


def test_a_damaged_memory_is_made_again(tmp_path: Path, reads: list[str]) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b")
    first = folder(str(root))
    (memory,) = (tmp_path / "cache").iterdir()
    for content in (b"", b"PAR1 but no more"):
        memory.write_bytes(content)
        reads.clear()
        assert folder(str(root)).table.equals(first.table)
        assert len(reads) == 8


def test_check_wants_two_classes(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "only")
    with pytest.raises(DataError, match=r"one class.*'only'"):
        check(folder(str(tmp_path / "data")))


def test_check_wants_every_class_in_training(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "train/a", "train/b", "val/a", "val/c")
    with pytest.raises(DataError, match=r"val/ has classes that train/ lacks: c;"):
        check(folder(str(tmp_path / "data")))


def test_check_allows_a_tenth_to_be_refused_and_lists_more(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "a", "b", count=9)
    for name in ("x", "y"):
        (root / f"a/{name}.jpg").write_text("not a picture")
    check(folder(str(root)))  # 2 of 20
    (root / "a/z.jpg").write_text("not a picture")
    with pytest.raises(DataError, match="3 of 21 images cannot be used") as caught:
        check(folder(str(root)))
    for name in ("x", "y", "z"):
        assert f"a/{name}.jpg: not an image" in str(caught.value)


def test_check_names_a_folder_of_nothing_but_damaged_images(tmp_path: Path) -> None:
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "data/a/x.jpg").write_text("not a picture")
    with pytest.raises(DataError, match="none of its 1 images can be read"):
        check(folder(str(tmp_path / "data")))


def test_the_digest_is_of_the_usable_content_and_not_of_the_place(tmp_path: Path) -> None:
    root = tmp_path / "data"
    put_many(root, "train/a", "train/b", "val/a", "val/b", count=1)
    digest = folder(str(root)).digest
    (root / "val/a/broken.jpg").write_text("refused images do not count")
    assert folder(str(root)).digest == digest
    moved = Path(shutil.copytree(root, tmp_path / "elsewhere"))
    assert folder(str(moved)).digest == digest
    put(moved / "val/a/0.png", 99)
    assert folder(str(moved)).digest != digest


@pytest.mark.parametrize(
    ("column", "value", "counts"),
    [("class", "c", True), ("split", "val", True), ("sha256", "0" * 64, True), ("width", 9, False)],
)
def test_the_digest_is_of_these_columns(
    tmp_path: Path, column: str, value: object, counts: bool
) -> None:
    put_many(tmp_path / "data", "a", "b")
    index = folder(str(tmp_path / "data"))
    table = index.table.astype({"class": "str", "split": "str"})
    table.loc[2, column] = value
    other = dataclasses.replace(index, table=table)
    assert (other.digest != index.digest) is counts


def test_a_folder_with_splits_but_no_train_is_refused(image_tree: Path) -> None:
    (image_tree / "train").rename(image_tree / "test")
    with pytest.raises(DataError, match="has test/ and val/ but no train/"):
        folder(str(image_tree))


def test_images_outside_of_any_class_are_told(image_tree: Path) -> None:
    loose = image_tree / "train" / "red" / "0.png"
    loose.rename(image_tree / "train" / "loose.png")
    index = folder(str(image_tree))
    assert len(index.table) == 53
    assert index.layout is not None and index.layout.passed == (("train/*", 1),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this platform")
def test_a_pipe_is_refused_and_not_waited_for(image_tree: Path) -> None:
    os.mkfifo(image_tree / "train" / "red" / "pipe.png")
    refused = folder(str(image_tree)).table.set_index("path")["reason"]
    assert "not a file" in refused["train/red/pipe.png"]
