"""Commands whose options come from the settings classes, and their answers to wrong ones.

Every option, its help and its default come from `mlp.settings`, where alone values
are checked.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from mlp import console
from mlp.errors import MlpError, SettingsError
from mlp.escaping import lines
from mlp.failures import advice
from mlp.processes import Interrupted, interruptible, temporary_files
from mlp.settings.base import ConfigError, Settings, field_choices, field_help, field_text
from mlp.tracking.mlflow.environment import prepare_environment

# What pydantic reads as a boolean
_TRUTH = {"true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0"}


class Switch(click.Option):
    """A boolean: `--strict`, `--no-strict`, or with a value, as `mlflow run` passes it."""

    @property
    def yes(self) -> str:
        """The name that turns it on, or has a value after it."""
        return str(self.opts[0])

    @property
    def no(self) -> str:
        """The name that turns it off."""
        return f"--no-{self.yes.removeprefix('--')}"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return f"{self.yes} / {self.no}", self.help or ""


class SettingsCommand(click.Command):
    """A command whose options are the fields of some classes of settings."""

    groups: tuple[type[Settings], ...] = ()

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _shown_as_text():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _shown_as_text():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(self._with_values(args)))

    def _with_values(self, args: Sequence[str]) -> Iterator[str]:
        """The arguments with a value after each switch.

        The word after a switch is its value if it can be one. Where words may stand alone (the
        files of `predict`), another word is one of those; else it is a wrong value.
        """
        switches = [p for p in self.params if isinstance(p, Switch)]
        yes, no = {s.yes for s in switches}, {s.no: s.yes for s in switches}
        valued = {name for p in self.params if isinstance(p, click.Option) for name in p.opts}
        alone = any(isinstance(p, click.Argument) for p in self.params)
        left = list(args)
        while left:
            word = left.pop(0)
            if word == "--":
                yield from [word, *left]
                return
            if word in yes:
                follows = left[0] if left else "--"
                own = follows.lower() in _TRUTH or not (alone or follows.startswith("-"))
                yield from (word, left.pop(0) if own else "true")
            elif word in no:
                yield from (no[word], "false")
            elif word.partition("=")[0] in no:
                raise click.UsageError(f"{word.partition('=')[0]} takes no value")
            else:
                yield word
                if word in valued and left:
                    yield left.pop(0)


@contextmanager
def _shown_as_text() -> Iterator[None]:
    """Errors of click, which prints them itself and says in them what was typed."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = lines(error.message)
        raise


def command(*groups: type[Settings]) -> Callable[[Callable[..., None]], SettingsCommand]:
    """Make a click command of a function that takes one object of each class of settings."""

    def decorate(function: Callable[..., None]) -> SettingsCommand:
        def callback(**given: str | tuple[str, ...] | None) -> None:
            values = {name: text for name, text in given.items() if text is not None}
            # A terminal that cannot show a letter of a class name gets a ? in its place
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")
            prepare_environment()
            settings: list[Settings] = []
            try:
                with interruptible(), temporary_files(), _quiet_threads():
                    settings.extend(_parse(group, values) for group in groups)
                    function(*settings)
            except Interrupted as interruption:
                console.err(
                    f"Interrupted by {interruption}. What has finished is kept: repeat the command "
                    "to go on."
                )
                sys.exit(interruption.exit_code)
            except click.ClickException:
                raise
            except Exception as error:
                _explain(error, settings)

        params = [_parameter(group, name) for group in groups for name in group.model_fields]
        made = SettingsCommand(
            name=function.__name__,
            callback=callback,
            params=params,
            help=function.__doc__,
            context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
        )
        made.groups = groups
        return made

    return decorate


def is_positional(group: type[Settings], name: str) -> bool:
    """Tell whether a field is given without the name of an option: the files of `predict *.jpg`."""
    extra = group.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


def _parameter(group: type[Settings], name: str) -> click.Parameter:
    field = group.model_fields[name]
    if is_positional(group, name):
        return click.Argument([name], nargs=-1, metavar=f"[{name.upper()}]...")
    choices = field_choices(group, name)
    metavar = "[" + "|".join(choices) + "]" if choices else None
    if metavar is None:
        metavar = {int: "INTEGER", float: "NUMBER"}.get(type(field.default), "TEXT")
    kind = Switch if isinstance(field.default, bool) else click.Option
    return kind(
        [f"--{name.replace('_', '-')}", name],
        type=str,
        metavar=metavar,
        help=f"{field_help(group, name)}  [default: {field_text(field.default)}]",
    )


def under_mlflow_run() -> bool:
    """Tell whether `mlflow run` has started this command."""
    return "MLFLOW_RUN_ID" in os.environ


def _parse(group: type[Settings], values: Mapping[str, str | tuple[str, ...]]) -> Settings:
    own = {name: text for name, text in values.items() if name in group.model_fields}
    try:
        made = group.parse(own)
        if under_mlflow_run():  # which passes every parameter, so that none counts as given
            return group.parse(made.model_dump(exclude_defaults=True))
        return made
    except ConfigError as error:
        text = "\n".join(_problem(*problem) for problem in error.problems)
        raise click.UsageError(text) from None


def _problem(name: str, text: str) -> str:
    return f"--{name.replace('_', '-')}: {text}" if name else text


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Leave out the trace of a thread that meets a full disk: who gave it its work is told too."""
    former = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not advice(failure.exc_value):
            former(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = former


def _explain(error: Exception, settings: Sequence[Settings]) -> None:
    """Answer with one message what a user or the surroundings got wrong; a bug keeps its trace."""
    if isinstance(error, MlpError):
        kind = click.UsageError if isinstance(error, SettingsError) else click.ClickException
        shown = kind(str(error))
        vars(shown)["exit_code"] = error.exit_code
        raise shown from None
    from mlp.tracking.mlflow.surroundings import in_words

    names = {name for group in settings for name in type(group).model_fields}
    places = [group.runs_dir for group in settings if hasattr(group, "runs_dir")]
    text = in_words(error, names, places)
    if not text:
        raise error
    raise click.ClickException(text) from None
