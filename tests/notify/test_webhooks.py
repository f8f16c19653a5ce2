"""Events of the real log at receivers of the test: what is sent, to whom, how often."""

from collections.abc import AsyncIterator, Callable

import pytest_asyncio
from standardwebhooks.webhooks import Webhook as Verifier
from support.services import ServiceProcess

from assay.contracts import RunCompleted
from notify.conftest import Owner
from notify.hooks import Hooks, hooks_of
from notify.playing import PlayedFile
from notify.receivers import receiving

UPLOADED, COMPLETED, DELETED = "assay.file.uploaded.v1", RunCompleted.type, "assay.file.deleted.v1"
NewFile = Callable[..., PlayedFile]


@pytest_asyncio.fixture
async def hooks(notify: ServiceProcess, owner: Owner) -> AsyncIterator[Hooks]:
    async with hooks_of(notify.url, owner.token) as mine:
        yield mine


async def test_a_report_is_posted_signed_as_the_standard_says(hooks: Hooks, new_file: NewFile) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url)
        assert webhook["event_types"] == [COMPLETED]
        file = new_file()
        await file.upload()
        await file.complete()
        (request,) = await receiver.wait_for(1)
        body = Verifier(webhook["secret"]).verify(request.body, request.headers)
        assert body == request.json
        assert body["type"] == COMPLETED
        assert body["specversion"] == "1.0"
        assert body["data"]["report"]["label"] == "no_findings"
        assert body["subject"] == body["data"]["file_id"] == str(file.file_id)
        assert request.headers["content-type"].startswith("application/cloudevents+json")
        shown = await hooks.ended(webhook, request.headers["webhook-id"])
        assert (shown["status"], shown["attempts"], shown["status_code"]) == ("delivered", 1, 200)
        assert shown["event_id"] == body["id"]
        assert shown["body"] == body


async def test_it_works(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url)
        assert (await hooks.test(webhook))["status"] == "delivered"
