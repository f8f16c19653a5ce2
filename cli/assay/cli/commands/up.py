"""`assay up`: the whole stack, until Ctrl-C."""

import typer

from assay.embedded.up import main


def up() -> None:
    """Start Kafka, S3, PostgreSQL, the gateway and the services; stop them all with Ctrl-C."""
    raise typer.Exit(main())
