"""`assay dead-letters list|show|replay`: records that a consumer gave up on."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from assay.cli.client import Client, Json
from assay.cli.connection import connect
from assay.cli.errors import CommandError, UsageError

PATH = "/api/v1/dead-letters"
PAGE = 200

app = typer.Typer(
    help="Look at what consumers gave up on, and let it be done again. For operators.", add_completion=False
)

Limit = Annotated[int, typer.Option(min=1, help="At most so many, newest first")]
Group = Annotated[str | None, typer.Option(help="Only what this consumer group gave up on")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON")]


@app.callback(invoke_without_command=True)
def dead_letters(context: typer.Context, limit: Limit = 50, group: Group = None, as_json: AsJson = False) -> None:
    """Without a command: list them."""
    if context.invoked_subcommand is None:
        listed(limit, group, as_json)


@app.command("list")
def listed(limit: Limit = 50, group: Group = None, as_json: AsJson = False) -> None:
    """List dead letters: which group gave up, why, after how many attempts, and where the record came from."""
    with Client(connect()) as client:
        items = list(islice(_letters(client, group), limit))
    if as_json:
        typer.echo(json.dumps(items))
        return
    if not items:
        typer.echo("There are no dead letters.")
    for item in items:
        words = [item[name] or "-" for name in ("at", "group", "type", "origin")]
        again = "  (replayed)" if item["replayed_at"] else ""
        typer.echo(
            f"{_position(item)}  {'  '.join(words)}  after {item['attempts'] or '-'}: {item['error'] or '-'}{again}"
        )


@app.command("show")
def show(
    position: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="As `list` prints it")],
    as_json: AsJson = False,
) -> None:
    """Show everything about one dead letter, and how to replay it."""
    with Client(connect()) as client:
        letter = client.get(_path(position))
    if as_json:
        typer.echo(json.dumps(letter))
        return
    for line in _described(letter):
        typer.echo(line)


@app.command("replay")
def replay(
    positions: Annotated[list[str] | None, typer.Argument(metavar="PARTITION/OFFSET...", help="These")] = None,
    group: Annotated[str | None, typer.Option(help="All that this group gave up on")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of every group")] = False,
) -> None:
    """Let what failed be done again: an analysis as a new run, any other record in its topic, for its group alone.

    Each is replayed once, however often this is called. Exit status 1 if any could not be.
    """
    if sum((bool(positions), group is not None, everything)) != 1:
        raise UsageError("say which: PARTITION/OFFSET..., or --group NAME, or --all")
    failed = False
    with Client(connect()) as client:
        # All of them are known before the first is replayed: what fails again becomes a letter of its own.
        wanted = positions or [_position(each) for each in _letters(client, group) if not each["replayed_at"]]
        paths = {each: _path(each) for each in wanted}
        if not wanted:
            typer.echo("There is nothing to replay.")
        for position, path in paths.items():
            try:
                typer.echo(f"{position}  {_told(client.post(f'{path}/replay'))}")
            except CommandError as error:
                failed = True
                typer.echo(f"assay: {position}: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _letters(client: Client, group: str | None) -> Iterator[Json]:
    """Newest first, page after page."""
    cursor: str | None = None
    while True:
        page = client.get(PATH, limit=PAGE, group=group, cursor=cursor)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _position(letter: Json) -> str:
    return f"{letter['partition']}/{letter['offset']}"


def _path(position: str) -> str:
    if not re.fullmatch(r"[0-9]+/[0-9]+", position):
        raise UsageError(f"{position} is no PARTITION/OFFSET, such as 0/17")
    return f"{PATH}/{position}"


def _told(replay: Json) -> str:
    before = f"was replayed at {replay['replayed_at']}: " if replay["repeated"] else ""
    if replay["way"] == "run":
        return f"{before}run {replay['run_number']} of file {replay['file_id']}"
    return f"{before}sent back to its topic for {replay['group']}"


def _described(letter: Json) -> Iterator[str]:
    analysis = letter["analysis"]
    facts = {
        "dead letter": _position(letter),
        "given up by": f"{letter['group']} at {letter['at']}, after {letter['attempts']} attempts",
        "error": letter["error"],
        "came from": letter["origin"],
        "type": letter["type"],
        "key": letter["key"],
        "file": letter["file_id"],
        "owner": letter["owner_id"],
        "analysis": analysis and f"{analysis['analyzer']} in run {analysis['run_id']}",
        "replayed": letter["replayed_at"],
    }
    for name, value in facts.items():
        if value:
            yield f"{name + ':':<14}{value}"
    yield "headers:"
    for header in letter["headers"]:
        value = header["value"] if header["base64"] is None else f"(base64) {header['base64']}"
        yield f"  {header['name']}: {'(null)' if value is None else value}"
    if letter["tombstone"]:
        yield "body: none, it is a tombstone"
    else:
        yield f"body: {letter['size']} bytes"
        text = json.dumps(letter["body"], indent=2, ensure_ascii=False) if letter["text"] is None else letter["text"]
        yield from (f"  {line}" for line in text.splitlines())
    if letter["way"] is None:
        yield "It cannot be replayed."
    elif not letter["replayed_at"]:
        what = "a new run with that analyzer" if letter["way"] == "run" else f"back to its topic for {letter['group']}"
        yield f"To replay it ({what}): assay dead-letters replay {_position(letter)}"
