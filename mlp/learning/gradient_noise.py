"""How much the gradient of a batch differs from that of all images, before the first step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional as F

NOISE_BATCHES = 8


def gradient_noise(
    network: nn.Module, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> dict[str, float]:
    """`init/gradient_noise` and `init/noise_scale`, from batches of equal size.

    With the variance tr(S) of a batch's gradient, summed over parameters, and the square |G|^2 of
    the true one, both estimated without bias, gradient_noise is tr(S) / |G|^2: the square of
    noise over signal, which falls as 1 / batch size. noise_scale is that times the batch size,
    the batch size at which both are equal: B_simple of McCandlish et al. 2018 (arXiv:1812.06162,
    appendix A.1). Both are left out where fewer than two batches, or noise alone, are seen.
    Dropout and batch norm are as at inference, and nothing in the network changes.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    total = [torch.zeros_like(p) for p in parameters]
    squares, count, size = 0.0, 0, 0
    training = network.training
    network.eval()
    try:
        for images, labels in batches:
            size = size or len(labels)
            if len(labels) != size:
                break
            gradients = torch.autograd.grad(F.cross_entropy(network(images), labels), parameters)
            torch._foreach_add_(total, gradients)
            squares += _square(gradients)
            count += 1
    finally:
        network.train(training)
    if count < 2:
        return {}
    mean_square = _square(total) / count**2
    variance = (squares - count * mean_square) / (count - 1)
    signal = mean_square - variance / count
    if not signal > 0:
        return {}
    return {"init/gradient_noise": variance / signal, "init/noise_scale": size * variance / signal}


def _square(tensors: Iterable[torch.Tensor]) -> float:
    return sum(float(t.square().sum(dtype=torch.float64)) for t in tensors)
