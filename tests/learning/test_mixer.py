"""The mixer against its definition, written out in NumPy, and what it is indifferent to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch.nn import functional as F

from mlp.learning.initialization import initialize
from mlp.learning.networks.building import build_network
from mlp.learning.networks.layers import Patches, Residual
from mlp.learning.networks.mixer import Mixer
from mlp.settings.training import RunConfig


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixer(**changes: object) -> Mixer:
    """A mixer of 3x8x12 images in six patches, all of whose parameters are random."""
    arguments = {"shape": (3, 8, 12), "patch": 4, "hidden": (7, 9, 5), "classes": 3} | changes
    network = Mixer(**arguments)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3, generator=generator(parameter.numel()))
    return network.double().eval()


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def test_output_is_that_of_the_papers_equations() -> None:
    network = mixer(activation="gelu")
    images = torch.randn(2, 3, 8, 12, generator=generator(1), dtype=torch.float64)
    with torch.no_grad():
        found = network(images).numpy()
    parameters = iter([p.detach().numpy() for p in network.parameters()])

    def linear(x: np.ndarray) -> np.ndarray:
        return x @ next(parameters).T + next(parameters)

    def gelu(x: np.ndarray) -> np.ndarray:
        return x * (1 + erf(x / np.sqrt(2))) / 2

    def norm(x: np.ndarray) -> np.ndarray:
        return layer_norm(x, next(parameters), next(parameters))

    pixels = images.numpy()
    patches = np.stack(
        [
            pixels[:, :, top : top + 4, left : left + 4].reshape(2, -1)
            for top in (0, 4)
            for left in (0, 4, 8)
        ],
        axis=1,
    )
    x = linear(patches)
    assert x.shape == (2, 6, 5)
    for inner in (7, 9):
        hidden = gelu(linear(norm(x).transpose(0, 2, 1)))
        assert hidden.shape == (2, 5, 12)
        x = x + linear(hidden).transpose(0, 2, 1)
        hidden = gelu(linear(norm(x)))
        assert hidden.shape == (2, 6, inner)
        x = x + linear(hidden)
    x = linear(norm(x).mean(axis=1))
    np.testing.assert_allclose(found, x, atol=1e-9)
    assert not list(parameters)


@pytest.mark.parametrize(("height", "width", "side"), [(8, 12, 4), (7, 10, 4), (3, 3, 5)])
def test_patches_put_together_again_are_the_image(height: int, width: int, side: int) -> None:
    image = torch.randn(1, 3, height, width, generator=generator(0))
    rows, columns = -(-height // side), -(-width // side)
    patches = Patches(side)(image)
    assert patches.shape == (1, rows * columns, 3 * side**2)
    whole = patches.view(rows, columns, 3, side, side).permute(2, 0, 3, 1, 4)
    whole = whole.reshape(3, rows * side, columns * side)
    assert torch.equal(whole[:, :height, :width], image[0])
    assert not whole[:, height:].any() and not whole[:, :, width:].any()


def test_without_mixing_across_patches_their_order_would_not_matter() -> None:
    """So all that the mixer knows of where things are is in those perceptrons."""
    network = mixer()
    image = torch.randn(1, 3, 8, 12, generator=generator(1), dtype=torch.float64)
    moved = image.roll(4, 3)
    assert not torch.allclose(network(image), network(moved))
    with torch.no_grad():
        for block in network.net:
            if isinstance(block, Residual) and block.axis == 1:
                block.perceptron[-1].weight.zero_()
                block.perceptron[-1].bias.zero_()
    torch.testing.assert_close(network(image), network(moved))


def test_batch_norm_is_over_images_and_patches() -> None:
    network = mixer(batch_norm=True).train()
    assert str(network).count("BatchNormOfPatches(5") == 5 and "LayerNorm" not in str(network)
    images = torch.randn(9, 3, 8, 12, generator=generator(1), dtype=torch.float64)
    x = network.net[:2](images)
    norm = network.net[2].norm
    mean, std = x.mean((0, 1)), x.std((0, 1), correction=0)
    expected = (x - mean) / (std**2 + 1e-5).sqrt() * norm.weight + norm.bias
    torch.testing.assert_close(norm(x), expected)
    assert str(Mixer(**network.arguments)) == str(network)


def test_arguments_build_the_same_network_again() -> None:
    network = mixer(dropout=0.25, activation="tanh")
    assert str(Mixer(**network.arguments)) == str(network)
    assert str(network).count("Dropout(p=0.25)") == 4


@pytest.mark.parametrize("side", [8, 28, 30])
def test_any_size_of_image_and_any_widths_train(side: int) -> None:
    config = RunConfig(network="mixer", device="cpu")  # with the default widths: one block
    network = build_network(config, (1, side, side), 4)
    initialize(network, "he", generator(0))
    network.train()
    images = torch.randn(6, 1, side, side, generator=generator(1))
    F.cross_entropy(network(images), torch.arange(6) % 4).backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and g.isfinite().all() and g.any() for g in gradients)
