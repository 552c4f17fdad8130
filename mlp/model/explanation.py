"""The pixels that an answer came from, and the patterns that the first layer looks for."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlp.data.normalization import normalize
from mlp.model.checkpoint import Checkpoint
from mlp.model.ensemble import Ensemble

# Captum's default: points on the way from the baseline to the image
_STEPS = 32
_AT_ONCE = 2**23  # numbers that go through a network at once


def contributions(
    ensemble: Ensemble, pixels: NDArray[np.uint8], classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The share of each pixel of decoded images (N, H, W, C) in the probability of a class (N,).

    Integrated gradients (Sundararajan, Taly and Yan 2017, arXiv:1703.01365), computed by Captum,
    summed over channels: (N, H, W). They add up to the probability for the image minus that for the
    baseline, the even picture of the colour that normalization makes zero: the mean of the training
    images, or black where `normalization` is none.
    """
    # Here, so that a start of training does without it
    from captum.attr import IntegratedGradients

    parts = []
    for member in ensemble.members:
        network = member.network.eval().requires_grad_(False)  # of no use here, and half the work
        method = IntegratedGradients(lambda x, net=network: net.answers(x).softmax(dim=1))
        images = normalize(pixels, member.normalization)
        found = method.attribute(
            images,
            torch.zeros_like(images),
            torch.from_numpy(classes),
            n_steps=_STEPS,
            internal_batch_size=max(len(images), _AT_ONCE // pixels[0].size),
        )
        parts.append(found.detach().sum(dim=1).double().numpy())
    return np.asarray(np.mean(parts, axis=0))


def first_layer(checkpoint: Checkpoint, most: int) -> NDArray[np.float32] | None:
    """Weights of the first layer's units as images (units, H, W, C), the `most` largest by norm.

    Where a unit's image is bright it wants light, where it is dark it wants none. A unit of a
    convolution sees a few pixels at a time: H and W are those of its kernel. None where there is no
    such layer, or it does not see pixels, as in some networks of users' own.
    """
    kinds = nn.Linear | nn.Conv2d
    layer = next((m for m in checkpoint.network.modules() if isinstance(m, kinds)), None)
    channels = 1 if checkpoint.gray else 3
    if layer is None:
        return None
    weights = layer.weight.detach().cpu()
    side = math.isqrt(weights[0].numel() // channels)
    seen = side == checkpoint.image_size or weights.shape[1:] == (channels, side, side)
    if checkpoint.network.source and not (seen and weights[0].numel() == channels * side**2):
        return None
    order = weights.flatten(1).norm(dim=1).argsort(descending=True, stable=True)[:most]
    images = weights[order].view(-1, channels, side, side).permute(0, 2, 3, 1)
    return np.asarray(images.numpy(), np.float32)
