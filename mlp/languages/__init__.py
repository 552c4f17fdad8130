"""The languages of what people read: a YAML file beside this one for each, and the table of them.

English also stands with what it names: metrics, arms of suites, remarks on data.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from mlp.tables import Table


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
            found |= {f"{name}.{key}".rstrip("."): text for key, text in inner.items()}
        return found


LANGUAGES: Table[Language] = Table(
    "language", {"en": Language("en.yaml"), "es": Language("es.yaml")}
)
