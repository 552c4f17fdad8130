"""Roles of settings: each field of a configuration declares what it influences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal, TypeVar

from mlp.settings.base import Settings

Stage = Literal["source", "split", "pixels", "stream", "network", "training"]
T = TypeVar("T")


@dataclass(frozen=True)
class Role:
    """The stage that a setting influences first, and whether all arms of a study share its value.

    An arm that changed a shared setting would not be paired with the others.
    """

    stage: Stage
    shared: bool = False


OfSource = Annotated[T, Role("source", shared=True)]  # which images are read, and how
OfSplit = Annotated[T, Role("split", shared=True)]  # which images train, and which validate
OfArmSplit = Annotated[T, Role("split")]
OfPixels = Annotated[T, Role("pixels")]  # images as they are decoded
OfStream = Annotated[T, Role("stream")]  # batches made from them
OfNetwork = Annotated[T, Role("network")]  # what is trained
OfTraining = Annotated[T, Role("training")]  # how it is trained
OfMachine = Annotated[T, Role("training", shared=True)]  # with what it is trained


@cache
def roles(settings: type[Settings]) -> Mapping[str, Role]:
    """The role of each field. Raises TypeError where a field has none, or several."""
    found = {}
    for name, field in settings.model_fields.items():
        declared = [each for each in field.metadata if isinstance(each, Role)]
        if len(declared) != 1:
            raise TypeError(f"{settings.__name__}.{name} declares {len(declared)} roles, not one")
        found[name] = declared[0]
    return found


def shared(settings: type[Settings]) -> tuple[str, ...]:
    """The fields that are the same for all arms of a study."""
    return tuple(name for name, role in roles(settings).items() if role.shared)
