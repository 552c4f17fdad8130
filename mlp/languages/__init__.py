"""The languages of what people read: a YAML file beside this one for each, and the table of them.

English also stands with what it names: metrics, arms of suites, remarks on data.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from mlp.tables import Table

_PLACE = re.compile(r"\{\d\}")


class Language:
    """Phrases by key: `heading.table` is the key `table` within `heading` of the file.

    Places for values are those of str.format.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(__file__).parent / file

    @cached_property
    def phrases(self) -> dict[str, str]:
        """All of them, from the file."""
        import yaml

        with self.file.open(encoding="utf-8") as text:
            groups = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        found: dict[str, str] = {}
        for name, phrase in groups.items():
            inner = {"": phrase} if isinstance(phrase, str) else phrase
            found |= {f"{name}.{key}" if key else name: text for key, text in inner.items()}
        return found

    @cached_property
    def _messages(self) -> list[tuple[list[str], str]]:
        """Of each message the parts of the English text around values, and the phrase."""
        begin = "message."
        named = {k.removeprefix(begin): p for k, p in self.phrases.items() if k.startswith(begin)}
        made = [(_PLACE.split(english), phrase) for english, phrase in named.items()]
        return sorted(made, key=lambda message: -len("".join(message[0])))

    def said(self, english: str) -> str:
        """A message of a command in this language; what has no translation stays as it is."""
        if not self._messages:
            return english
        for parts, phrase in self._messages:
            if all(part in english for part in parts):
                # Of several lines each is a message of its own, unless one is known that has them
                several = re.DOTALL if "\n" in "".join(parts) else 0
                found = re.fullmatch("(.*?)".join(map(re.escape, parts)), english, several)
                # `x.yaml, line 3: arms has no value` is `arms has no value` in a place
                if found and (parts[0] or ": " not in found[1]):
                    return phrase.format(None, *map(self.said, found.groups()))
        if "\n" in english:
            return "\n".join(map(self.said, english.split("\n")))
        first, *rest = re.split("(: |; )", english, maxsplit=1)
        if rest:
            return self.said(first) + rest[0] + self.said(rest[1])
        plain = english.lstrip(" ")
        return english if plain == english else english.replace(plain, self.said(plain))


LANGUAGES: Table[Language] = Table(
    "language", {"en": Language("en.yaml"), "es": Language("es.yaml")}
)
