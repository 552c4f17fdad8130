"""CSV files as a data source: what they name is indexed, and mistakes are told by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlp.data.dataset import open_index
from mlp.data.split import is_drawn
from mlp.errors import DataError


def write(folder: Path, text: str, encoding: str = "utf-8") -> str:
    file = folder / "list.csv"
    file.write_text(text, encoding=encoding)
    return str(file)


def lines(root: Path, *, split: bool, absolute: bool = False) -> str:
    rows = []
    for path in sorted(root.rglob("*.png")):
        part, cls, _ = path.relative_to(root).parts
        shown = path if absolute else f"{root.name}/{path.relative_to(root).as_posix()}"
        rows.append(f"{shown},{cls} ñ" + (f",{part}" if split else ""))
    return "\n".join(["path,class,split" if split else "path,class", *rows]) + "\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_manifest_names_images_classes_and_splits(image_tree: Path, encoding: str) -> None:
    file = write(image_tree.parent, lines(image_tree, split=True), encoding)
    index, folder = open_index(file), open_index(str(image_tree))
    assert index.classes == ("blue ñ", "green ñ", "red ñ") and not is_drawn(index)
    assert list(index.usable["sha256"]) == list(folder.usable["sha256"])
    assert list(index.usable["split"]) == list(folder.usable["split"])
    first = index.usable["path"].iloc[0]
    assert index.read(first) == (image_tree.parent / first).read_bytes()


def test_without_splits_they_are_drawn_and_paths_may_be_absolute(
    image_tree: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    index = open_index(write(other, lines(image_tree, split=False, absolute=True)))
    assert is_drawn(index) and len(index.usable) == 54


def test_files_that_are_missing_are_listed(image_tree: Path) -> None:
    text = lines(image_tree, split=True) + "colors/train/red/none.png,red ñ,train\n"
    index = open_index(write(image_tree.parent, text))
    assert list(index.damaged["reason"]) == ["cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,label\na,b\n", "no column path, class; its columns are file, label"),
        ("path,class\na.png,\n", "line 2: class should be the name of a class, not ''"),
        ("path,class\na.png,x\n ,x\n", "line 3: path should be the path of an image, not ' '"),
        ("path,class,split\na.png,x,devel\n", "line 2: split should be train, val, test, or empty"),
        ("path,class,split\na.png,x,train\nb.png,x,\n", "line 3: split is empty, but other lines"),
        ("path,class\na.png,x\na.png,x\n", "line 3: a.png is named twice"),
        ("path,class\n", "has no rows"),
        ("path,class\na.png,x,train\n", "line 2: 3 fields, where the first line names 2 columns"),
        ("path,class,split\na.png,x\n", "line 2: 2 fields, where the first line names 3 columns"),
        ("path,class,class\na.png,x,y\n", "column class is there twice"),
        # Blank lines are lines, and so are those inside of quotes
        ("path,class\n\n\na.png,x\n\nb.png,\n", "line 6: class should be"),
        ('path,class\n"a\nb.png",x\nc.png,x\nc.png,x\n', "line 5: c.png is named twice"),
        ('path,class\r\n\r\na.png,x\r\n"b\r\n.png",\r\n', "line 4: class should be"),
        ("", "cannot be read"),
        ('path,class\n"a.png,x\n', "cannot be read"),
    ],
)
def test_a_mistake_is_told_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        open_index(write(tmp_path, text))
    assert told in str(caught.value) and "list.csv" in str(caught.value)
