"""How folders are understood: those of well-known data sets, ambiguous ones, and any other name."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp.data.audit.remarks import remarks, understood
from mlp.data.dataset import open_index
from mlp.data.index import check
from mlp.data.sources.files import folder
from mlp.data.sources.layout import Kind, split_in
from mlp.errors import DataError
from mlp.settings.training import RunConfig
from tests.data.test_folder import put_many


def each(*folders: str) -> tuple[str, ...]:
    """The folders of two classes in each of some folders."""
    return tuple(f"{folder}/{cls}" for folder in folders for cls in ("cat", "dog"))


def found(root: Path, layout: Kind = "auto") -> set[tuple[str, str]]:
    """Split and class of the images."""
    index = folder(str(root), layout)
    check(index)
    return set(index.usable[["split", "class"]].itertuples(index=False, name=None))


def of(*splits: str) -> set[tuple[str, str]]:
    return {(split, cls) for split in splits for cls in ("cat", "dog")}


KNOWN = {
    "Intel scenes": (
        (*each("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred"),
        ("train", "test"),
        {"seg_pred/": 2},
    ),
    "cats and dogs": (
        each("training_set/training_set", "test_set/test_set"), ("train", "test"), {},
    ),
    "chest X-rays": (
        each(*(f"chest_xray/{part}" for part in ("train", "val", "test", "chest_xray/train"))),
        ("train", "val", "test"),
        {"chest_xray/chest_xray/": 4},
    ),
    "fruits": (
        (*each("fruits-360/Training", "fruits-360/Test"), "fruits-360/test-multiple_fruits"),
        ("train", "test"),
        {"fruits-360/test-multiple_fruits/": 2},
    ),
    "Tiny ImageNet": (
        ("tiny/train/cat/images", "tiny/train/dog/images", "tiny/val/images", "tiny/test/images"),
        ("train",),
        {"tiny/test/": 2, "tiny/val/": 2},
    ),
    "traffic signs": ((*each("Train"), "Test", "Meta"), ("train",), {"Meta/": 2, "Test/": 2}),
    "Caltech": (each("caltech101/101_ObjectCategories"), ("",), {}),
    "flowers": (each("flowers/flower_photos"), ("",), {}),
    "animals": (each("raw-img"), ("",), {}),
    "blanks": (each("train set", "valid set"), ("train", "val"), {}),
    "camel": (each("TrainSet2017", "devSet", "TestSet"), ("train", "val", "test"), {}),
    "unknown": ((*each("train", "val"), "test/unknown"), ("train", "val"), {"test/": 2}),
    "unknown beside": (
        (*each("train", "test"), "test/Unknown"), ("train", "test"), {"test/Unknown/": 2},
    ),
    "loose": ((*each("train", "val"), "test"), ("train", "val"), {"test/": 2}),
    "loose beside": ((*each("train", "val"), "train"), ("train", "val"), {"train/*": 2}),
    "wrapped": (each("archive/test_data/train", "archive/test_data/val"), ("train", "val"), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_layouts_of_well_known_data_are_understood(tmp_path: Path, name: str) -> None:
    parts, splits, passed = KNOWN[name]
    put_many(tmp_path / "data", *parts, count=2)
    assert found(tmp_path / "data") == of(*splits)
    (line,) = map(str, understood(folder(str(tmp_path / "data"))))
    for split in splits:
        assert f"{split} 4" in line if split else "understood as 4 images" in line
    assert "2 classes (cat, dog)" in line
    for part, count in passed.items():
        assert f"{part} ({count})" in line
    assert ("passed over" in line) is bool(passed)


def test_a_flat_folder_may_have_classes_called_like_splits(tmp_path: Path) -> None:
    for names in (
        ("bus", "plane", "train"),
        ("bus", "plane", "train", "val", "test"),
        ("bus", "freight train", "passenger train"),
        ("calm", "stress test"),
        (".net", "go", "java"),
    ):
        root = tmp_path / names[-1]
        put_many(root, *names, count=2)
        assert found(root) == {("", name) for name in names}


UNCLEAR = {
    "train/ could be the training split, with the classes freight/ and passenger/, or a class "
    "beside bus/ and plane/": ("bus", "plane", "train/freight", "train/passenger"),
    "test/ could be a split, or a class beside cat/ and dog/": ("cat", "dog", *each("test")),
    "test/ and train/: images, but no folder for each class": ("train", "test"),
    "cat/ holds no images itself, but persian/ and siamese/": (
        "cat/persian", "cat/siamese", "dog/poodle", "dog/beagle",
    ),
    "images/ holds no images itself, but cat/ and dog/": each("images", "masks"),
    "seg_val/ could be a split, but none of its folders (a/ and b/) is a class of seg_train/": (
        *each("seg_train"), "seg_val/a", "seg_val/b",
    ),
}  # fmt: skip


@pytest.mark.parametrize("told", UNCLEAR)
def test_what_could_mean_two_things_is_told_with_what_to_say(tmp_path: Path, told: str) -> None:
    put_many(tmp_path / "data", *UNCLEAR[told], count=2)
    with pytest.raises(DataError) as caught:
        folder(str(tmp_path / "data"))
    said = str(caught.value)
    assert told in said and "layout=flat" in said and "layout=splits" in said
    assert f"{tmp_path / 'data'} holds\n" in said
    tops = {part.partition("/")[0] for part in UNCLEAR[told]}
    assert all(f"\n  {top}/  " in said for top in tops)
    assert found(tmp_path / "data", "flat") == {("", top) for top in tops}


def test_the_names_of_folders_decide_where_that_was_said(tmp_path: Path) -> None:
    put_many(tmp_path / "data", "bus", "train/cat", "train/dog", count=2)
    assert found(tmp_path / "data", "splits") == of("train")
    put_many(tmp_path / "deep", *each("train/cat", "train/dog"), count=2)
    assert found(tmp_path / "deep", "splits") == of("train")
    put_many(tmp_path / "flat", "cat", "dog", count=2)
    with pytest.raises(DataError, match="layout=splits was said, but no folder is called train"):
        folder(str(tmp_path / "flat"), "splits")


def test_many_folders_are_shown_in_few_words(tmp_path: Path) -> None:
    put_many(
        tmp_path / "data", *(f"c{number:03d}/{k}" for number in range(60) for k in "ab"), count=1
    )
    with pytest.raises(DataError) as caught:
        folder(str(tmp_path / "data"))
    assert len(str(caught.value).splitlines()) == 12 and "and 52 folders more" in str(caught.value)
    (line,) = map(str, understood(folder(str(tmp_path / "data"), "flat")))
    assert "60 classes (c000, c001, c002, c003, c004, c005, c006, c007, c008, ... c059)" in line


def test_folders_of_systems_are_passed_over_and_told_where_they_hold_images(tmp_path: Path) -> None:
    root = tmp_path / "data"
    system = (
        "__MACOSX/cat",
        ".ipynb_checkpoints",
        "@eaDir/x",
        "$RECYCLE.BIN",
        ".cache",
        "cat/.thumbnails",
    )
    put_many(root, "cat", "dog", *system, count=2)
    (root / ".git" / "objects").mkdir(parents=True)
    (root / ".git" / "objects" / "ab").write_bytes(b"no picture")
    (root / "cat" / "._0.png").write_bytes(b"\0\5\x16\7")
    (root / "cat" / "._1.png").write_bytes(b"\0\5\x16\7")
    (root / "cat" / ".DS_Store").write_bytes(b"no picture")
    index = folder(str(root))
    assert len(index.table) == 4
    assert sorted(map(str, index.notes)) == [
        "12 images in hidden folders, or those of a system, were passed over, the first: "
        "$RECYCLE.BIN/",
        "2 hidden files with names of images were passed over, the first: cat/._0.png",
    ]


def test_an_error_says_why_nothing_is_left(tmp_path: Path) -> None:
    put_many(tmp_path / "data", ".cache/cat", ".cache/dog")
    (tmp_path / "data" / "cat").mkdir()
    with pytest.raises(DataError, match="no images found") as caught:
        folder(str(tmp_path / "data"))
    assert "8 images in hidden folders" in str(caught.value)
    assert "the folder cat/ is empty" in str(caught.value)


def test_names_that_look_the_same_are_one_class(tmp_path: Path) -> None:
    root = tmp_path / "data"
    names = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    put_many(root, names[0], names[1] + " ", "tea", count=2)
    index = folder(str(root))
    assert index.classes == ("café", "tea") and len(index.usable) == 6
    for path in index.usable["path"]:
        assert index.read(path) == (root / path).read_bytes()


def test_classes_that_are_hard_to_tell_apart_are_remarked(tmp_path: Path) -> None:
    names = ("Polar bear", "polarbear", "\uff54\uff45\uff41", "Tea", "cat")
    put_many(tmp_path / "data", *names, count=2)
    config = RunConfig(data=str(tmp_path / "data"))
    said = [r for r in remarks(open_index(config.data), config) if r.kind == "look_alikes"]
    assert [remark.values["classes"] for remark in said] == [
        "'Polar bear', 'polarbear'",
        "'Tea', '\uff54\uff45\uff41'",
    ]
    shutil.copytree(tmp_path / "data", tmp_path / "parts" / "train")
    put_many(tmp_path / "parts", "val/cat", "val/polar bear", count=2)
    with pytest.raises(DataError, match=r"classes that train/ lacks: polar bear \("):
        open_index(str(tmp_path / "parts"))


def test_home_is_found_where_no_shell_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put_many(tmp_path / "data", "cat", "dog", count=2)
    (tmp_path / "list.csv").write_text("path,class\n~/data/cat/0.png,cat\ndata/dog/0.png,dog\n")
    assert len(open_index(RunConfig(data="~/data").data).usable) == 4
    assert len(open_index(RunConfig(data="~/list.csv").data).usable) == 2
    with pytest.raises(DataError, match="does not exist"):
        open_index(RunConfig(data="~nobody-of-this-name/data").data)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("seg_train", "train"), ("Training", "train"), ("trainSet", "train"),
        ("train2017", "train"),
        ("TEST", "test"), ("test-1", "test"), ("DevSet", "val"), ("valid set", "val"),
        ("x.validation", "val"), ("seg_pred", "pred"), ("trainer", ""), ("contest", ""),
        ("constraint", ""), ("train_test", ""), ("value", ""), ("device", ""), ("", ""),
    ],
)  # fmt: skip
def test_words_for_splits_are_whole_words(name: str, split: str) -> None:
    assert split_in(name) == split


_NAMES = st.sampled_from(
    ["train", "Train", "seg_train", "training", "val", "test", "test set", "pred", "cat", "dog",
     "images", "unknown", ".net", ".git", "__MACOSX", "caf\u00e9", "cafe\u0301", " cat"]
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.sets(st.lists(_NAMES, min_size=1, max_size=4).map("/".join), min_size=1, max_size=7))
def test_whatever_the_names_each_image_is_used_or_told(
    tmp_path_factory: pytest.TempPathFactory, parts: set[str]
) -> None:
    root = tmp_path_factory.mktemp("names") / "data"
    put_many(root, *sorted(parts), count=2)
    every = len(list(root.rglob("*.png")))
    assert every == 2 * len(parts)
    for kind in ("auto", "flat", "splits"):
        try:
            index = folder(str(root), kind)  # type: ignore[arg-type]
        except DataError as error:
            assert str(root) in str(error)
            continue
        assert index.layout is not None
        told = sum(count for _, count in index.layout.passed)
        hidden = [note for note in map(str, index.notes) if "hidden folder" in note]
        told += sum(int(note.split()[0]) for note in hidden)
        assert len(index.table) + told == every
        assert not index.table["path"].duplicated().any()
        for row in index.table.itertuples():
            assert unicodedata.normalize("NFC", row.path).find(row[2]) >= 0
