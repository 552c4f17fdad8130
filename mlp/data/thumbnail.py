"""A small picture of an image, for pages."""

from __future__ import annotations

import cv2
import numpy as np

from mlp.data.images.decoding import decode
from mlp.data.index import Index
from mlp.errors import UnreadableImage


def thumbnail(index: Index, path: str, side: int) -> bytes:
    """A JPEG of `side` pixels; nothing where the image cannot be read any more."""
    try:
        image = decode(index.read(path), side, False, index.depth)
    except (UnreadableImage, OSError):
        return b""
    return cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))[1].tobytes()
