"""The step from uint8 pixels to the input of a network: one for training and serving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | torch.Tensor  # uint8 (N, H, W, C), a tensor on whatever device

EVALUATION_BATCH = 512  # images that go through a network at once when it does not train


@dataclass(frozen=True)
class Normalization:
    """`(pixel / 255 - mean) / std` for each channel; pixels are 0..255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalize(pixels: Pixels, normalization: Normalization) -> torch.Tensor:
    """uint8 pixels (B, H, W, C) as the network wants them: float32 (B, C, H, W), same device."""
    mean = torch.tensor(normalization.mean, dtype=torch.float64)
    std = torch.tensor(normalization.std, dtype=torch.float64)
    scale, shift = (1 / (255 * std)).float(), (-mean / std).float()
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
    images = pixels.permute(0, 3, 1, 2)
    # A tensor of torch's own starts at a multiple of 64 bytes, one made from NumPy's memory need
    # not: the last bits of matrix products may depend on that.
    out = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    out.copy_(images)
    scale, shift = scale.to(out.device), shift.to(out.device)
    return out.mul_(scale.view(1, -1, 1, 1)).add_(shift.view(1, -1, 1, 1))


def channel_statistics(
    pixels: NDArray[np.uint8], rows: NDArray[np.int64]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation by channel, 0..1, of some rows of pixels (N, H, W, C).

    Counting the 256 values makes the sums exact whatever the number of images.
    """
    channels = pixels.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(rows), 4096):
        block = pixels[rows[start : start + 4096]]
        for channel in range(channels):
            counts[channel] += np.bincount(block[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    weights = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    mean = weights @ values
    std = np.sqrt((weights * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(map(float, mean)), tuple(map(float, std))
