"""`assay webhooks` as a person types it, against the real notify."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from support.services import ServiceProcess
from typer.testing import CliRunner, Result

from assay.cli.commands.webhooks import app
from assay.cli.errors import CommandError, UsageError
from notify.conftest import Owner
from notify.receivers import Answer, receiving

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def command(notify: ServiceProcess, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("ASSAY_PUBLIC_URL", notify.url)
    monkeypatch.setenv("ASSAY_TOKEN", owner.token)

    async def run(*words: str, typed: str | None = None) -> Result:
        # In a thread: the receiver that is to answer lives in this one.
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), input=typed)

    return run


async def said(running: Awaitable[Result]) -> str:
    """What a command that goes well prints."""
    done = await running
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


async def test_a_webhook_from_its_registration_to_its_removal(command: Command) -> None:
    assert "no webhooks" in await said(command("list"))
    async with receiving() as receiver:
        printed = await said(command("add", receiver.url, "--description", "for the newsroom"))
        webhook_id = printed.split()[0]
        assert "assay.run.completed.v1" in printed
        assert "whsec_" in printed
        assert webhook_id in await said(command("list"))
        assert (await said(command("test", webhook_id))).startswith("delivered: 200 after ")
        (line,) = (await said(command("deliveries", webhook_id, "--status", "delivered"))).splitlines()
        assert line.endswith("1 attempts: 200")
        delivery_id = line.split()[1]
        await said(command("replay", webhook_id, delivery_id))
        await receiver.wait_for(2)

        receiver.answers = lambda _: Answer(410)
        failed = await command("test", webhook_id)
        assert isinstance(failed.exception, CommandError)
        assert "answered 410" in str(failed.exception)
        shown = await said(command("show", webhook_id))
        assert "disabled" in shown
        assert "410 Gone" in shown
        receiver.answers = lambda _: Answer()
        assert "enabled" in await said(command("change", webhook_id, "--enable"))
        assert "1 deliveries" in await said(command("replay", webhook_id, "--since", "2026-01-01"))
        await receiver.wait_for(4)
        given = "whsec_" + "QUJD" * 8
        assert given in await said(command("rotate", webhook_id, "--secret-from", "-", typed=given + "\n"))
        items = json.loads(await said(command("list", "--json")))
        assert [each["webhook_id"] for each in items] == [webhook_id]
        await said(command("remove", webhook_id))
        gone = await command("show", webhook_id)
        assert "webhook_not_found" in str(gone.exception)


async def test_what_was_typed_wrong_is_said(command: Command) -> None:
    for words in (("replay", "x"), ("change", "x")):
        done = await command(*words)
        assert isinstance(done.exception, UsageError)
