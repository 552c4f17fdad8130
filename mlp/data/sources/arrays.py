"""Images that are kept as arrays: scikit-learn's digits, MedMNIST's and Keras' .npz files."""

from __future__ import annotations

import hashlib
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from mlp.data.images.decoding import png
from mlp.data.index import COLUMNS, SPLITS, Index
from mlp.errors import DataError
from mlp.processes import free_memory

PREFIX = "medmnist:"
# Names of the arrays of images and of labels of a split: Keras' (mnist.npz), and MedMNIST's, which
# go first where both are there
_ARRAYS = (("x_{}", "y_{}"), ("{}_images", "{}_labels"))
_SHOWN = 10
# What damaged files have been seen to raise
_DAMAGES = (
    OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error,
    tokenize.TokenError,
)  # fmt: skip


def digits(*_: str) -> Index:
    """The 1,797 digits of scikit-learn, 8x8 pixels in gray, without splits.

    Source: UCI optdigits, test part.
    """
    images, labels = load_digits(return_X_y=True)
    # scikit-learn stores ink as 0..16
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    numbered = enumerate(zip(map(str, labels), pixels, strict=True))
    return _index(
        "digits", ((f"{cls}/{n:04d}.png", cls, "", image) for n, (cls, image) in numbered)
    )


def medmnist(source: str, *_: str) -> Index:
    """The images of `pathmnist.npz`, or of `medmnist:pathmnist` (downloaded by its package).

    Raises DataError when the file has other arrays, holds volumes or several labels an image, needs
    more memory than there is, or when the package is not installed.
    """
    name = source.removeprefix(PREFIX)
    file, classes = _by_name(name) if source.startswith(PREFIX) else (Path(source), {})
    arrays = _arrays(file)
    pictures = []
    for split, (of_images, of_labels) in _named(arrays).items():
        pixels, labels = _checked(file, of_images, of_labels, arrays)
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            cls = classes.get(str(label), str(label))
            pictures.append((f"{split}/{cls}/{number:06d}.png", cls, split, image))
    return _index(file.stem, pictures)


def _index(name: str, pictures: Iterable[tuple[str, str, str, NDArray[np.uint8]]]) -> Index:
    """The index of images, each as a PNG file: its path, class, split and pixels are given."""
    images, rows = {}, []
    for path, cls, split, image in pictures:
        images[path] = image
        digest = hashlib.sha256(png(image)).hexdigest()
        height, width = image.shape[:2]
        rows.append((path, cls, split, digest, width, height, image.ndim == 2, 0, "", ""))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    return Index(name, table, lambda path: png(images[path]))


def _by_name(name: str) -> tuple[Path, dict[str, str]]:
    """The file of a set and the names of its classes, by the package."""
    try:
        import medmnist as package
    except ImportError:
        raise DataError(
            f"data {PREFIX}{name} needs the package medmnist: pip install medmnist; or give the "
            "path of its .npz file"
        ) from None
    if name not in package.INFO:
        raise DataError(f"no MedMNIST set {name!r}; there are {', '.join(package.INFO)}")
    info: dict[str, Any] = package.INFO[name]
    try:
        made = getattr(package, info["python_class"])(split="train", download=True)
    except (OSError, RuntimeError) as error:  # what the package raises where there is no network
        raise DataError(
            f"data {PREFIX}{name} cannot be downloaded: {' '.join(str(error).split())}"
        ) from None
    return Path(made.root) / f"{made.flag}.npz", dict(info["label"])


def _named(names: Container[str]) -> dict[str, tuple[str, str]]:
    """The names of images and labels of each split that is there."""
    return {
        split: (images.format(split), labels.format(split))
        for images, labels in _ARRAYS
        for split in SPLITS
        if images.format(split) in names
    }


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of images and labels. Nothing is unpickled, nor allocated on a file's word."""
    try:
        with zipfile.ZipFile(file) as archive:
            there = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
            wanted = [name for pair in _named(there).values() for name in pair if name in there]
            if not wanted:
                raise ValueError(
                    f"it has {', '.join(there[:_SHOWN]) or 'no arrays'}; it should have "
                    "train_images and train_labels, or x_train and y_train"
                )
            taken = sum(_size(archive, name) for name in wanted)
        free = free_memory()
        if taken > free // 2:
            raise ValueError(
                f"its arrays take {taken / 2**30:.1f} GiB, more than half of the {free / 2**30:.1f}"
                " GiB of memory that are free; a folder of image files takes none"
            )
        with np.load(file, allow_pickle=False) as loaded:
            return {name: loaded[name] for name in wanted}
    except MemoryError:
        raise DataError(f"{file} cannot be read as an .npz file: not enough memory") from None
    except _DAMAGES as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{file} cannot be read as an .npz file: {reason}") from None


def _size(archive: zipfile.ZipFile, name: str) -> int:
    """Bytes of an array by its header, which have to be there. Raises ValueError."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = getattr(np.lib.format, "read_array_header_{}_{}".format(*version), None)
        if read is None:
            raise ValueError(f"{name} is of version {version} of NumPy's format")
        shape, _, kind = read(member)
        held = info.file_size - member.tell()
    if kind.hasobject:
        raise ValueError(
            f"{name} holds Python objects, which only pickle could read, and that may run "
            "anything; save it with a type such as uint8"
        )
    taken: int = math.prod(shape) * kind.itemsize
    if taken != held:
        raise ValueError(f"{name} claims {taken} bytes and has {held}")
    return taken


def _checked(
    file: Path, of_images: str, of_labels: str, arrays: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, H, W) or (N, H, W, 3) and labels (N,) of a split."""
    pixels, labels = arrays[of_images], arrays.get(of_labels)
    if labels is None or labels.ndim == 0 or pixels.ndim == 0 or len(labels) != len(pixels):
        raise DataError(f"{file}: {of_labels} should be there, one for each of {of_images}")
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or pixels.ndim < 3 or pixels.shape[3:] not in ((), (3,)):
        raise DataError(
            f"{file}: {of_images} has shape {pixels.shape} of {pixels.dtype}; pictures are "
            "(N, H, W) or (N, H, W, 3) of uint8, and volumes are not supported"
        )
    if 0 in pixels.shape[1:]:
        raise DataError(f"{file}: {of_images} has shape {pixels.shape}: pictures of no pixels")
    if labels.dtype.kind not in "iu":
        # A cast would make one class of 0.2 and 0.7, and nothing would say so
        raise DataError(
            f"{file}: {of_labels} are {labels.dtype}; they should be whole numbers, of an "
            "integer type"
        )
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] != 1:
        raise DataError(
            f"{file}: {flat.shape[1]} labels an image; a classifier of one label is what is trained"
        )
    return pixels, flat[:, 0].astype(np.int64)
