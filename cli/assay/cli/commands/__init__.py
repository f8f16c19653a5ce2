"""One file for each command, named as it is called."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

NAMES = (
    "up",
    "submit",
    "watch",
    "status",
    "files",
    "compare",
    "feedback",
    "export",
    "delete",
    "analyzers",
    "models",
    "webhooks",
    "owners",
    "token",
    "env",
    "logs",
    "dead-letters",
    "reference",
)
"""In the order in which `assay --help` lists them."""


class Commands(TyperGroup):
    """Imports the one command that is asked for: all of them together take longer than most have to do."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """The command of this name; None where there is none. Then all are there, to suggest the one that was meant."""
        if cmd_name in NAMES:
            return _load(cmd_name)
        self.commands = {name: _load(name) for name in NAMES}
        return None


def _load(command: str) -> TyperCommand | TyperGroup:
    """What its file has: an `app` with commands of its own, or a function of the same name."""
    name = command.replace("-", "_")
    module = import_module(f"assay.cli.commands.{name}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command(command)(getattr(module, name))
    loaded = typer.main.get_command(app)
    assert isinstance(loaded, TyperCommand | TyperGroup)
    loaded.name = command
    return loaded
