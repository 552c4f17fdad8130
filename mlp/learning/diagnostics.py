"""A network before its first step: how signals and gradients pass it, and how noisy a batch is.

For a linear layer z = W x whose weights are independent with mean m and variance s^2 and whose
biases are zero, the mean square over its outputs is, in expectation over the weights,

    E[z^2] = s^2 sum_j x_j^2 + m^2 (sum_j x_j)^2

and that of the gradient it passes back, g = W' d, the same with d in place of x. He et al. 2015
(arXiv:1502.01852, eq. 7-14) and Glorot and Bengio 2010 choose s^2 so that this stays the same from
layer to layer: what is measured here against what `initialization` promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from mlp.settings.training import INITIALIZATIONS, OWN_INIT

NOISE_BATCHES = 8


def propagation(
    network: nn.Module, init: str, images: torch.Tensor, labels: torch.Tensor
) -> dict[str, float]:
    """Mean squares at each linear layer, by `init/<what>/<layer>`, from one batch (B, C, H, W).

    <what> is signal (outputs) or gradient (of the loss, with respect to the inputs), each measured
    and `_promised` by the initialization; a mean over images and units, which for
    outputs around zero is their variance. Batch norm and dropout are left out, as at inference;
    nothing in the network changes, and no random number is drawn. The promise is for zero biases;
    OWN_INIT promises nothing.
    """
    names = {m: name for name, m in network.named_modules() if isinstance(m, nn.Linear)}
    seen: dict[nn.Linear, tuple[torch.Tensor, torch.Tensor]] = {}

    def keep(layer: nn.Linear, x: tuple[torch.Tensor, ...], z: torch.Tensor) -> torch.Tensor:
        if not (x and x[0].requires_grad):
            return z  # it is asked for no answer about the images
        seen[layer] = x[0], z
        return z.clone()  # which an activation may change in place

    with _at_inference(network), ExitStack() as hooks:
        for layer in names:
            hooks.callback(layer.register_forward_hook(keep).remove)
        loss = F.cross_entropy(network(images.detach().requires_grad_()), labels)
    if not seen:
        return {}
    tensors = [tensor for pair in seen.values() for tensor in pair]
    gradients = iter(torch.autograd.grad(loss, tensors, materialize_grads=True))
    scheme = None if init == OWN_INIT else INITIALIZATIONS[init]
    measured: dict[str, float] = {}
    for layer, (x, z) in seen.items():
        gradient_x, gradient_z = next(gradients), next(gradients)
        name = names[layer].removeprefix("net.")
        fan_out, fan_in = layer.weight.shape
        measured[f"init/signal/{name}"] = _mean_square(z)
        measured[f"init/gradient/{name}"] = _mean_square(gradient_x)
        if scheme is not None:
            std, mean = scheme.std(fan_in, fan_out), scheme.mean
            measured[f"init/signal_promised/{name}"] = _promised(x, std, mean)
            measured[f"init/gradient_promised/{name}"] = _promised(gradient_z, std, mean)
    return measured


@contextmanager
def _at_inference(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _mean_square(values: torch.Tensor) -> float:
    return float(values.detach().double().square().mean())


def _promised(values: torch.Tensor, std: float, mean: float) -> float:
    wide = values.detach().double()
    squares, sums = wide.square().sum(dim=-1), wide.sum(dim=-1).square()
    return float((std**2 * squares + mean**2 * sums).mean())


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
    with _at_inference(network):
        for images, labels in batches:
            size = size or len(labels)
            if len(labels) != size:
                break
            loss = F.cross_entropy(network(images), labels)
            gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
            torch._foreach_add_(total, gradients)
            squares += _square(gradients)
            count += 1
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
