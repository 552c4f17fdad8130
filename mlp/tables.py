"""Tables of what can be chosen by name. An unknown name raises, and the known ones are listed."""

from __future__ import annotations

import difflib
from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from mlp.errors import SettingsError

T = TypeVar("T")


def named(reference: str) -> Any:
    """Import what a text such as "mlp.learning.networks.mlp:MLP" names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


class Table(UserDict[str, T], Generic[T]):
    """Things of one kind by name, in the order in which people should read them.

    A row is the thing itself, or a text such as "mlp.learning.networks.mlp:MLP": then it is
    imported when it is asked for, so that names can be listed without torch.
    """

    def __init__(self, kind: str, rows: Mapping[str, T | str]) -> None:
        self.kind, self.data = kind, cast(dict[str, T], dict(rows))

    def __getitem__(self, name: str) -> T:
        row = self.data[self.known(name)]
        return cast(T, named(row)) if isinstance(row, str) else row

    def known(self, name: str) -> str:
        """The name, where the table has it; else raise SettingsError, which lists those it has."""
        if name in self.data:
            return name
        close = difflib.get_close_matches(str(name), self.data, 1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        known = ", ".join(self.data)
        raise SettingsError(f"there is no {self.kind} {name!r}{meant}; there are {known}")
