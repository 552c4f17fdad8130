"""A network of a user's own before anything trains: its file, and what a batch of noise shows."""

from __future__ import annotations

import ast
import inspect
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from mlp.errors import NetworkError
from mlp.learning.networks.own import OwnNetwork, class_of, drawing_from
from mlp.settings.base import did_you_mean
from mlp.settings.own_network import file_and_class, keywords
from mlp.settings.yaml_file import text_of

_GIVEN = ("shape", "classes")


def source_of(network: str) -> str:
    """The content of the file of a network FILE.py:CLASS.

    Raises NetworkError where it cannot be read, or imports a file beside it: it travels alone.
    """
    found = file_and_class(network)
    assert found is not None
    path = Path(os.path.expanduser(found[0]))  # noqa: PTH111 (may name no user)
    try:
        source = text_of(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NetworkError(f"network {network}: the file cannot be read: {reason}") from None
    for top in imported(source) - {"mlp"}:
        places = path.with_name(f"{top}.py"), path.parent / top / "__init__.py"
        if any(place.is_file() for place in places):
            raise NetworkError(
                f"network {network}: it imports {top}, which lies beside it; the file goes alone "
                "into models and to other machines: put both in one"
            )
    return source


@cache
def imported(source: str) -> frozenset[str]:
    """The packages that a file of this content imports; none where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return frozenset(name.partition(".")[0] for name in names)


@cache
def examined(
    network: str, source: str, shape: tuple[int, int, int], classes: int, settings: str, images: int
) -> int:
    """The trained numbers of a network that does what a training needs. Raises NetworkError.

    `settings` is the text of its settings, `images` the number in a batch.
    """
    name = network.rpartition(":")[2]
    try:
        _check_arguments(class_of(source, name), keywords(settings))
        arguments = name, source, shape, classes, keywords(settings)
        count, first = _tried(*arguments, images=images)
        _, second = _tried(*arguments, images=images)
        if not all(torch.equal(first[key], second[key]) for key in first):
            raise NetworkError(
                "made again with the same seed, it is another one: let it draw random numbers from "
                "torch alone, and leave no weight undefined"
            )
        return count
    except NetworkError as error:
        raise NetworkError(f"network {network}: {error}") from error.__cause__


def _check_arguments(kind: type, settings: dict[str, Any]) -> None:
    taken = inspect.signature(kind).parameters.values()
    names = [p.name for p in taken if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in taken)
    own = [name for name in names if name not in _GIVEN]
    if not open_ended and not set(_GIVEN) <= set(names):
        raise NetworkError(
            f"its constructor should take shape (C, H, W) and classes; it takes {_listed(names)}"
        )
    for name in settings:
        if name in _GIVEN or not (open_ended or name in names):
            hint = did_you_mean(name, own)
            raise NetworkError(f"it has no setting {name}; {hint}it has {_listed(own)}")
    for p in taken:
        if p.name in own and p.default is p.empty and p.name not in settings:
            raise NetworkError(
                f"its constructor needs {p.name}: give network_settings {p.name}=..., or write a "
                "default into it"
            )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _tried(*arguments: Any, images: int) -> tuple[int, dict[str, torch.Tensor]]:
    """A network's trained numbers, its first weights, and its answers to noise while training."""
    _, _, shape, classes, _ = arguments
    generator = torch.Generator().manual_seed(0)
    with drawing_from([(torch.default_generator, generator)]):
        network = OwnNetwork(*arguments)
    lazy = [name.removeprefix("net.") for name, p in network.named_parameters() if is_lazy(p)]
    if lazy:
        raise NetworkError(f"the size of {lazy[0]} is not known before the first batch: give it")
    count = sum(p.numel() for p in network.parameters() if p.requires_grad)
    if not count:
        raise NetworkError("it has no parameters to train")
    kept = network.state_dict()
    if other := [name for name, value in kept.items() if not isinstance(value, torch.Tensor)]:
        raise NetworkError(f"it keeps {other[0]}, which is no tensor")
    weights = {name: tensor.clone() for name, tensor in kept.items()}
    given = torch.rand(images, *shape, generator=generator)
    batch = given.clone()
    network.use_generator(generator)
    with network.drawing():
        logits = _checked(network.train()(batch), images, classes)
    if not logits.requires_grad:
        raise NetworkError("no gradient reaches its parameters")
    F.cross_entropy(logits, torch.zeros(images, dtype=torch.int64)).backward()  # type: ignore[no-untyped-call]
    network.eval()
    with torch.no_grad():
        first, second = (_at_inference(network, batch, seed) for seed in range(2))
        alone = _at_inference(network, batch[:1], 0)
    if not torch.equal(batch, given):
        raise NetworkError("it changes the images that it is given, which other arms train on too")
    if not torch.allclose(first, second, equal_nan=True):
        raise NetworkError(
            "its answers in evaluation mode are random: a dropout should ask self.training"
        )
    _checked(alone, 1, classes)
    if not torch.allclose(first[:1], alone, rtol=1e-3, atol=1e-3, equal_nan=True):
        raise NetworkError(
            "in evaluation mode, its answer to an image depends on the others of the batch"
        )
    return count, weights | {"logits": logits.detach()}


def _at_inference(network: OwnNetwork, batch: torch.Tensor, seed: int) -> torch.Tensor:
    with drawing_from([(torch.default_generator, torch.Generator().manual_seed(seed))]):
        return network(batch)  # type: ignore[no-any-return]


def _checked(made: object, images: int, classes: int) -> torch.Tensor:
    if not isinstance(made, torch.Tensor):
        raise NetworkError(f"it gives a {type(made).__name__}, where a tensor of logits should be")
    if made.shape != (images, classes) or made.dtype != torch.float32:
        raise NetworkError(
            f"for {images} images of {classes} classes it gives {str(made.dtype)[6:]} of shape "
            f"{tuple(made.shape)}; logits should be float32 of shape {(images, classes)}"
        )
    sums = made.detach().sum(dim=1)
    if bool((made >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-6):
        raise NetworkError("it gives probabilities, where logits should be: leave out the softmax")
    return made
