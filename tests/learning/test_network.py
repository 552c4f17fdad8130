"""The network: its layers and their order, its size, and dropout against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.nn import functional as F

from mlp.learning.initialization import initialize
from mlp.learning.networks.cnn import CNN
from mlp.learning.networks.layers import Dropout, Linear
from mlp.learning.networks.mlp import MLP
from mlp.settings.architecture import ACTIVATIONS
from mlp.settings.base import field_choices
from mlp.settings.training import INITIALIZATIONS, RunConfig


def kinds(network: MLP) -> list[str]:
    return [type(layer).__name__ for layer in network.net]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_layers_stand_in_the_order_of_the_exercise() -> None:
    network = MLP(12, [5, 4], 3, dropout=0.5, batch_norm=True)
    hidden = ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert kinds(network) == ["Flatten", *hidden, *hidden, "Linear"]
    linear = [layer for layer in network.net if isinstance(layer, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(12, 5), (5, 4), (4, 3)]


def test_what_is_switched_off_is_not_there() -> None:
    network = MLP(12, [5], 3, activation="tanh")
    assert kinds(network) == ["Flatten", "Linear", "Tanh", "Linear"]


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("gelu", lambda x: x * norm.cdf(x)),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.01 * x)),
    ],
)
def test_output_is_what_the_formula_of_the_layers_says(
    name: str, formula: Callable[[np.ndarray], np.ndarray]
) -> None:
    network = MLP(12, [5, 4], 3, activation=name)
    initialize(network, "default", generator(0))
    images = torch.randn(6, 3, 2, 2, generator=generator(1))
    x = images.double().numpy().reshape(6, 12)
    weights = [p.detach().double().numpy() for p in network.parameters()]
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = formula(x @ weight.T + bias)
    with torch.no_grad():
        np.testing.assert_allclose(network(images), x @ weights[-2].T + weights[-1], atol=1e-6)


def test_every_choice_of_activation_is_in_the_table() -> None:
    assert set(field_choices(RunConfig, "activation")) == set(ACTIVATIONS)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("widths", [(192, 7, 10), (192, 512, 256, 10)])
def test_parameter_count(widths: tuple[int, ...], batch_norm: bool) -> None:
    network = MLP(widths[0], widths[1:-1], widths[-1], dropout=0.3, batch_norm=batch_norm)
    linear = sum((a + 1) * b for a, b in pairwise(widths))
    expected = linear + 2 * sum(widths[1:-1]) * batch_norm
    assert sum(p.numel() for p in network.parameters()) == expected


def test_arguments_build_the_same_network_again() -> None:
    network = MLP(12, (5, 4), 3, activation="gelu", dropout=0.25, batch_norm=True)
    assert str(MLP(**network.arguments)) == str(network)


@pytest.mark.parametrize("init", INITIALIZATIONS)
def test_building_and_initializing_leave_the_global_generator_untouched(init: str) -> None:
    before = torch.random.get_rng_state()
    network = MLP(12, [5, 4], 3, dropout=0.5, batch_norm=True)
    initialize(network, init, generator(0))
    network.use_generator(generator(0))
    network.train()(torch.ones(2, 12))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_network_on_the_meta_device_holds_no_memory() -> None:
    with torch.device("meta"):
        network = MLP(12, [5, 4], 3, batch_norm=True)
    assert {p.device.type for p in network.parameters()} == {"meta"}


def test_dropout_is_the_identity_in_evaluation() -> None:
    x = torch.randn(50, 40, generator=generator(0))
    assert torch.equal(Dropout(0.9).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)


# Few values and many, whose masks are drawn in different ways
@pytest.mark.parametrize("columns", [60, 1001])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_zeroes_a_share_p_and_scales_the_others(p: float, columns: int) -> None:
    dropout = Dropout(p).train()
    dropout.generator = generator(0)
    x = torch.rand(1000, columns, generator=generator(1)) + 1
    y = dropout(x)
    zeroed = (y == 0).double().mean().item()
    assert abs(zeroed - p) < 5 * math.sqrt(p * (1 - p) / x.numel())
    torch.testing.assert_close(y[y != 0], x[y != 0] / (1 - p))
    # Kept or not is decided value by value, not row by row
    for axis, count in ((0, 1000), (1, columns)):
        assert (y == 0).double().mean(axis).std().item() == pytest.approx(
            math.sqrt(p * (1 - p) / count), rel=0.3
        )
    kept = (y != 0).double() - (1 - p)
    neighbours = (kept[:, 1:] * kept[:, :-1]).mean().item()
    assert abs(neighbours) < 5 * p * (1 - p) / math.sqrt(kept.numel())


def test_dropout_of_nearly_everything_keeps_nearly_nothing() -> None:
    dropout = Dropout(1 - 1e-9).train()
    dropout.generator = generator(0)
    assert (dropout(torch.ones(100_000)) != 0).sum() < 12  # 1 in 65536 at most


def test_dropout_passes_gradients_through_its_mask() -> None:
    dropout = Dropout(0.5).train()
    dropout.generator = generator(0)
    x = torch.ones(100, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_dropout_depends_on_its_generator_alone() -> None:
    def masks(own: int, everyones: int) -> torch.Tensor:
        network = MLP(12, [50, 50], 3, dropout=0.5)
        initialize(network, "he", generator(0))
        network.use_generator(generator(own))
        with torch.random.fork_rng():
            torch.manual_seed(everyones)
            return network.train()(torch.ones(4, 12))

    assert torch.equal(masks(own=1, everyones=1), masks(own=1, everyones=2))
    assert not torch.equal(masks(own=1, everyones=1), masks(own=2, everyones=1))


def layers(dtype: torch.dtype, width: int = 300) -> tuple[Linear, torch.nn.Linear, torch.Tensor]:
    """Our layer, torch's with the same weights, and an input of a batch of 13."""
    plain = torch.nn.Linear(width, 17, dtype=dtype)
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, generator=generator(1))
    own = Linear(width, 17, dtype=dtype)
    own.load_state_dict(plain.state_dict())
    x = torch.randn(13, width, dtype=dtype, generator=generator(2), requires_grad=True)
    return own, plain, x


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_a_linear_layer_and_its_gradients_are_torchs(dtype: torch.dtype, tolerance: float) -> None:
    own, plain, x = layers(dtype)
    outer = torch.randn(13, 17, dtype=dtype, generator=generator(3))
    found, expected = own(x), plain(x)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=10 * tolerance)
    ours = torch.autograd.grad(found, [x, own.weight, own.bias], outer)
    theirs = torch.autograd.grad(expected, [x, plain.weight, plain.bias], outer)
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape and one.is_contiguous()
        torch.testing.assert_close(one, other, rtol=tolerance, atol=10 * tolerance)


def test_a_linear_layer_gives_the_gradients_that_are_asked_for_alone() -> None:
    own, _, x = layers(torch.float32)
    own.requires_grad_(False)
    own(x).sum().backward()
    assert x.grad is not None and own.weight.grad is None and own.bias.grad is None
    torch.testing.assert_close(x.grad, own.weight.sum(0).expand(13, -1), rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(own(x), own(x.detach()), rtol=0, atol=0)


def test_a_network_is_the_plain_pytorch_one_in_double_precision_to_1e_9() -> None:
    own = MLP(48, [20, 10], 4).double()
    initialize(own, "he", generator(0))
    plain = torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(48, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10), torch.nn.ReLU(),
        torch.nn.Linear(10, 4),
    ).double()  # fmt: skip
    plain.load_state_dict(own.net.state_dict())
    x = torch.randn(32, 3, 4, 4, dtype=torch.float64, generator=generator(1))
    labels = torch.randint(4, (32,), generator=generator(2))
    optimizers = [
        torch.optim.Adam(m.parameters(), fused=k == 0) for k, m in enumerate((own, plain))
    ]
    for _ in range(20):
        losses = []
        for network, optimizer in zip((own, plain), optimizers, strict=True):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def cnn(channels: int = 3, classes: int = 4, **changes: object) -> CNN:
    network = CNN(channels, classes, **changes)  # type: ignore[arg-type]
    initialize(network, "default", generator(0))
    return network.eval()


def test_cnn_is_three_convolutions_pooled_and_averaged() -> None:
    network = cnn(activation="tanh", batch_norm=True, dropout=0.5)
    assert kinds(network) == [
        *["Conv2d", "BatchNorm2d", "Tanh", "MaxPool2d"] * 3,
        *["AdaptiveAvgPool2d", "Flatten", "Dropout", "Linear"],
    ]
    assert str(CNN(**network.arguments)) == str(network)
    own = cnn(1)
    convolutions = [m for m in own.modules() if isinstance(m, nn.Conv2d)]
    head = next(m for m in own.modules() if isinstance(m, nn.Linear))
    x = torch.randn(5, 1, 20, 13, generator=generator(1))
    expected = x
    for layer in convolutions:
        expected = F.relu(F.conv2d(expected, layer.weight, layer.bias, padding=1))
        expected = F.max_pool2d(expected, 2, ceil_mode=True)
    expected = expected.mean(dim=(2, 3)) @ head.weight.t() + head.bias
    torch.testing.assert_close(own(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 8, 64])
def test_cnn_takes_images_of_any_size(side: int) -> None:
    assert cnn()(torch.randn(2, 3, side, side, generator=generator(1))).shape == (2, 4)


def test_cnn_knows_a_pattern_wherever_it_is() -> None:
    network = cnn()
    image = torch.zeros(1, 3, 64, 64)
    image[..., 16:24, 16:24] = torch.randn(3, 8, 8, generator=generator(1))
    moved = image.roll((16, 8), (2, 3))
    torch.testing.assert_close(network(moved), network(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("init", ["he", "xavier"])
def test_convolutions_are_initialized_by_their_fan(init: str) -> None:
    network = CNN(3, 4)
    initialize(network, init, generator(0))
    layer = [m for m in network.modules() if isinstance(m, nn.Conv2d)][-1]
    fan_in, fan_out = 32 * 9, 64 * 9
    expected = INITIALIZATIONS[init].std(fan_in, fan_out)
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.03)
    assert layer.bias is not None and not layer.bias.any()
