"""Tables of what can be chosen by name. An unknown name raises, and the known ones are listed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from mlp.errors import SettingsError

T = TypeVar("T")


def named(reference: str) -> Any:
    """Import what a text such as "mlp.learning.networks.mlp:MLP" names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


class Table(Mapping[str, T], Generic[T]):
    """Things of one kind by name, in the order in which people should read them.

    A row is the thing itself, or a text such as "mlp.learning.networks.mlp:MLP": then it is
    imported when it is asked for, so that names can be listed without torch.
    """

    def __init__(self, kind: str, rows: Mapping[str, T | str]) -> None:
        self.kind, self._rows = kind, dict(rows)

    def __getitem__(self, name: str) -> T:
        row = self._rows[self.known(name)]
        return cast(T, named(row)) if isinstance(row, str) else row

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def known(self, name: str) -> str:
        """The name, where the table has it; else raise SettingsError, which lists those it has."""
        if name in self._rows:
            return name
        close = difflib.get_close_matches(str(name), self._rows, 1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        known = ", ".join(self._rows)
        raise SettingsError(f"there is no {self.kind} {name!r}{meant}; there are {known}")

    def add(self, name: str, row: T | str) -> None:
        """Register one more. Raises SettingsError where the name is taken."""
        if name in self._rows:
            raise SettingsError(f"there is a {self.kind} {name!r} already")
        self._rows[name] = row

    def remove(self, name: str) -> None:
        """Take one out again."""
        del self._rows[name]
