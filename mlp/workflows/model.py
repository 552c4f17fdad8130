"""A packaged model, as the library gives it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlp.data.sources.walk import Notes
from mlp.errors import SettingsError
from mlp.model.ensemble import Answer
from mlp.serving.loading import LoadedModel
from mlp.serving.prediction import find_images, predict
from mlp.workflows.calls import call

_AT_ONCE = 256  # images that are held in memory
Image = str | os.PathLike[str] | bytes | NDArray[np.uint8]


class Model:
    """A packaged model, which answers to images."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._ensemble, self._title = loaded.ensemble, loaded.title

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return self._ensemble.classes

    def predict(self, images: Image | Iterable[Image]) -> pd.DataFrame:
        """The most probable class of each image, its probability, and whether it looks unfamiliar.

        Images are files, folders, patterns such as "new/*.jpg", the bytes of a file, or arrays
        (H, W) or (H, W, 3) of uint8. One that cannot be read has an `error`, and spoils no other.
        Raises DataError where there is nothing, SettingsError for anything else.
        """
        one = _is_place(images) or isinstance(images, bytes)
        one = one or (isinstance(images, np.ndarray) and images.ndim < 4)
        given: list[Any] = [images] if one else list(images)  # type: ignore[arg-type]
        answers: list[tuple[str | int, Answer]] = []
        with call():
            for on_disk, some in groupby(range(len(given)), lambda k: _is_place(given[k])):
                numbers = list(some)
                part = given[numbers[0] : numbers[-1] + 1]
                answers += (
                    self._of_places(part)
                    if on_disk
                    else zip(numbers, self._of_contents(part), strict=True)
                )
        return pd.DataFrame(
            [answer.row(self.classes, 1) for _, answer in answers],
            index=pd.Index([name for name, _ in answers], name="image"),
            columns=["label", "probability", "unfamiliar", "error"],
        )

    def _of_places(self, places: Sequence[str | os.PathLike[str]]) -> Iterator[tuple[str, Answer]]:
        notes = Notes()
        files = [file for each in places for file in find_images([os.fspath(each)], notes)]
        for made in predict(self._ensemble, files):
            yield made.path, made.answer

    def _of_contents(self, images: Sequence[object]) -> Iterator[Answer]:
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            yield from self._ensemble.answer([self._ensemble.decode(_file(each)) for each in part])

    def __repr__(self) -> str:
        return f"{self._title}: {', '.join(self.classes)}"


def _is_place(image: object) -> bool:
    return isinstance(image, str | os.PathLike)


def _file(image: object) -> bytes:
    """An image as the content of a file."""
    if isinstance(image, bytes):
        return image
    pixels = image if isinstance(image, np.ndarray) else np.empty(0)
    gray, color = pixels.ndim == 2, pixels.shape[2:] == (3,)
    if pixels.dtype != np.uint8 or not (gray or color):
        what = f"{pixels.dtype} {pixels.shape}" if pixels is image else type(image).__name__
        raise SettingsError(
            "an image should be a path, the bytes of a file, or an array (H, W) or (H, W, 3) of "
            f"uint8; {what} was given"
        )
    bgr = pixels[..., ::-1] if color else pixels
    return cv2.imencode(".png", np.ascontiguousarray(bgr))[1].tobytes()
