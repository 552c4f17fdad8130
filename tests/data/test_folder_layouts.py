"""Layouts of folders: what people download is understood, and what nobody could tell is asked."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp.config import RunConfig
from mlp.data.audit import audit
from mlp.data.dataset import open_index, source
from mlp.data.folder import folder
from mlp.data.index import DataError, Layout
from mlp.data.labels import label, look_alikes
from mlp.data.layout import read_layout, split_in, split_named
from mlp.data.notes import Notes
from mlp.data.remarks import understood
from tests.data.test_folder import put


def tree(root: Path, *paths: str) -> Path:
    """Two empty files with names of images in each of the folders; a path with a dot is a file."""
    for path in paths:
        file = Path(path).suffix != "" and not path.endswith("/")
        for place in [root / path] if file else [root / path / f"{n}.png" for n in range(2)]:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    return root


def read(root: Path, layout: str = "auto") -> tuple[Layout, str]:
    notes = Notes()
    made = read_layout(root, layout, notes)  # type: ignore[arg-type]
    return made, "\n".join(notes)


KNOWN = {
    "intel": (
        ["seg_train/seg_train/sea", "seg_test/seg_test/sea", "seg_pred/seg_pred"],
        {"seg_train/seg_train": "train", "seg_test/seg_test": "test"},
        "2 images without labels were passed over, the first: seg_pred/seg_pred/0.png",
    ),
    "cats and dogs": (
        ["training_set/training_set/cats", "test_set/test_set/cats"],
        {"training_set/training_set": "train", "test_set/test_set": "test"},
        "",
    ),
    "chest": (
        [f"{p}/{s}/NORMAL" for s in ("train", "val", "test")
         for p in ("chest_xray", "chest_xray/chest_xray", "__MACOSX/chest_xray")],
        {f"chest_xray/{s}": s for s in ("train", "val", "test")},
        "6 images in folders beside those of the splits were passed over",
    ),
    "fruits": (
        ["fruits-360/Training/Fig", "fruits-360/Test/Fig", "fruits-360/test-multiple_fruits"],
        {"fruits-360/Training": "train", "fruits-360/Test": "test"},
        "2 images without labels",
    ),
    "brain": (
        ["Training/glioma", "Testing/glioma"], {"Training": "train", "Testing": "test"}, "",
    ),
    "tiny imagenet": (
        ["tiny/train/n01/images", "tiny/train/n01/boxes.txt", "tiny/train/n02/images",
         "tiny/val/images", "tiny/val/annotations.txt", "tiny/test/images"],
        {"tiny/train": "train"},
        "4 images without labels",
    ),
    "sets": (["train set/a", "valid set/a"], {"train set": "train", "valid set": "val"}, ""),
    "kaggle": (["train/a", "test1"], {"train": "train"}, "2 images without labels"),
    "caltech": (["101_ObjectCategories/ant", "101_ObjectCategories/bee", "Annotations/a.mat"],
                {}, ""),
    "flowers": (["flowers/flower_photos/rose", "flowers/flower_photos/daisy"], {}, ""),
    "vehicles": (["bus", "plane", "train"], {}, ""),
    "dots": ([".net", "go", ".git/hooks", ".ipynb_checkpoints"], {},
             "4 images in hidden or system folders were passed over"),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_layouts_of_known_data_sets_are_understood(tmp_path: Path, name: str) -> None:
    paths, splits, note = KNOWN[name]
    made, notes = read(tree(tmp_path / "data", *paths))
    assert made.splits == splits
    assert note in notes and bool(note) == bool(notes)
    assert made.classes
    assert {split for *_, split in made.classes} == (set(splits.values()) or {""})


def test_folders_of_flat_data_keep_their_names(tmp_path: Path) -> None:
    names = {
        cls
        for _, cls, _ in read(tree(tmp_path / "flat", "bus", "plane", "train", "test"))[0].classes
    }
    assert names == {"bus", "plane", "train", "test"}
    made, _ = read(tree(tmp_path / "dots", ".net", "go"))
    assert {cls for _, cls, _ in made.classes} == {".net", "go"}


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["bus", "plane", "train/freight", "train/city"], "train/ could be the split for training"),
        (["dogs/pug", "dogs/collie", "cats/tabby"], "dogs/ holds only folders (collie/ and pug/)"),
        (["images/a", "images/b", "masks"], "images/ holds only folders (a/ and b/)"),
        (["train/a", "train/b", "training/a"], "two folders for one split: train, training"),
        (["train", "test"], "test/ and train/ hold images without a folder for each class"),
        (["cats", "dogs", "test/cats", "test/dogs"], "nothing is named for training"),
        (["train/a", "train/b", "test tubes/c", "test tubes/d"], "none of its folders is a class"),
    ],
)
def test_what_could_mean_two_things_is_an_error(
    tmp_path: Path, paths: list[str], told: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tree(tmp_path, *paths))
    text = str(caught.value)
    assert told in text
    assert f"{tmp_path} holds\n  {sorted(p.split('/')[0] for p in paths)[0]}/  " in text
    assert "layout=flat" in text and "layout=splits" in text


def test_the_setting_says_what_is_meant(tmp_path: Path) -> None:
    root = tree(tmp_path / "data", "bus", "plane", "train/freight", "train/city")
    flat, _ = read(root, "flat")
    assert [cls for _, cls, _ in flat.classes] == ["bus", "plane", "train"]
    splits, notes = read(root, "splits")
    assert [cls for _, cls, _ in splits.classes] == ["city", "freight"]
    assert splits.passed == ("bus", "plane") and "4 images in folders beside" in notes
    with pytest.raises(DataError, match="no folder for training"):
        read(tree(tmp_path / "none", "a", "b"), "splits")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "train"), ("TrainingSet", "train"), ("y-val.2", "val"), ("dev", "val"),
        ("test1", "test"), ("seg_pred", "pred"), ("trains", ""), ("contest", ""),
        ("train_val", ""), ("retrain", ""), ("latest", ""),
    ],
)  # fmt: skip
def test_splits_are_named_by_whole_words(name: str, split: str) -> None:
    assert split_in(name) == split


def test_lists_take_the_names_that_folders_take(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c", "d")):
        put(tmp_path / f"{name}.png", number)
    (tmp_path / "list.csv").write_text(
        "path,class,split\na.png, x ,Training\nb.png,y,train\nc.png,x,DEV\nd.png,y,valid\n"
    )
    index = open_index(str(tmp_path / "list.csv"))
    assert list(index.table["split"]) == ["train", "train", "val", "val"]
    assert index.classes == ("x", "y")
    assert split_named(" Testing ") == "test" and split_named("pred") == ""


def test_one_class_in_two_forms_of_unicode_is_one(tmp_path: Path) -> None:
    for level, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, "café")
        if not (tmp_path / "data" / name).exists():
            put(tmp_path / "data" / name / f"{level}.png", level)
    put(tmp_path / "data/tea /0.png", 9)
    index = folder(str(tmp_path / "data"))
    assert index.classes == ("café", "tea")
    for path in index.table["path"]:
        assert index.read(path)


def test_classes_that_look_alike_are_reported(tmp_path: Path) -> None:
    rows = [("Hot dog", 1), ("hotdog", 2), ("cat", 3), ("\uff43at", 4), ("cow", 5)]
    for _, level in rows:
        put(tmp_path / f"{level}.png", level, side=20)
    lines = "".join(f"{level}.png,{name}\n" for name, level in rows)
    (tmp_path / "list.csv").write_text(f"path,class\n{lines}", encoding="utf-8")
    index = source(str(tmp_path / "list.csv"))
    assert [str(line) for line in understood(index)] == [
        "list: classes that differ only in case, width or blanks: 'Hot dog', 'hotdog'",
        "list: classes that differ only in case, width or blanks: 'cat', '\uff43at'",
    ]
    found = audit(index).of("look_alikes")
    assert [f.reason for f in found] == ["'Hot dog' and 'hotdog'", "'cat' and '\uff43at'"]


@pytest.mark.parametrize("again", ["a\\1.png", "./a/1.png", "a//1.png", "{root}/a/1.png"])
@pytest.mark.parametrize(("cls", "told"), [("y", "there as 'x' and here as 'y'"), ("x", "")])
def test_a_path_spelled_twice_is_an_error_with_both_lines(
    tmp_path: Path, again: str, cls: str, told: str
) -> None:
    put(tmp_path / "a/1.png")
    again = again.format(root=tmp_path)
    (tmp_path / "list.csv").write_text(f"path,class\na/1.png,x\na/2.png,y\n{again},{cls}\n")
    with pytest.raises(DataError, match=r"line 4: .*1\.png is named twice, first on line 2") as e:
        source(str(tmp_path / "list.csv"))
    assert told in str(e.value)


def test_the_home_folder_is_found_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    put(tmp_path / "data/a/0.png", 1)
    put(tmp_path / "data/b/0.png", 2)
    (tmp_path / "list.csv").write_text("path,class\ndata/a/0.png,a\ndata/b/0.png,b\n")
    for data in ("~/data", "~/list.csv"):
        assert source(data).classes == ("a", "b")
    config = RunConfig(data="~/data", split="~/s.csv")
    assert (Path(config.data), Path(config.split)) == (tmp_path / "data", tmp_path / "s.csv")
    with pytest.raises(DataError, match="does not exist"):
        source("~nobody-of-this-name/data")


_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\:*?\"<>|"),
                 min_size=1, max_size=12).filter(lambda n: n.strip(". ") == n)  # fmt: skip


@given(_NAMES, _NAMES)
def test_labels_are_stable_and_alike_where_they_look_so(one: str, other: str) -> None:
    assert label(label(one)) == label(one)
    assert label(unicodedata.normalize("NFD", f" {one}\t")) == label(one)
    groups = look_alikes([one, f" {one}", other])
    assert any({one, f" {one}"} <= set(group) for group in groups)


@pytest.mark.slow
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_folders_are_called_every_image_is_read_counted_or_asked_about(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    part = st.sampled_from(["train", "val", "test", "seg_train", "Test_Data", "images", "a", "b"])
    paths = data.draw(st.lists(st.lists(part | _NAMES, min_size=1, max_size=3), min_size=1,
                               max_size=6))  # fmt: skip
    root = tmp_path_factory.mktemp("layout")
    made = {root.joinpath(*parts) / "0.png" for parts in paths}
    for file in made:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    notes = Notes()
    try:
        layout = read_layout(root, "auto", notes)
    except DataError as error:
        assert "layout=flat" in str(error) or "no train/" in str(error)
        return
    inside = {f for f in made for place, *_ in layout.classes if f.is_relative_to(root / place)}
    counted = sum(
        note.values["count"]  # type: ignore[misc]
        for note in notes
        if note.kind in ("loose", "beside", "unlabelled", "system")
    )
    # Letters that a file system takes for one another may make fewer files
    assert len(inside) + counted == len({f.resolve() for f in made})
