"""How the commands take their options from the settings classes and answer wrong ones.

Every option, its help and its default come from `mlp.config` and `mlp.options`, where alone values
are checked.
"""

from __future__ import annotations

import errno
import io
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from mlp.interruption import Interrupted, interruptible
from mlp.processes import temporary_files
from mlp.settings import ConfigError, Settings, SettingsError, field_choices, field_text

# Failures of files that a person can do something about
_SURROUNDINGS = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EFBIG", "EMFILE")
    if hasattr(errno, name)
}
_FULL_BYTES = 2**20  # a disk with less room is called full
# PyTorch's, CUDA's, OpenCV's and the system's words for it
_NO_MEMORY = ("not enough memory", "allocate memory", "insufficient memory", "out of memory",
              "bad_alloc")  # fmt: skip
_MEMORY_SETTINGS = ("hidden", "batch_size", "image_size", "arms_at_once", "workers")


class SettingsCommand(click.Command):
    """A command whose options are the fields of some classes of settings."""

    groups: tuple[type[Settings], ...] = ()


def command(*groups: type[Settings]) -> Callable[[Callable[..., None]], SettingsCommand]:
    """Make a click command of a function that takes one object of each class of settings."""

    def decorate(function: Callable[..., None]) -> SettingsCommand:
        def callback(**given: str | tuple[str, ...] | None) -> None:
            values = {name: text for name, text in given.items() if text is not None}
            # A terminal that cannot show a letter of a class name gets a ? in its place
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    stream.reconfigure(errors="replace")
            given_settings: list[Settings] = []
            try:
                with interruptible(), temporary_files(), _quiet_threads():
                    given_settings.extend(_parse(group, values) for group in groups)
                    function(*given_settings)
            except Interrupted as interruption:
                click.echo(
                    f"Interrupted by {interruption}. What has finished is kept: repeat the command "
                    "to go on.",
                    err=True,
                )
                sys.exit(interruption.exit_code)
            except Exception as error:
                _explain(error, given_settings)

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
    """Whether a field is given without the name of an option: the files of `predict *.jpg`."""
    extra = group.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and bool(extra.get("positional"))


def _parameter(group: type[Settings], name: str) -> click.Parameter:
    field = group.model_fields[name]
    if is_positional(group, name):
        return click.Argument([name], nargs=-1, metavar=f"[{name.upper()}]...")
    choices = field_choices(group, name)
    metavar = "[" + "|".join(choices) + "]" if choices else None
    if metavar is None:
        kinds = {bool: "[true|false]", int: "INTEGER", float: "NUMBER"}
        metavar = kinds.get(type(field.default), "TEXT")
    return click.Option(
        [f"--{name.replace('_', '-')}", name],
        type=str,
        metavar=metavar,
        help=f"{field.description}  [default: {field_text(field.default)}]",
    )


def _parse(group: type[Settings], values: Mapping[str, str | tuple[str, ...]]) -> Settings:
    own = {name: text for name, text in values.items() if name in group.model_fields}
    try:
        return group.parse(own)
    except ConfigError as error:
        text = "\n".join(_problem(*problem) for problem in error.problems)
        raise click.UsageError(text) from None


def _problem(name: str, text: str) -> str:
    return f"--{name.replace('_', '-')}: {text}" if name else text


def _explain(error: Exception, settings: Sequence[Settings]) -> None:
    """Answer with one message what a user or the surroundings got wrong; a bug keeps its trace."""
    import requests
    from mlflow.exceptions import MlflowException

    from mlp.data.index import DataError
    from mlp.learning.seal import TamperedModel
    from mlp.serving.packaged import NoSuchModel
    from mlp.study.execution import ClusterLost
    from mlp.tracking.database import StoreUnusable
    from mlp.tracking.patience import ServerAway, refusal
    from mlp.tracking.recorded import NoSuchStudy

    if isinstance(error, SettingsError):
        raise click.UsageError(str(error)) from None
    known = (
        DataError, NoSuchStudy, NoSuchModel, TamperedModel, ServerAway, StoreUnusable, ClusterLost
    )  # fmt: skip
    if isinstance(error, known):
        raise click.ClickException(str(error)) from None
    if isinstance(error, requests.HTTPError):
        raise click.ClickException(f"MLflow: {error}") from None
    if isinstance(error, MlflowException):
        raise click.ClickException(refusal(error) or f"MLflow: {error.message}") from None
    if isinstance(error, OSError) and error.errno in _SURROUNDINGS:
        raise click.ClickException(_file_problem(error, settings)) from None
    words = str(error).lower()
    if isinstance(error, MemoryError) or any(text in words for text in _NO_MEMORY):
        fields = [f for group in settings for f in type(group).model_fields]
        smaller = [f"--{f.replace('_', '-')}" for f in _MEMORY_SETTINGS if f in fields]
        advice = f"a smaller {' or '.join(smaller)}" if smaller else "fewer or smaller images"
        said = str(error).strip().splitlines()
        raise click.ClickException(
            f"memory does not suffice: try {advice}{f' ({said[0]})' if said else ''}"
        ) from None
    raise error


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Leave out the trace of a thread that meets a full disk: who gave it its work is told too."""
    former = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        error = failure.exc_value
        if not (isinstance(error, OSError) and error.errno in _SURROUNDINGS):
            former(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = former


def _file_problem(error: OSError, settings: Sequence[Settings]) -> str:
    """What to do where a file cannot be read or written."""
    from mlp.data.cache import cache_place

    advice = "make room, or name another place; what was recorded is kept: repeat the command"
    place = error.filename2 or error.filename
    if place is not None:
        return f"{place}: {error.strerror}; {advice}"
    # Python does not always say which disk is full
    runs = [Path(group.runs_dir) for group in settings if hasattr(group, "runs_dir")]
    places = [*runs, Path.cwd(), Path(tempfile.gettempdir()), cache_place()]
    full = [str(p) for p in places if p.exists() and shutil.disk_usage(p).free < _FULL_BYTES]
    return f"{' and '.join(full) or 'a file'}: {error.strerror}; {advice}"
