"""Pairs of images that show the same picture, however it was saved.

Two steps. A perceptual hash (64 bits of a discrete cosine transform, by the library imagehash) of
each of the eight ways to flip and turn an image gives candidates: pairs whose hashes differ in at
most 10 bits. Pictures of one kind look alike to a hash, and lamps mirrored in a lens look the same
whatever lies under it; so the candidates' details, without their slow shades and as strong in every
part of the picture, are laid over one another, and have to agree. Of 844 pictures of skin, saved
again at JPEG quality 50, shrunk to 70%, flipped and turned all at once, 841 agree to 0.92 or more;
of 1,619 pairs of them whose hashes differ in at most 14 bits, those of other skin agree to 0.835 at
most, and two photographs of the same skin to 0.894, by eye (`pytest tests/data/test_likeness.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlp import console

SIDE = 64  # of the images that are compared: what training decodes to by default
MOST_BITS = 10
LEAST_AGREEMENT = 0.92
_ORIENTATIONS = 8
_BLOCK = 2048  # squared, times 8 bytes: what a comparison takes of memory
_SIDE_OF_DETAILS = 32
_FAINT = 2.0  # gray levels: details weaker than this are not made stronger; a guess


def alike(pixels: NDArray[np.uint8]) -> list[tuple[int, int, float]]:
    """Pairs (i, j, agreement) with i < j of images (N, 64, 64, 3) that show the same picture.

    Agreement is the correlation of details, 1 for equal images. Time grows with the square of N
    (450 million pairs took 10 seconds on two busy cores), memory does not.
    """
    pairs = _candidates(_hashes(pixels))
    compared = ((i, j, _agreement(pixels[i], pixels[j])) for i, j in pairs)
    return sorted(pair for pair in compared if pair[2] >= LEAST_AGREEMENT)


def _oriented(image: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An image and its flips and quarter turns."""
    for flipped in (image, image[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(flipped, turns))


def _hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A hash of each orientation of each image (N, 8), the image as it is first."""

    def of_one(image: NDArray[np.uint8]) -> NDArray[np.uint64]:
        turned = (Image.fromarray(_gray(turned)) for turned in _oriented(image))
        bits = [imagehash.phash(picture).hash.ravel() for picture in turned]
        return np.packbits(bits, axis=1).view(np.uint64)[:, 0]

    with ThreadPoolExecutor() as pool:
        made = pool.map(of_one, pixels)
        bar = console.passing(made, "hashing", total=len(pixels))
        return np.array(list(bar), np.uint64).reshape(len(pixels), _ORIENTATIONS)


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Pairs of images of which some orientations have like hashes."""
    starts = range(0, len(hashes), _BLOCK)
    for top in console.passing(starts, "comparing", unit=" blocks"):
        rows = hashes[top : top + _BLOCK, :1]
        for left in range(top, len(hashes), _BLOCK):
            others = hashes[left : left + _BLOCK]
            near = np.zeros((len(rows), len(others)), bool)
            for orientation in range(_ORIENTATIONS):
                near |= np.bitwise_count(rows ^ others[None, :, orientation]) <= MOST_BITS
            for i, j in np.argwhere(near):
                if top + i < left + j:
                    yield top + int(i), left + int(j)


def _agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of the details of two images, in the orientation in which it is highest.

    Two images without any detail agree when they are equal.
    """
    details, others = _details(one), _details(other)
    if not details.any():
        return 1.0 if np.abs(one.astype(int) - other).max() <= 1 else 0.0
    return max(float((details * turned).sum()) for turned in _oriented(others))


def _details(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The details of an image, without its slow shades (32, 32), of length 1 (or 0).

    Details are divided by how strong those around them are: else a few bright spots would decide.
    """
    size = (_SIDE_OF_DETAILS, _SIDE_OF_DETAILS)
    small = cv2.resize(_gray(image).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    detail = small - cv2.GaussianBlur(small, (0, 0), 2.0)
    if float(np.linalg.norm(detail)) <= 1:  # below a gray level in all, it is rounding
        return np.zeros(size, np.float32)
    strength = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 4.0) + _FAINT**2)
    evened = detail / strength
    evened -= evened.mean()
    return np.asarray(evened / np.linalg.norm(evened), np.float32)


def _gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
