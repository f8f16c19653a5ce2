"""`assay webhooks add|list|show|change|rotate|test|deliveries|replay|remove`: events posted to your own addresses."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated
from urllib.parse import quote

import typer

from assay.cli.client import Client, Json
from assay.cli.connection import connect
from assay.cli.errors import CommandError, UsageError

PATH = "/api/v1/webhooks"
PAGE = 200
# A test is told of at once where the receiver answers in this time; the log has it in any case.
TEST_S = 20.0
POLL_S = 0.2

app = typer.Typer(
    help="Let events be posted to addresses of your own, signed.", no_args_is_help=True, add_completion=False
)

Id = Annotated[str, typer.Argument(metavar="WEBHOOK_ID", help="As `list` prints it")]
Url = Annotated[str, typer.Argument(help="Where to POST; https://")]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="A type such as assay.run.completed.v1; again for more")
]
Description = Annotated[str | None, typer.Option(help="For people")]
SecretFile = Annotated[
    typer.FileText | None,
    typer.Option(
        "--secret-from", metavar="FILE", help="Has a secret of your own, whsec_…; - reads it from the terminal"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON")]
Moment = Annotated[datetime | None, typer.Option(help="In your time zone")]


@app.command("add")
def add(
    url: Url, event: Events = None, description: Description = None, secret: SecretFile = None, as_json: AsJson = False
) -> None:
    """Register a webhook. Its secret is printed this once. Without --event it hears of reports."""
    body = {"url": url, "event_types": event, "description": description, "secret": _read(secret)}
    with Client(connect()) as client:
        webhook = client.send("POST", PATH, _given(body))
    if as_json:
        typer.echo(json.dumps(webhook))
        return
    typer.echo(f"{webhook['webhook_id']} hears of {', '.join(webhook['event_types'])}")
    typer.echo(f"secret  {webhook['secret']}  (not shown again)")


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """List your webhooks."""
    with Client(connect()) as client:
        items = client.get(PATH)["items"]
    if as_json:
        typer.echo(json.dumps(items))
        return
    if not items:
        typer.echo("You have no webhooks. `assay webhooks add URL` registers one.")
    for item in items:
        typer.echo(f"{item['webhook_id']}  {_state(item):<9}{item['url']}  {', '.join(item['event_types'])}")


@app.command("show")
def show(webhook_id: Id, as_json: AsJson = False) -> None:
    """Show one webhook: whether it is enabled, and if not, why."""
    with Client(connect()) as client:
        webhook = client.get(_path(webhook_id))
    if as_json:
        typer.echo(json.dumps(webhook))
        return
    for name, value in _described(webhook):
        typer.echo(f"{name:<16}{value}")


@app.command("change")
def change(
    webhook_id: Id,
    url: Annotated[str | None, typer.Option(help="Another address")] = None,
    event: Events = None,
    description: Description = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Send again, or nothing more for the time being")
    ] = None,
) -> None:
    """Change a webhook. --enable sends again, whatever it was disabled for; `replay` brings what was missed."""
    body = _given({"url": url, "event_types": event, "description": description, "enabled": enable})
    if not body:
        raise UsageError("say what is to change: --url, --event, --description, --enable or --disable")
    with Client(connect()) as client:
        webhook = client.send("PATCH", _path(webhook_id), body)
    typer.echo(f"{webhook['webhook_id']}  {_state(webhook)}  {webhook['url']}")


@app.command("rotate")
def rotate(webhook_id: Id, secret: SecretFile = None) -> None:
    """Give a webhook another secret. The one before signs beside it for a day."""
    with Client(connect()) as client:
        webhook = client.send("POST", f"{_path(webhook_id)}/secret", _given({"secret": _read(secret)}))
    typer.echo(f"secret  {webhook['secret']}  (not shown again; both sign until {webhook['previous_secret_until']})")


@app.command("test")
def test(webhook_id: Id) -> None:
    """Send a test event, and tell what the receiver said. Exit status 1 if it did not take it."""
    with Client(connect()) as client:
        sent = client.post(f"{_path(webhook_id)}/test")
        place = f"{_path(webhook_id)}/deliveries/{sent['delivery_id']}"
        ends = time.monotonic() + TEST_S
        while not (found := client.get(place))["log"] and time.monotonic() < ends:
            time.sleep(POLL_S)
    if not found["log"]:
        raise CommandError(f"not sent after {TEST_S:.0f} s; `assay webhooks deliveries {webhook_id}` tells when it is")
    (*_, first) = found["log"]
    if first["error"] is not None:
        raise CommandError(f"{first['error']}, after {first['duration_ms']} ms; it is tried again")
    typer.echo(f"delivered: {first['status_code']} after {first['duration_ms']} ms")


@app.command("deliveries")
def deliveries(
    webhook_id: Id,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first")] = 50,
    status: Annotated[str | None, typer.Option(help="Only pending, delivered, failed or skipped ones")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent, or is to be sent."""
    with Client(connect()) as client:
        items = list(islice(_log(client, webhook_id, status), limit))
    if as_json:
        typer.echo(json.dumps(items))
        return
    if not items:
        typer.echo("There are no deliveries.")
    for item in items:
        said = item["error"] or item["status_code"] or "-"
        words = (item["created_at"], item["delivery_id"], item["status"], item["event_type"], item["file_id"] or "-")
        typer.echo(f"{'  '.join(words)}  {item['attempts']} attempts: {said}")


@app.command("replay")
def replay(
    webhook_id: Id,
    delivery_ids: Annotated[list[str] | None, typer.Argument(metavar="DELIVERY_ID...", help="These")] = None,
    since: Moment = None,
    until: Moment = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was delivered, not only what was not")] = False,
) -> None:
    """Send deliveries again: these, or those of a time that failed or were skipped."""
    if bool(delivery_ids) == (since is not None):
        raise UsageError("say which: DELIVERY_ID..., or --since TIME")
    with Client(connect()) as client:
        for delivery_id in delivery_ids or ():
            client.post(f"{_path(webhook_id)}/deliveries/{quote(delivery_id, safe='')}/replay")
            typer.echo(f"{delivery_id}  is sent again")
        if since is not None:
            typer.echo(f"{_replay_range(client, webhook_id, since, until, everything)} deliveries are sent again")


@app.command("remove")
def remove(webhook_id: Id) -> None:
    """Remove a webhook with its log."""
    with Client(connect()) as client:
        client.delete(_path(webhook_id))
    typer.echo(f"{webhook_id} is removed")


def _replay_range(client: Client, webhook_id: str, since: datetime, until: datetime | None, everything: bool) -> int:
    # Of one moment for all requests: what fails anew meanwhile is not taken twice.
    ends = until or datetime.now(UTC)
    body = {
        "since": since.astimezone().isoformat(),
        "until": ends.astimezone().isoformat(),
        "status": ["failed", "skipped", *(["delivered"] if everything else [])],
    }
    count = 0
    while True:
        done = client.send("POST", f"{_path(webhook_id)}/replay", body)
        count += int(done["deliveries"])
        if not done["more"]:
            return count


def _log(client: Client, webhook_id: str, status: str | None) -> Iterator[Json]:
    cursor: str | None = None
    while True:
        page = client.get(f"{_path(webhook_id)}/deliveries", limit=PAGE, status=status, cursor=cursor)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _read(secret: typer.FileText | None) -> str | None:
    """A secret is no argument: those are seen by everybody on this machine, and kept by shells."""
    return None if secret is None else secret.read().strip()


def _path(webhook_id: str) -> str:
    return f"{PATH}/{quote(webhook_id, safe='')}"


def _given(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}


def _state(webhook: Json) -> str:
    if not webhook["enabled"]:
        return "disabled"
    return "failing" if webhook["failing_since"] else "enabled"


def _described(webhook: Json) -> Iterator[tuple[str, str]]:
    yield "webhook", webhook["webhook_id"]
    yield "url", webhook["url"]
    yield "events", ", ".join(webhook["event_types"])
    if webhook["description"]:
        yield "description", webhook["description"]
    yield "state", _state(webhook)
    if webhook["disabled"] is not None:
        yield "disabled", f"{webhook['disabled']['at']}: {webhook['disabled']['reason']}"
    if webhook["failing_since"] is not None:
        yield "failing since", webhook["failing_since"]
    yield "last delivered", webhook["last_delivered_at"] or "never"
    if webhook["previous_secret_until"] is not None:
        yield "old secret", f"signs until {webhook['previous_secret_until']}"
