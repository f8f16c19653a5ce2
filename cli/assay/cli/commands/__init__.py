"""One file for each command, named as it is called."""

import typer

from assay.cli.commands import (
    analyzers,
    dead_letters,
    delete,
    env,
    logs,
    models,
    owners,
    reference,
    status,
    submit,
    token,
    up,
    watch,
)


def register(app: typer.Typer) -> None:
    """Add every command, in the order in which `assay --help` lists them."""
    app.command("up")(up.up)
    app.command("submit")(submit.submit)
    app.command("watch")(watch.watch)
    app.command("status")(status.status)
    app.command("delete")(delete.delete)
    app.add_typer(analyzers.app, name="analyzers")
    app.add_typer(models.app, name="models")
    app.add_typer(owners.app, name="owners")
    app.command("token")(token.token)
    app.command("env")(env.env)
    app.command("logs")(logs.logs)
    app.add_typer(dead_letters.app, name="dead-letters")
    app.command("reference")(reference.reference)
