"""`assay env`: addresses and credentials for other clients."""

import shlex
from typing import Annotated

import typer

from assay.cli.connection import home
from assay.cli.errors import CommandError
from assay.embedded.errors import StackError
from assay.embedded.stack import Stack


def env(
    service: Annotated[str | None, typer.Option(help="As this service sees it; for an operator otherwise")] = None,
) -> None:
    """Print ASSAY_… lines that a shell can source: `set -a; eval "$(assay env)"; set +a`."""
    folder = home()
    if not (folder / "token").is_file():
        raise CommandError(f"there is no stack in {folder} yet: run `make up` once, or set ASSAY_HOME")
    try:
        values = Stack(folder).environment(service)
    except StackError as error:
        raise CommandError(str(error)) from error
    for name, value in sorted(values.items()):
        typer.echo(f"{name}={shlex.quote(value)}")
