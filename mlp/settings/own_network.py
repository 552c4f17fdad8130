"""Networks of users' own in settings: a class in a file, and what its constructor takes.

`network` is FILE.py:CLASS. Suites, spaces, recipes and programs may name a setting of it as
`network.width`; all of them together are `network_settings`, a text such as depth=3,width=128.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FORM = "FILE.py:CLASS"
Value = bool | int | float | str
_OWN = re.compile(r"(.+\.py):([^\W\d]\w*)")
_DOTTED = re.compile(r"network\.([^\W\d]\w*)")
_TRUTH = {"true": True, "false": False}


def file_and_class(network: str) -> tuple[str, str] | None:
    """The file and the class that a setting names, None for a network of the project."""
    found = _OWN.fullmatch(network)
    return (found[1], found[2]) if found else None


def own_setting(name: str) -> str | None:
    """`width` for `network.width`, None for the name of a setting of the project."""
    found = _DOTTED.fullmatch(name)
    return found and found[1]


def keywords(text: str) -> dict[str, Value]:
    """The keyword arguments in a text such as `depth=3,width=128`. Raises ValueError."""
    found: dict[str, Value] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and name.isidentifier() and value) or name in found:
            raise ValueError(f"no names with a value each: {text}")
        found[name] = _value(value)
    return found


def keywords_text(given: Mapping[str, Value]) -> str:
    """The same text for the same arguments."""
    return ",".join(f"{name}={_text(given[name])}" for name in sorted(given))


def dotted(text: str) -> dict[str, str]:
    """`{"network.width": "128"}` for `width=128`."""
    return {f"network.{name}": _text(value) for name, value in keywords(text).items()}


def gathered(values: Mapping[str, object]) -> dict[str, object]:
    """Settings with those called `network.width` within `network_settings`. Raises ValueError."""
    rest = {name: value for name, value in values.items() if own_setting(name) is None}
    if len(rest) == len(values):
        return rest
    given = keywords(str(rest.get("network_settings", "")))
    for name in values.keys() - rest.keys():
        text = _text(values[name]).strip()
        if not text or not isinstance(values[name], Value) or "," in text:
            raise ValueError(f"{name} should be a number, true, false, or a text without commas")
        given[name.partition(".")[2]] = _value(text)
    return rest | {"network_settings": keywords_text(given)}


def _value(text: str) -> Value:
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
