"""Commands whose options come from the settings classes, and their answers to wrong ones.

Every option, its help and its default come from `mlp.settings`, where alone values
are checked.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import Any

import click

from mlp import console
from mlp.errors import MlpError, SettingsError
from mlp.escaping import lines
from mlp.failures import advice
from mlp.languages import LANGUAGES, Language
from mlp.processes import Interrupted, interruptible, temporary_files
from mlp.settings.base import ConfigError, Settings, field_choices, field_help, field_text
from mlp.settings.commands import FormatConfig
from mlp.tracking.mlflow.environment import prepare_environment


@dataclass(frozen=True)
class Answer:
    """The end of a command: `text` for people, or `document` for programs; and what is amiss.

    `failure` ends the command with an error, after the answer.
    """

    text: str
    document: Mapping[str, object]
    failure: str = ""
    exit_code: int = 0


class Switch(click.Option):
    """A boolean: `--strict`, `--no-strict`, or with a value, as `mlflow run` passes it."""

    def __init__(self, declared: list[str], **options: Any) -> None:
        self.no = f"--no-{declared[0].removeprefix('--')}"
        options["metavar"] = f"/ {self.no}"
        super().__init__(declared, is_flag=False, flag_value="true", **options)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        super().add_to_parser(parser, ctx)
        parser.add_option(self, [self.no], self.name, action="store_const", const="false")


class SettingsCommand(click.Command):
    """A command whose options are the fields of some classes of settings."""

    groups: tuple[type[Settings], ...] = ()

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except click.ClickException as error:  # which says what was typed
            vars(error)["message"] = lines(error.message)
            raise


def command(
    *groups: type[Settings],
) -> Callable[[Callable[..., Answer | None]], SettingsCommand]:
    """Make a click command of a function that takes one object of each class of settings.

    With FormatConfig, which it does not take, its answer can be had as JSON.
    """

    def decorate(function: Callable[..., Answer | None]) -> SettingsCommand:
        def callback(**given: str | tuple[str, ...] | None) -> None:
            values = {name: text for name, text in given.items() if text is not None}
            # A terminal that cannot show a letter of a class name gets a ? in its place
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")
            prepare_environment()
            # Or at the end Python looks through a million objects once more, for over a second
            atexit.register(gc.freeze)
            settings: list[Settings] = []
            lang = str(values.get("lang", "en"))
            language = LANGUAGES[lang if lang in LANGUAGES else "en"]
            console.speak(language.said)
            try:
                with interruptible(), temporary_files(), _quiet_threads():
                    settings.extend(_parse(group, values) for group in groups)
                    _run(function, settings)
            except Interrupted as interruption:
                console.err(
                    f"Interrupted by {interruption}. What has finished is kept: repeat the command "
                    "to go on."
                )
                sys.exit(interruption.exit_code)
            except Exception as error:
                _explain(error, settings, language)

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


def _run(function: Callable[..., Answer | None], settings: Sequence[Settings]) -> None:
    """Do what a command does, and print its answer in the format that is wanted."""
    taken = [group for group in settings if not isinstance(group, FormatConfig)]
    as_json = any(isinstance(g, FormatConfig) and g.format == "json" for g in settings)
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        answer = function(*taken)
    if answer is None:
        return
    shown = json.dumps(answer.document, allow_nan=False) if as_json else answer.text
    console.out(shown, as_it_is=as_json)
    if answer.failure:
        raise MlpError(answer.failure)
    if answer.exit_code:
        sys.exit(answer.exit_code)


def is_positional(group: type[Settings], name: str) -> bool:
    """Tell whether a field is given without the name of an option: the files of `predict *.jpg`."""
    extra = group.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


def option_name(name: str) -> str:
    """The option of a field, as it is typed."""
    return f"--{name.replace('_', '-')}"


def _parameter(group: type[Settings], name: str) -> click.Parameter:
    field = group.model_fields[name]
    if is_positional(group, name):
        return click.Argument([name], nargs=-1, metavar=f"[{name.upper()}]...")
    kinds = {int: "INTEGER", float: "NUMBER"}
    choices = field_choices(group, name)
    kind = Switch if isinstance(field.default, bool) else click.Option
    return kind(
        [option_name(name), name],
        type=str,
        metavar=f"[{'|'.join(choices)}]" if choices else kinds.get(type(field.default), "TEXT"),
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
        said = [f"{option_name(name)}: {text}" if name else text for name, text in error.problems]
        raise SettingsError("\n".join(said)) from None


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


def _explain(error: Exception, settings: Sequence[Settings], language: Language) -> None:
    """Answer with one message what a user or the surroundings got wrong; a bug keeps its trace."""
    kind = click.UsageError if isinstance(error, SettingsError) else click.ClickException
    if isinstance(error, MlpError):
        shown = kind(lines(language.said(str(error))))
        vars(shown)["exit_code"] = error.exit_code
        raise shown from None
    from mlp.tracking.mlflow.surroundings import in_words

    names = {name for group in settings for name in type(group).model_fields}
    places = [group.runs_dir for group in settings if hasattr(group, "runs_dir")]
    text = in_words(error, names, places)
    if not text:
        raise error
    raise click.ClickException(lines(language.said(text))) from None
