"""The program `mlp`: its commands are imported when they are named."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

import mlp
from mlp.errors import SettingsError
from mlp.tables import Table

if TYPE_CHECKING:
    from mlp.commands.command import SettingsCommand

COMMANDS: Table[SettingsCommand] = Table(
    "command",
    {
        "train": "mlp.commands.train:train",
        "compare": "mlp.commands.compare:compare",
        "ablation": "mlp.commands.ablation:ablation",
        "init": "mlp.commands.init:init",
        "study": "mlp.commands.compare:compare",  # the former name
        "search": "mlp.commands.search:search",
        "report": "mlp.commands.report:report",
        "audit": "mlp.commands.audit:audit",
        "register": "mlp.commands.register:register",
        "predict": "mlp.commands.predict:predict",
        "evaluate": "mlp.commands.evaluate:evaluate",
        "judge": "mlp.commands.judge:judge",
    },
)


class Program(click.Group):
    """The commands by their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        try:
            return COMMANDS[cmd_name]
        except SettingsError as error:
            raise click.UsageError(str(error), ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_words(COMMANDS.data[name])) for name in COMMANDS])


def _first_words(reference: object) -> str:
    """The docstring of the module in which a command is defined, which is not imported."""
    spec = find_spec(str(reference).partition(":")[0])
    assert spec is not None and spec.origin is not None
    return ast.get_docstring(ast.parse(Path(spec.origin).read_bytes())) or ""


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mlp.__version__, prog_name="mlp")
def main() -> None:
    """Find which regularizers, initializations and hyperparameters of an MLP help on images.

    `mlp COMMAND --help` shows the options of a command.
    """
