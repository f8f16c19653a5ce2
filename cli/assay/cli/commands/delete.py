"""`assay delete`: files and everything that is known of them."""

from typing import Annotated
from urllib.parse import quote

import typer

from assay.cli.client import Client
from assay.cli.connection import connect
from assay.cli.errors import CommandError


def delete(
    file_ids: Annotated[list[str], typer.Argument(metavar="FILE_ID…", help="As `status` and `submit` print them")],
) -> None:
    """Erase files: bytes, verdicts, heat maps, what was found inside. Work on them ends; it cannot be undone.

    Repeating it is no error. The date is that at which the last copies of their events end in Kafka's log.
    """
    failed = 0
    with Client(connect()) as client:
        for file_id in file_ids:
            try:
                erased = client.delete(f"/api/v1/files/{quote(file_id, safe='')}")
            except CommandError as error:
                failed += 1
                typer.echo(f"{file_id}: {error}", err=True)
                continue
            typer.echo(f"{erased['file_id']} deleted; copies in the log end by {erased['log_ends_at'][:10]}")
    if failed:
        raise CommandError(f"{failed} of {len(file_ids)} were not deleted")
