"""Pairs of images that show the same picture, however it was saved.

Two steps. A perceptual hash (64 bits of a discrete cosine transform, by the library imagehash) of
each of the eight ways to flip and turn an image gives candidates: pairs whose hashes differ in at
most 10 bits. Pictures of one kind look alike to a hash; so the candidates' details, without their
slow shades, are laid over one another, and have to agree. On 878 pictures of skin, 200 of them
saved again at JPEG quality 50, shrunk to 70%, flipped and turned all at once differed in at most 6
bits and agreed to 0.947 or more; no unrelated pair passed both thresholds
(`pytest tests/data/test_likeness.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

SIDE = 64  # of the images that are compared: what training decodes to by default
MOST_BITS = 10
LEAST_AGREEMENT = 0.94
_ORIENTATIONS = 8
_BLOCK = 512


def alike(pixels: NDArray[np.uint8]) -> list[tuple[int, int, float]]:
    """Pairs (i, j, agreement) with i < j of images (N, 64, 64, 3) that show the same picture.

    Agreement is the correlation of details, 1 for equal images. Time grows with the square of N:
    a billion comparisons take some seconds.
    """
    hashes = _hashes(pixels)
    found = []
    for i, j in _candidates(hashes):
        agreement = _agreement(pixels[i], pixels[j])
        if agreement >= LEAST_AGREEMENT:
            found.append((i, j, agreement))
    return sorted(found)


def _oriented(image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """An image and its flips and quarter turns."""
    for flipped in (image, image[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(flipped, turns))


def _hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A hash of each orientation of each image (N, 8), the image as it is first."""

    def of_one(number: int) -> NDArray[np.uint64]:
        bits = [
            imagehash.phash(Image.fromarray(_gray(image))).hash.ravel()
            for image in _oriented(pixels[number])
        ]
        return np.packbits(bits, axis=1).view(np.uint64)[:, 0]

    with ThreadPoolExecutor() as pool:
        made = pool.map(of_one, range(len(pixels)))
        bar = tqdm(made, "hashing", len(pixels), unit="", disable=None, delay=1, leave=False)
        return np.array(list(bar), np.uint64).reshape(len(pixels), _ORIENTATIONS)


def _candidates(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Pairs of images of which some orientations have like hashes."""
    starts = range(0, len(hashes), _BLOCK)
    for start in tqdm(starts, "comparing", unit=" blocks", disable=None, delay=1, leave=False):
        block = hashes[start : start + _BLOCK, :1]
        near = np.zeros((len(block), len(hashes) - start), bool)
        for orientation in range(_ORIENTATIONS):
            near |= np.bitwise_count(block ^ hashes[None, start:, orientation]) <= MOST_BITS
        for i, j in np.argwhere(np.triu(near, 1)):
            yield start + int(i), start + int(j)


def _agreement(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of the details of two images, in the orientation in which it is highest.

    Two images without any detail agree when they are equal.
    """
    details = _details(one)
    if not details.any():
        return 1.0 if np.abs(one.astype(int) - other).max() <= 1 else 0.0
    return max(float(details @ _details(image)) for image in _oriented(other))


def _details(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is left of an image of 32x32 when its slow shades are taken away, of length 1 (or 0)."""
    small = cv2.resize(_gray(image).astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA)
    detail = (small - cv2.GaussianBlur(small, (0, 0), 2.0)).ravel()
    detail -= detail.mean()
    length = float(np.linalg.norm(detail))
    # Below a gray level in all, it is rounding
    return np.asarray(detail / length if length > 1 else detail * 0, np.float32)


def _gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
