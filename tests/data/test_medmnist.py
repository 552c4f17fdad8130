"""MedMNIST's files, by path and by name."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mlp.data.dataset import load, open_index
from mlp.errors import DataError
from mlp.learning.resolution import resolve
from mlp.settings.training import RunConfig

COUNTS = {"train": 12, "val": 6, "test": 4}


def arrays(*shape: int, labels: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    made = {}
    for split, count in COUNTS.items():
        made[f"{split}_images"] = rng.integers(0, 256, (count, *shape), np.uint8)
        made[f"{split}_labels"] = np.resize(np.arange(2), (count, labels))
        made[f"{split}_labels"][:, 0] = np.arange(count) % 2
    return made


def labelled(labels: np.ndarray) -> dict[str, np.ndarray]:
    return {"train_images": np.zeros((2, 8, 8), np.uint8), "train_labels": labels}


@pytest.mark.parametrize(("shape", "channels"), [((28, 28), 1), ((9, 9, 3), 3)])
def test_pictures_labels_and_splits_are_those_of_the_file(
    tmp_path: Path, shape: tuple[int, ...], channels: int
) -> None:
    file, given = tmp_path / "pathmnist.npz", arrays(*shape)
    np.savez(file, **given)
    index = open_index(str(file))
    assert (index.name, index.classes) == ("pathmnist", ("0", "1"))
    _, data = load(index, resolve(RunConfig(data=str(file)), index))
    assert data.pixels.shape == (22, shape[0], shape[0], channels)
    for split, count in COUNTS.items():
        rows = getattr(data.split, split)
        assert len(rows) == count
        order = np.argsort([data.ids[row][-10:] for row in rows])
        pixels = data.pixels[rows[order]].reshape(given[f"{split}_images"].shape)
        np.testing.assert_array_equal(pixels, given[f"{split}_images"])
        np.testing.assert_array_equal(data.labels[rows[order]], given[f"{split}_labels"][:, 0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (arrays(8, 8, 8), "volumes are not supported"),
        (arrays(8, 8, labels=14), "14 labels an image"),
        ({"train_images": np.zeros((2, 8, 8), np.uint8)}, "train_labels should be there"),
        ({"train_images": np.zeros((2, 8, 8)), "train_labels": np.zeros((2, 1))}, "float64"),
        (
            {"other": np.zeros(2)},
            "it has other; it should have train_images and train_labels",
        ),
        (labelled(np.array([0.2, 0.7])), "train_labels are float64; they should be whole numbers"),
        (labelled(np.array([0, np.nan])), "train_labels are float64; they should be whole numbers"),
        (labelled(np.array(["cat", "dog"])), "train_labels are <U3; they should be whole numbers"),
        (labelled(np.array(2)), "train_labels should be there, one for each"),
        ({"train_images": np.uint8(1), "train_labels": np.zeros(1, int)}, "should be there"),
        ({"train_images": np.zeros((2, 0, 8), np.uint8), "train_labels": np.arange(2)}, "no pixel"),
    ],
)
def test_other_arrays_are_refused_in_words(
    tmp_path: Path, given: dict[str, np.ndarray], told: str
) -> None:
    np.savez(tmp_path / "set.npz", **given)
    with pytest.raises(DataError) as caught:
        open_index(str(tmp_path / "set.npz"))
    assert told in str(caught.value)


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (32, 32, 3)])
def test_keras_names_of_arrays_are_read_too(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file, rng = tmp_path / "mnist.npz", np.random.default_rng(0)
    given = {part: rng.integers(0, 256, (n, *shape), np.uint8) for part, n in COUNTS.items()}
    labels = {part: (np.arange(len(given[part])) % 3)[:, None] for part in given}
    np.savez(
        file,
        **{f"x_{part}": given[part] for part in ("train", "test")},
        **{f"y_{part}": labels[part] for part in ("train", "test")},
        names=np.array(["what else is in it", None], object),
    )
    index = open_index(str(file))
    assert (index.classes, set(index.table["split"])) == (("0", "1", "2"), {"train", "test"})
    _, data = load(index, resolve(RunConfig(data=str(file), val_fraction=0.4), index))
    rows = data.split.test[np.argsort([data.ids[row][-10:] for row in data.split.test])]
    np.testing.assert_array_equal(data.pixels[rows].reshape(4, *shape), given["test"])
    np.testing.assert_array_equal(data.labels[rows], labels["test"][:, 0])


def claiming(file: Path, shape: tuple[int, ...], held: int) -> None:
    """An .npz file with an array of which the header promises a shape."""
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(held))


def test_nothing_is_allocated_on_the_word_of_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bomb.npz"
    claiming(file, (10**9, 10**4, 10**4), 10)
    with pytest.raises(DataError, match="x_train claims 100000000000000000 bytes and has 10"):
        open_index(str(file))
    claiming(file, (4, 1024, 1024), 4 * 2**20)  # four kilobytes on the disk
    monkeypatch.setattr("mlp.data.sources.arrays.free_memory", lambda: 2**22)
    with pytest.raises(DataError, match=r"take 0\.0 GiB, more than half of the 0\.0 GiB"):
        open_index(str(file))


def test_objects_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x_train=np.array([object()] * 2), y_train=np.arange(2))
    with pytest.raises(DataError, match="x_train holds Python objects, which only pickle"):
        open_index(str(tmp_path / "set.npz"))


def test_what_is_no_npz_is_refused_and_nothing_is_unpickled(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("nothing")
    np.savez(tmp_path / "pickled.npz", train_images=np.array([object()]))
    with (tmp_path / "single.npz").open("wb") as file:
        np.save(file, np.zeros(2))
    # Deflated content in which bits flipped
    np.savez_compressed(tmp_path / "flipped.npz", **arrays(8, 8))
    content = bytearray((tmp_path / "flipped.npz").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "flipped.npz").write_bytes(content)
    for name in ("text.npz", "pickled.npz", "gone.npz", "single.npz", "flipped.npz"):
        with pytest.raises(DataError, match=rf"{name} cannot be read as an \.npz file"):
            open_index(str(tmp_path / name))


def test_a_set_is_found_by_name_with_the_names_of_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "pathmnist.npz", **arrays(28, 28))

    def fetch(split: str, download: bool) -> SimpleNamespace:
        assert split == "train" and download
        return SimpleNamespace(root=str(tmp_path), flag="pathmnist")

    package = ModuleType("medmnist")
    package.INFO = {  # type: ignore[attr-defined]
        "pathmnist": {"python_class": "PathMNIST", "label": {"0": "adipose", "1": "mucus"}}
    }
    package.PathMNIST = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "medmnist", package)
    assert open_index("medmnist:pathmnist").classes == ("adipose", "mucus")
    with pytest.raises(DataError, match="no MedMNIST set 'nothing'; there are pathmnist"):
        open_index("medmnist:nothing")


def test_a_download_that_fails_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(split: str, download: bool) -> SimpleNamespace:
        raise RuntimeError("Automatic download failed!\n  Please download it yourself")

    package = ModuleType("medmnist")
    package.INFO = {"pathmnist": {"python_class": "P", "label": {}}}  # type: ignore[attr-defined]
    package.P = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "medmnist", package)
    with pytest.raises(DataError, match=r"cannot be downloaded: Automatic download failed! Please"):
        open_index("medmnist:pathmnist")


def test_without_the_package_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(DataError, match="pip install medmnist"):
        open_index("medmnist:pathmnist")
