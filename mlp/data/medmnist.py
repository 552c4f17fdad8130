"""MedMNIST's .npz files as a data source: by path, or by name with the package `medmnist`."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.index import COLUMNS, SPLITS, DataError, Index

PREFIX = "medmnist:"


def medmnist(source: str) -> Index:
    """The images of `pathmnist.npz`, or of `medmnist:pathmnist` (downloaded by its package).

    Raises DataError when the file is none of MedMNIST's, holds volumes or several labels an image,
    or when the package is not installed.
    """
    name = source.removeprefix(PREFIX)
    file, classes = _by_name(name) if source.startswith(PREFIX) else (Path(source), {})
    arrays = _arrays(file)
    rows, images = [], {}
    for split in SPLITS:
        if f"{split}_images" not in arrays:
            continue
        pixels, labels = _checked(file, split, arrays)
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            cls = classes.get(str(label), str(label))
            path = f"{split}/{cls}/{number:06d}.png"
            images[path] = image
            digest = hashlib.sha256(_png(image)).hexdigest()
            height, width = image.shape[:2]
            rows.append((path, cls, split, digest, width, height, image.ndim == 2, 0, ""))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("path", ignore_index=True)
    return Index(file.stem, table, lambda path: _png(images[path]))


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


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it holds one array without a name, as .npy files do")
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{file} cannot be read as an .npz file: {reason}") from None


def _checked(
    file: Path, split: str, arrays: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, H, W) or (N, H, W, 3) and labels (N,) of a split."""
    pixels, labels = arrays[f"{split}_images"], arrays.get(f"{split}_labels")
    if labels is None or labels.ndim == 0 or pixels.ndim == 0 or len(labels) != len(pixels):
        raise DataError(f"{file}: {split}_labels should be there, one for each of {split}_images")
    if pixels.dtype != np.uint8 or not (
        pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)
    ):
        raise DataError(
            f"{file}: {split}_images has shape {pixels.shape} of {pixels.dtype}; pictures are "
            "(N, H, W) or (N, H, W, 3) of uint8, and volumes are not supported"
        )
    if 0 in pixels.shape[1:]:
        raise DataError(f"{file}: {split}_images has shape {pixels.shape}: pictures of no pixels")
    if labels.dtype.kind not in "iu":
        # A cast would make one class of 0.2 and 0.7, and nothing would say so
        raise DataError(
            f"{file}: {split}_labels are {labels.dtype}; they should be whole numbers, of an "
            "integer type"
        )
    flat = labels.reshape(len(labels), -1)
    if flat.shape[1] != 1:
        raise DataError(
            f"{file}: {flat.shape[1]} labels an image; a classifier of one label is what is trained"
        )
    return pixels, flat[:, 0].astype(np.int64)


def _png(image: NDArray[np.uint8]) -> bytes:
    shown = image if image.ndim == 2 else image[..., ::-1]
    return cv2.imencode(".png", shown)[1].tobytes()
