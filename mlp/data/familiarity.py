"""The likeness of an image to the training images, whatever the network says of it.

Each image becomes a short list of numbers: its pixels shrunk to 8x8, the range and spread of each
channel, and how much detail it has at three scales. A Gaussian with a shrunk covariance (Ledoit
and Wolf 2004, J. Multivariate Analysis 88) of the training images gives each image a squared
Mahalanobis distance. An image is called unfamiliar when it lies farther out than 99% of the
validation images, which were not part of the fit: about one in a hundred images of the same kind is
called so by mistake, and another kind of picture, an empty frame or noise is noticed. An image with
the colours and layout of the training images is not, whatever it shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Floats = NDArray[np.float64]

_SIDE = 8
_SCALES = 3


@dataclass(frozen=True)
class Familiarity:
    """Centre (D,), scale (D,) and precision (D, D) of the training images' numbers.

    `threshold`: the squared distance beyond which an image is unfamiliar.
    """

    centre: Floats
    scale: Floats
    precision: Floats
    threshold: float

    def distance(self, pixels: Iterable[NDArray[np.uint8]]) -> Floats:
        """Squared distance of images (B, H, W, C), as decoded for the network: (B,)."""
        away = (numbers_of(pixels) - self.centre) / self.scale
        return np.asarray(((away @ self.precision) * away).sum(axis=1))

    def unfamiliar(self, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Tell for each image whether it is unlike the training images, (B,)."""
        return np.asarray(self.distance(pixels) > self.threshold)

    def save(self, file: Path) -> None:
        """Write as safetensors."""
        save_file({name: np.atleast_1d(value) for name, value in vars(self).items()}, file)

    @classmethod
    def load(cls, file: Path) -> Familiarity:
        """Read what `save` wrote."""
        parts = load_file(file)
        centre, scale, precision, threshold = (parts[field.name] for field in fields(cls))
        return cls(centre, scale, precision, float(threshold[0]))


def numbers_of(pixels: Iterable[NDArray[np.uint8]]) -> Floats:
    """The numbers by which images (H, W, C) are compared: (B, D)."""
    return np.stack([_describe(np.asarray(i / np.float32(255), np.float32)) for i in pixels])


def _describe(image: NDArray[np.float32]) -> Floats:
    small = cv2.resize(image, (min(_SIDE, image.shape[1]),) * 2, interpolation=cv2.INTER_AREA)
    channels = image.reshape(-1, image.shape[-1])
    ends = channels.min(axis=0), channels.max(axis=0)
    gray = image.mean(axis=-1)
    detail = []
    for _ in range(_SCALES):
        detail.append(np.log((gray - cv2.blur(gray, (3, 3))).std() + 1e-3))
        half = max(1, gray.shape[0] // 2)
        gray = cv2.resize(gray, (half, half), interpolation=cv2.INTER_AREA)
    parts = [small.ravel(), channels.mean(axis=0), np.log(channels.std(axis=0) + 1e-3), *ends]
    return np.concatenate([*parts, detail]).astype(np.float64)
