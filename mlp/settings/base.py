"""Groups of settings: frozen, validated, with messages that a person can act on."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError

from mlp.errors import SettingsError
from mlp.escaping import brief
from mlp.tables import Table

# A file or folder: ~ is the home folder, also where no shell has made it so
Place = Annotated[str, AfterValidator(os.path.expanduser)]


@dataclass(frozen=True)
class Choice:
    """Of a text field: one of the names in a table, when a value is parsed.

    Or a text of another `form`, which is shown beside them, where `fits` finds one.
    """

    table: Table[Any]
    form: str = ""
    fits: Callable[[str], object] = bool

    @property
    def shown(self) -> tuple[str, ...]:
        """Everything that may be given, for people."""
        return (*self.table, *filter(None, [self.form]))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return AfterValidator(self._known).__get_pydantic_core_schema__(source, handler)

    def _known(self, value: str) -> str:
        return value if self.form and self.fits(value) else self.table.known(value)


class Settings(BaseModel):
    """A frozen, validated group of settings in which an unknown key is an error.

    The text below a field is its description.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Build from field names and values, given as Python values or as text.

        Raises ConfigError naming every field that is unknown or has a wrong value, what was
        given, and what would be right.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigError(cls, error) from None

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with some fields given anew, validated like a new one. Raises ConfigError."""
        return self.parse({**self.model_dump(exclude_unset=True), **changes})

    def filled(self, own: Mapping[str, Any]) -> Self:
        """A copy with the values of `own` for the fields that were not given. Raises ConfigError.

        A field that was given keeps its value, also when that is the default.
        """
        return self.changed({k: v for k, v in own.items() if not self.gives(k)})

    def gives(self, name: str) -> bool:
        """Tell whether a setting was given."""
        return name in self.model_fields_set

    def as_text(self) -> dict[str, str]:
        """Every field as the text that would be typed on a command line."""
        return {name: field_text(value) for name, value in self.model_dump().items()}


class ConfigError(SettingsError):
    """The wrong settings that a user gave: `problems` has the name and a text for each."""

    def __init__(self, settings: type[Settings], error: ValidationError) -> None:
        by_field: dict[str, str] = {}
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            by_field.setdefault(name, _explain(settings, name, dict(problem)))
        self.problems = list(by_field.items())
        super().__init__("; ".join(f"{n}: {text}" if n else text for n, text in self.problems))


def _explain(settings: type[Settings], name: str, problem: dict[str, Any]) -> str:
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(name, settings.model_fields)
        return f"no such setting; {hint}(known: {', '.join(settings.model_fields)})"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not name:
        return message
    field, choices = settings.model_fields[name], field_choices(settings, name)
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "expected" in extra:
        message = f"should be {extra['expected']}"
    elif choices:
        message = f"should be one of {', '.join(choices)}"
    elif field.annotation is bool:
        message = "should be true or false"
    elif problem["type"] == "string_too_short":
        message = "should not be empty"
    else:
        message = message.replace("Input should", "should")
    return f"{message}; {brief(field_text(problem['input']))} was given"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean NAME? ` for the known name that is nearest, nothing where none is near."""
    near = difflib.get_close_matches(name[:100], list(known), n=1)
    return f"did you mean {near[0]}? " if near else ""


def field_text(value: object) -> str:
    """A value as it would be typed on a command line: `(512, 256)` is `512,256`."""
    if isinstance(value, tuple | list):
        return ",".join(str(item) for item in value)
    return str(value)


def field_choices(settings: type[Settings], name: str) -> tuple[str, ...]:
    """The texts a field accepts when it accepts only a fixed list of them, else nothing."""
    field = settings.model_fields[name]
    for choice in field.metadata:
        if isinstance(choice, Choice):
            return choice.shown
    options = get_args(field.annotation)
    return options if options and all(isinstance(option, str) for option in options) else ()


def field_help(settings: type[Settings], name: str) -> str:
    """The description of a field, with the `words` of the rows of a table that its type names."""
    field = settings.model_fields[name]
    kinds = [row.words for m in field.metadata if isinstance(m, Table) for row in m.values()]
    description = " ".join((field.description or "").split())
    return f"{description}{': ' * bool(kinds)}{'; '.join(kinds)}"
