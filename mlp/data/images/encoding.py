"""Arrays to encoded images."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG file of pixels (H, W), (H, W, 1) or (H, W, 3), colours in the order RGB."""
    return cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])[1].tobytes()
