"""`assay`: one command for everything that a person does with Assay on a terminal."""

import sys

import typer

from assay.cli.commands import Commands
from assay.cli.errors import CommandError

app = typer.Typer(
    name="assay",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def assay() -> None:
    """File verdicts with evidence: submit a file, watch it being examined, read the report."""


def run() -> None:
    """The entry point: an error is one line and an exit status, never a stack trace."""
    try:
        app()
    except CommandError as error:
        print(f"assay: {error}", file=sys.stderr)
        sys.exit(error.status)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)


if __name__ == "__main__":
    run()
