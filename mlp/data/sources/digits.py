"""The 1,797 handwritten digits of scikit-learn, 8x8 pixels in gray: data without a download."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from mlp.data.images.decoding import png
from mlp.data.index import COLUMNS, Index


def digits(*_: str) -> Index:
    """The digits as PNG images, with no split of their own. Source: UCI optdigits, test part."""
    images, labels = load_digits(return_X_y=True)
    # scikit-learn stores ink as 0..16
    pixels = np.rint(images.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    files: dict[str, bytes] = {}
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        files[f"{label}/{number:04d}.png"] = png(image)
    rows = [
        (path, path[0], "", hashlib.sha256(data).hexdigest(), 8, 8, True, 0, "", "")
        for path, data in sorted(files.items())
    ]
    return Index("digits", pd.DataFrame(rows, columns=list(COLUMNS)), files.__getitem__)
