"""`assay token`: a bearer token for an owner."""

import os
from datetime import timedelta
from typing import Annotated

import typer

from assay.cli.connection import home
from assay.cli.errors import CommandError, UsageError
from assay.embedded.stack import Stack
from assay.shared.auth import Scope, mint_token


def token(
    owner: Annotated[str, typer.Option(help="Whose files it opens")],
    operator: Annotated[
        bool, typer.Option("--operator", help="Also dead letters and statistics over all owners")
    ] = False,
    days: Annotated[float | None, typer.Option(min=0.01, help="Ends after so many days; never otherwise")] = None,
) -> None:
    """Print a token, signed with this installation's secret (ASSAY_AUTH__SECRET, else that of the stack's folder)."""
    secret = os.environ.get("ASSAY_AUTH__SECRET") or _stack_secret()
    scopes: list[Scope] = ["user", "operator"] if operator else ["user"]
    try:
        typer.echo(mint_token(secret, owner, scopes, timedelta(days=days) if days is not None else None))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _stack_secret() -> str:
    folder = home()
    if not (folder / "token").is_file():
        raise CommandError(f"there is no stack in {folder} yet: run `make up` once, or set ASSAY_AUTH__SECRET")
    return Stack(folder).credentials.auth_secret
