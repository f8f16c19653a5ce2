"""Events of the real log at receivers of the test: what is sent, to whom, how often."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from standardwebhooks.webhooks import Webhook as Verifier
from support.services import ServiceProcess, free_port, running_service

from assay.contracts import FileUploaded, RunCompleted
from assay.notify.webhooks.domain import EVENT_TYPES, TEST_TYPE
from assay.shared.clock import now
from assay.shared.kafka import Publisher
from notify.conftest import Owner
from notify.hooks import Hooks, Json, hooks_of
from notify.playing import SHA256, PlayedFile
from notify.receivers import Answer, Received, receiving

UPLOADED, COMPLETED, DELETED = "assay.file.uploaded.v1", RunCompleted.type, "assay.file.deleted.v1"
NewFile = Callable[..., PlayedFile]
# As conftest.py sets them.
GIVE_UP_S = 5.0


@pytest_asyncio.fixture
async def hooks(notify: ServiceProcess, owner: Owner) -> AsyncIterator[Hooks]:
    async with hooks_of(notify.url, owner.token) as mine:
        yield mine


@pytest_asyncio.fixture
async def stranger(notify: ServiceProcess, new_owner: Callable[[], Owner]) -> AsyncIterator[Hooks]:
    async with hooks_of(notify.url, new_owner().token) as theirs:
        yield theirs


def path(webhook: Json, *more: str) -> str:
    return "/".join(("", webhook["webhook_id"], *more))


async def first_event(stream: httpx.Response) -> str:
    """The first line that names an event."""
    return await anext(line async for line in stream.aiter_lines() if line.startswith("event:"))


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
        assert request.headers["traceparent"]
        shown = await hooks.ended(webhook, request.headers["webhook-id"])
        assert (shown["status"], shown["attempts"], shown["status_code"]) == ("delivered", 1, 200)
        assert shown["event_id"] == body["id"]
        assert shown["body"] == body
        assert (await hooks.show(webhook))["last_delivered_at"] is not None


async def test_only_what_was_asked_for_only_of_ones_own_and_each_once(
    hooks: Hooks, stranger: Hooks, new_file: NewFile, publisher: Publisher, owner: Owner
) -> None:
    async with receiving() as mine, receiving() as all_of_mine, receiving() as theirs:
        await hooks.register(mine.url, UPLOADED)
        await hooks.register(all_of_mine.url, *EVENT_TYPES)
        await stranger.register(theirs.url, *EVENT_TYPES)
        file = new_file()
        await file.upload()
        # The same event again, as a sender that lost the acknowledgement repeats it; and in the other lane.
        again = FileUploaded(
            occurred_at=now(), file_id=file.file_id, owner_id=owner.name, filename="photo.jpg", media_type="image/jpeg",
            size=1, sha256=SHA256, object_key=f"files/{file.file_id}/content",
        )  # fmt: skip
        await publisher.publish(again, topics=("assay.files", "assay.files.bulk"))
        await file.start()
        await file.complete()
        # Started, completed, run completed, uploaded and requested: the last of all is the run's end.
        everything = await all_of_mine.wait_for(5)
        assert sorted(each.type.split(".", 1)[1] for each in everything) == [
            "analysis.completed.v1", "analysis.started.v1", "file.uploaded.v1", "run.completed.v1", "run.requested.v1",
        ]  # fmt: skip
        assert len({each.headers["webhook-id"] for each in everything}) == 5
        last = new_file()
        await last.upload()
        # Of all partitions: what was repeated would have come before.
        assert [each.type for each in await mine.wait_for(2)] == [UPLOADED] * 2
        assert len({each.json["subject"] for each in mine.received}) == 2
        assert theirs.received == []


async def test_events_from_before_are_not_sent(
    hooks: Hooks, new_file: NewFile, publisher: Publisher, owner: Owner
) -> None:
    async with receiving() as receiver:
        await hooks.register(receiver.url, UPLOADED)
        old, new = new_file(), new_file()
        earlier = FileUploaded(
            occurred_at=now() - timedelta(hours=1), file_id=old.file_id, owner_id=owner.name, filename="photo.jpg",
            media_type="image/jpeg", size=1, sha256=SHA256, object_key=f"files/{old.file_id}/content",
        )  # fmt: skip
        await publisher.publish(earlier, topics=("assay.files",))
        new.file_id = old.file_id  # the same partition, so it is read later
        await new.upload()
        (request,) = await receiver.wait_for(1)
        assert request.json["data"]["occurred_at"] > earlier.occurred_at.isoformat()


async def test_a_failure_is_tried_again_with_growing_waits_under_the_same_id(hooks: Hooks) -> None:
    async with receiving() as receiver:
        receiver.answers = lambda _: Answer(500 if len(receiver.received) < 3 else 204, body=b"not yet")
        webhook = await hooks.register(receiver.url)
        shown = await hooks.test(webhook)
        assert (shown["status"], shown["attempts"], shown["error"]) == ("delivered", 3, None)
        assert [each["status_code"] for each in shown["log"]] == [204, 500, 500]
        assert shown["log"][-1]["response"] == "not yet"
        assert shown["log"][-1]["error"] == "answered 500"
        requests = receiver.received
        assert len({each.headers["webhook-id"] for each in requests}) == 1
        assert len({each.body for each in requests}) == 1
        first, second = (later.at - earlier.at for earlier, later in pairwise(requests))
        assert first >= 0.1
        assert second >= 0.4
        assert (await hooks.show(webhook))["failing_since"] is None
        for each in requests:
            Verifier(webhook["secret"]).verify(each.body, each.headers)


async def test_retry_after_is_waited_for(hooks: Hooks) -> None:
    async with receiving() as receiver:
        receiver.answers = lambda _: Answer(*((429, (("Retry-After", "2"),)) if len(receiver.received) < 2 else (200,)))
        webhook = await hooks.register(receiver.url)
        assert (await hooks.test(webhook))["status"] == "delivered"
        first, second = receiver.received
        assert second.at - first.at >= 1.9


async def test_gone_disables_at_once(hooks: Hooks) -> None:
    async with receiving() as receiver:
        receiver.answers = lambda _: Answer(410)
        webhook = await hooks.register(receiver.url)
        shown = await hooks.test(webhook)
        assert (shown["status"], shown["attempts"]) == ("failed", 1)
        found = await hooks.show(webhook)
        assert found["enabled"] is False
        assert found["disabled"]["code"] == "gone"
        assert "410" in found["disabled"]["reason"]
        problem = await hooks.ask("POST", path(webhook, "test"), answers=409)
        assert problem["code"] == "webhook_disabled"


async def test_after_its_time_of_failure_it_is_disabled_and_what_was_missed_can_be_replayed(
    hooks: Hooks, new_file: NewFile
) -> None:
    began = datetime.now(UTC)
    async with receiving() as receiver:
        receiver.answers = lambda _: Answer(500)
        webhook = await hooks.register(receiver.url, UPLOADED)
        first = new_file()
        await first.upload()
        found = await hooks.disabled(webhook)
        assert found["disabled"]["code"] == "failing"
        assert "answered 500" in found["disabled"]["reason"]
        span = datetime.fromisoformat(found["disabled"]["at"]) - datetime.fromisoformat(found["failing_since"])
        assert span >= timedelta(seconds=GIVE_UP_S - 0.1)
        (given_up,) = await hooks.log(webhook)
        assert given_up["status"] == "failed"
        # Four waits of a second and shorter ones before them.
        assert 4 <= given_up["attempts"] <= 14

        second = new_file()
        await second.upload()
        async with asyncio.timeout(40):
            while [each["status"] for each in await hooks.log(webhook)] != ["skipped", "failed"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        tried = len(receiver.received)
        receiver.answers = lambda _: Answer()
        enabled = await hooks.ask("PATCH", path(webhook), {"enabled": True}, answers=200)
        assert (enabled["enabled"], enabled["disabled"], enabled["failing_since"]) == (True, None, None)
        replayed = await hooks.ask("POST", path(webhook, "replay"), {"since": began.isoformat()}, answers=202)
        assert replayed == {"deliveries": 2, "more": False}
        sent = (await receiver.wait_for(tried + 2))[tried:]
        assert {each.json["subject"] for each in sent} == {str(first.file_id), str(second.file_id)}
        for each in await hooks.log(webhook):
            assert (await hooks.ended(webhook, each["delivery_id"]))["status"] == "delivered"
        # Those that succeeded are not sent again, unless they are asked for.
        again = await hooks.ask("POST", path(webhook, "replay"), {"since": began.isoformat()}, answers=202)
        assert again["deliveries"] == 0


async def test_one_delivery_is_replayed_under_its_id(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url)
        sent = await hooks.test(webhook)
        again = await hooks.ask("POST", path(webhook, "deliveries", sent["delivery_id"], "replay"), answers=202)
        assert again["status"] == "pending"
        first, second = await receiver.wait_for(2)
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == sent["delivery_id"]
        assert (await hooks.ended(webhook, sent["delivery_id"]))["attempts"] == 2


async def test_a_slow_receiver_is_in_nobodys_way(hooks: Hooks, stranger: Hooks, new_file: NewFile) -> None:
    async with receiving() as slow, receiving() as quick:
        let_go = asyncio.Event()

        async def slowly(_: Received) -> Answer:
            await let_go.wait()
            return Answer()

        slow.answers = slowly
        webhook = await hooks.register(slow.url, UPLOADED)
        files = [new_file() for _ in range(30)]
        for each in files:
            await each.upload()
        await slow.wait_for(4)
        other = await stranger.register(quick.url)
        for _ in range(5):
            assert (await stranger.test(other))["status"] == "delivered"
        let_go.set()
        seen: set[str] = set()
        async with asyncio.timeout(60):
            while len(seen) < len(files):
                await slow.wait_for(len(slow.received))
                seen = {each.json["subject"] for each in slow.received}
                await asyncio.sleep(0.05)
        assert seen == {str(each.file_id) for each in files}
        assert (await hooks.show(webhook))["enabled"]


async def test_deleting_a_file_leaves_nothing_of_it_in_the_log(hooks: Hooks, new_file: NewFile) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url, UPLOADED, COMPLETED, DELETED)
        gone, kept = new_file(), new_file()
        for file in (gone, kept):
            await file.upload("secret-name.jpg")
            await file.complete()
        await receiver.wait_for(4)
        await gone.delete()
        await gone.delete_in("assay.files.bulk")
        assert (await receiver.wait_for(5))[-1].type == DELETED
        # Late news of it, and then of the other in the same topics.
        await gone.upload("secret-name.jpg")
        await kept.request_run()
        await kept.complete()
        await receiver.wait_for(6)
        log = await hooks.log(webhook)
        assert [each["event_type"] for each in log if each["file_id"] == str(gone.file_id)] == [DELETED]
        assert len([each for each in log if each["file_id"] == str(kept.file_id)]) == 3
        details = await hooks.delivery(webhook, log[0]["delivery_id"])
        assert details["body"]


async def test_streams_do_not_wait_for_the_database_of_webhooks(
    notify_environment: dict[str, str], owner: Owner, tmp_path: Path
) -> None:
    nobody = f"postgresql+asyncpg://notify:x@127.0.0.1:{free_port()}/assay"
    service = ServiceProcess("notify", {**notify_environment, "ASSAY_DATABASE__URL": nobody}, tmp_path / "log")
    service.start(wait=False)
    try:
        async with hooks_of(service.url, owner.token) as hooks, asyncio.timeout(30):
            ready: Json = {}
            while not ready.get("kafka", {}).get("ok"):
                with suppress(httpx.TransportError):
                    ready = (await hooks.client.get("/readyz")).json()["dependencies"]
                await asyncio.sleep(0.1)
            assert not ready["webhooks"]["ok"]
            problem = await hooks.ask("GET", answers=503)
            assert problem["code"] == "unavailable"
            async with hooks.client.stream("GET", "/api/v1/events") as stream:
                assert stream.status_code == 200
                assert await first_event(stream) == "event: snapshot"
    finally:
        assert service.stop() == 0


@pytest.mark.proof
async def test_two_replicas_share_the_work(
    hooks: Hooks, notify_environment: dict[str, str], new_file: NewFile, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url, UPLOADED)
        with running_service("notify", {**notify_environment, "ASSAY_SLOT": "7"}, tmp_path):
            files = [new_file() for _ in range(60)]
            await asyncio.gather(*(each.upload() for each in files))
            requests = await receiver.wait_for(60)
        items = await hooks.log(webhook, limit=200)
        assert len(items) == len(receiver.received) == len(requests)
        assert {each.json["subject"] for each in requests} == {str(each.file_id) for each in files}
        for each in items:
            assert (await hooks.ended(webhook, each["delivery_id"]))["attempts"] == 1


@pytest.mark.proof
async def test_a_replica_that_is_killed_loses_nothing(
    hooks: Hooks, notify_environment: dict[str, str], new_file: NewFile, tmp_path: Path
) -> None:
    """Its partitions go to the others once its session ends, its deliveries once their leases do."""
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url, UPLOADED)
        with running_service("notify", {**notify_environment, "ASSAY_SLOT": "7"}, tmp_path) as other:
            files = [new_file() for _ in range(60)]
            await asyncio.gather(*(each.upload() for each in files))
            await receiver.wait_for(10)
            other.kill()
        wanted = {str(each.file_id) for each in files}
        heard = len(wanted)
        while {each.json["subject"] for each in await receiver.wait_for(heard, limit_s=100)} != wanted:
            heard = len(receiver.received) + 1
        items = await hooks.log(webhook, limit=200)
        assert {each["file_id"] for each in items} == wanted
        assert len(items) == len(wanted)
        repeated = len(receiver.received) - len(wanted)
        assert repeated <= 4, "no more than what was on its way when it was killed"


async def test_a_rotated_secret_signs_beside_the_new_one(hooks: Hooks) -> None:
    async with receiving() as receiver:
        given = "whsec_" + "QUJD" * 10
        webhook = await hooks.register(receiver.url, secret=given)
        assert webhook["secret"] == given
        assert "secret" not in await hooks.show(webhook)
        rotated = await hooks.ask("POST", path(webhook, "secret"), {}, answers=200)
        assert rotated["secret"] != given
        until = datetime.fromisoformat(rotated["previous_secret_until"])
        assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)
        await hooks.test(webhook)
        (request,) = receiver.received
        for secret in (given, rotated["secret"]):
            Verifier(secret).verify(request.body, request.headers)
        assert request.json["type"] == TEST_TYPE


async def test_the_log_comes_in_pages_that_miss_and_repeat_nothing(hooks: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url)
        sent = [(await hooks.test(webhook))["delivery_id"] for _ in range(7)]
        found: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            page = await hooks.ask("GET", path(webhook, "deliveries"), answers=200, limit=3, **cursor)
            found += [each["delivery_id"] for each in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert found == sent[::-1]
        assert await hooks.log(webhook, status="failed") == []
        assert len(await hooks.log(webhook, status="delivered", event_type=TEST_TYPE)) == 7
        problem = await hooks.ask("GET", path(webhook, "deliveries"), answers=422, cursor="nonsense")
        assert problem["code"] == "bad_delivery_cursor"


async def test_what_one_owner_has_another_does_not_see(hooks: Hooks, stranger: Hooks) -> None:
    async with receiving() as receiver:
        webhook = await hooks.register(receiver.url)
        sent = await hooks.test(webhook)
        one = path(webhook, "deliveries", sent["delivery_id"])
        for method, where, body in (
            ("GET", path(webhook), None),
            ("PATCH", path(webhook), {"description": "mine"}),
            ("DELETE", path(webhook), None),
            ("POST", path(webhook, "secret"), {}),
            ("POST", path(webhook, "test"), None),
            ("GET", path(webhook, "deliveries"), None),
            ("GET", one, None),
            ("POST", one + "/replay", None),
            ("POST", path(webhook, "replay"), {"since": "2026-01-01T00:00:00Z"}),
        ):
            problem = await stranger.ask(method, where, body, answers=404)
            assert problem["code"] == "webhook_not_found", (method, where)
        assert await stranger.ask("GET", answers=200) == {"items": []}
        theirs = await stranger.register(receiver.url)
        # A delivery of another webhook is not there either.
        problem = await stranger.ask("GET", path(theirs, "deliveries", sent["delivery_id"]), answers=404)
        assert problem["code"] == "delivery_not_found"


async def test_changing_disabling_and_removing(hooks: Hooks) -> None:
    async with receiving() as receiver, receiving() as other:
        webhook = await hooks.register(receiver.url, description="before")
        changed = await hooks.ask(
            "PATCH", path(webhook), {"url": other.url, "event_types": [DELETED, UPLOADED, DELETED]}, answers=200
        )
        assert (changed["url"], changed["event_types"], changed["description"]) == (
            other.url,
            [DELETED, UPLOADED],
            "before",
        )
        await hooks.test(webhook)
        assert (len(receiver.received), len(other.received)) == (0, 1)
        off = await hooks.ask("PATCH", path(webhook), {"enabled": False}, answers=200)
        assert off["disabled"]["code"] == "by_owner"
        assert [each["webhook_id"] for each in (await hooks.ask("GET", answers=200))["items"]] == [
            webhook["webhook_id"]
        ]
        assert await hooks.ask("DELETE", path(webhook), answers=204) == {}
        await hooks.ask("GET", path(webhook), answers=404)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "gopher://127.0.0.1/"}, "webhook_address_refused"),
        ({"url": "https://no-such-host.invalid/"}, "webhook_address_refused"),
        ({"url": "http://u:p@127.0.0.1/"}, "webhook_address_refused"),
        ({"url": "http://127.0.0.1/", "secret": "whsec_short"}, "webhook_secret_refused"),
        ({"url": "http://127.0.0.1/", "event_types": []}, "invalid_request"),
        ({"url": "http://127.0.0.1/", "event_types": ["assay.analyzer.registered.v1"]}, "invalid_request"),
        ({"url": "http://127.0.0.1/", "colour": "blue"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
async def test_refused_registrations_say_why(hooks: Hooks, body: Json, code: str) -> None:
    problem = await hooks.ask("POST", body=body, answers=422)
    assert problem["code"] == code
    assert problem["detail"]


async def test_an_owner_has_so_many_and_no_more(hooks: Hooks) -> None:
    wanted = {"url": "http://127.0.0.1:9/"}
    answers = await asyncio.gather(*(hooks.client.post("/api/v1/webhooks", json=wanted) for _ in range(8)))
    assert sorted(each.status_code for each in answers) == [201] * 5 + [409] * 3
