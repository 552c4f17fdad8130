"""Names of classes: one for all spellings that look the same, and those that nearly do."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def label(name: str) -> str:
    """The name of a class as it is compared: in Unicode's NFC, without blanks around it."""
    return unicodedata.normalize("NFC", name).strip() or name


def look_alikes(names: Iterable[str]) -> list[list[str]]:
    """Groups of names that differ only in case, width (Unicode's NFKC) or blanks, sorted."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(likeness(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def likeness(name: str) -> str:
    """The text that names have in common which a person would take for one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # Cf: characters without width
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")
