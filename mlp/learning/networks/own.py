"""A network of a user's own: a class in a file, trained and served as those of the project are."""

from __future__ import annotations

import hashlib
import linecache
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any, cast

import torch
from torch import nn

from mlp.errors import NetworkError
from mlp.failures import is_out_of_memory
from mlp.learning.networks.layers import Dropout, Linear
from mlp.learning.networks.network import Network

Generators = Sequence[tuple[torch.Generator, torch.Generator]]


class OwnNetwork(Network):
    """The network that a class in a file makes of `shape`, `classes` and its settings, as `net`.

    Within `drawing`, whatever it draws from torch's generators comes from that of its run. Its
    nn.Linear and nn.Dropout are run as `layers` runs them: to rounding the same, and quicker.
    """

    def __init__(
        self,
        name: str,
        source: str,
        shape: Sequence[int],
        classes: int,
        settings: Mapping[str, Any],
    ) -> None:
        """`source` is the content of the file, `shape` (C, H, W). Raises NetworkError."""
        nn.Module.__init__(self)
        self.name, self.source = name, source
        self._made_of = {"shape": list(shape), "classes": classes, "settings": dict(settings)}
        self._generators: Generators = ()
        kind = class_of(source, name)
        with explained(source):
            made = kind(shape=tuple(shape), classes=classes, **settings)
        self.net = cast(nn.Sequential, made)
        for module in self.net.modules():
            if type(module) is nn.Linear:
                module.__class__ = Linear
            elif type(module) is nn.Dropout and module.p < 1.0:
                module.__class__ = Dropout  # type: ignore[assignment]

    @property
    def arguments(self) -> dict[str, Any]:
        return {"name": self.name, **self._made_of}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        with explained(self.source):
            return self.net(images)  # type: ignore[no-any-return]

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """The input of the last linear layer, a row an image; the logits where there is none."""
        got: list[torch.Tensor] = []
        layers = [m for m in self.net.modules() if isinstance(m, nn.Linear)]
        hooks = [m.register_forward_pre_hook(lambda _, x: got.append(x[0])) for m in layers]
        made = self(images)
        for hook in hooks:
            hook.remove()
        last = got[-1] if got and len(got[-1]) == len(images) else made
        return last.flatten(1)

    def use_generator(self, generator: torch.Generator) -> None:
        """Draw from `generator`, which lives on the network's device, in place of torch's own."""
        self._generators = [(torch.default_generator, generator)]
        if generator.device.type == "cuda":
            here = torch.Generator().manual_seed(generator.initial_seed())
            there = torch.cuda.default_generators[generator.device.index or 0]
            self._generators = [(torch.default_generator, here), (there, generator)]

    def drawing(self) -> AbstractContextManager[None]:
        return drawing_from(self._generators)


@contextmanager
def drawing_from(generators: Generators) -> Iterator[None]:
    """Have each first generator, one of torch's, go on as the second, which remembers how far."""
    outside = [shared.get_state() for shared, _ in generators]
    for shared, own in generators:
        shared.set_state(own.get_state())
    try:
        yield
    finally:
        for (shared, own), state in zip(generators, outside, strict=True):
            own.set_state(shared.get_state())
            shared.set_state(state)


def class_of(source: str, name: str) -> type[nn.Module]:
    """The class of this name in a file of this content, which is run. Raises NetworkError."""
    module = _module(source)
    kind = getattr(module, name, None)
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        return kind
    if kind is not None:
        raise NetworkError(f"{name} is no torch.nn.Module")
    written = [own for own in vars(module).values() if isinstance(own, type)]
    known = ", ".join(own.__name__ for own in written if own.__module__ == module.__name__)
    raise NetworkError(f"the file has no class {name}; it has {known or 'none'}")


def _module(source: str) -> ModuleType:
    """A file of this content as a module, under a name that nothing else has."""
    name = _name(source)
    if name not in sys.modules:
        module = sys.modules[name] = ModuleType(name)
        # Or a trace, and `inspect`, would show no lines of it
        linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
        try:
            with explained(source):
                exec(compile(source, name, "exec"), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _name(source: str) -> str:
    return f"mlp_network_{hashlib.sha256(source.encode()).hexdigest()[:32]}"


@contextmanager
def explained(source: str) -> Iterator[None]:
    """Say in one line which line of the file failed, and how; but not that memory is lacking."""
    try:
        yield
    except (NetworkError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        numbers = [frame.lineno for frame in frames if frame.filename == _name(source)]
        text = str(error)
        if isinstance(error, SyntaxError):
            numbers, text = [error.lineno], error.msg
        where = f"line {numbers[-1]}: " if numbers else ""
        said = " ".join(f"{where}{type(error).__name__}: {text}".split())
        raise NetworkError(said) from error
