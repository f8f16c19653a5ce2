"""The process: slow clients, clients that leave, the end, the trace, a results that lags behind."""

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from support.services import ServiceProcess, running_service
from support.stacks import RunningParts

from notify.conftest import Owner
from notify.event_source import listening
from notify.playing import PlayedFile

NewFile = Callable[..., PlayedFile]
LIMIT_S = 30.0


async def _metric(url: str, name: str) -> float:
    async with httpx.AsyncClient(base_url=url) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def _until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await fact():  # noqa: ASYNC110  # another process' fact: nothing here can be awaited
            await asyncio.sleep(0.05)


def _connect(notify: ServiceProcess, owner: Owner, path: str) -> socket.socket:
    """A client that has asked, and takes as little as it can."""
    where = urlsplit(notify.url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(LIMIT_S)
    client.connect((where.hostname, where.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.token}\r\n\r\n".encode())
    return client


async def test_a_slow_reader_is_cut_off_and_goes_on_by_id(
    notify_environment: dict[str, str], owner: Owner, new_file: NewFile, tmp_path: Path
) -> None:
    file = new_file()
    await file.upload()
    tight = {"ASSAY_READER__MAX_EVENTS": "4"}
    with running_service("notify", notify_environment | tight, tmp_path) as notify:
        with _connect(notify, owner, file.path) as client:
            head = b""
            while b"\nevent: snapshot" not in head:
                head += await asyncio.to_thread(client.recv, 100)
            last_id = head.partition(b"\nid: ")[2].partition(b"\n")[0].decode()
            # Far more than sockets and the buffer hold, for a client that reads nothing.
            sent = 0
            async with asyncio.timeout(LIMIT_S):
                while await _metric(notify.url, "assay_notify_cut_off_total") == 0:
                    for _ in range(5):
                        sent += 1
                        await file.progress(sent, stage="s" * 200_000)
            await _until(lambda: _is(notify.url, "assay_notify_readers", 0))
        async with listening(notify.url, file.path, owner.token, last_id=last_id) as source:
            heard: list[int] = []
            while len(heard) < sent:
                message = await source.next()
                if "sequence" in message.data:
                    heard.append(message.data["sequence"])
    assert heard == list(range(1, sent + 1))


async def _is(url: str, metric: str, value: float) -> bool:
    return await _metric(url, metric) == value


async def test_a_client_that_leaves_is_forgotten_and_sigterm_ends_streams_in_time(
    notify_environment: dict[str, str], owner: Owner, tmp_path: Path
) -> None:
    # Without heartbeats nothing but the connection itself tells that a client has left.
    with running_service("notify", notify_environment | {"ASSAY_HEARTBEAT": "600"}, tmp_path) as notify:
        with _connect(notify, owner, "/api/v1/events") as client:
            assert await asyncio.to_thread(client.recv, 200)
            assert await _is(notify.url, "assay_notify_readers", 1)
        await _until(lambda: _is(notify.url, "assay_notify_readers", 0))

        async with (
            listening(notify.url, "/api/v1/events", owner.token) as one,
            listening(notify.url, "/api/v1/events", owner.token) as two,
        ):
            for source in (one, two):
                await source.next()
            # This one never takes a byte.
            with _connect(notify, owner, "/api/v1/events"):
                await _until(lambda: _is(notify.url, "assay_notify_readers", 3))
                began = time.monotonic()
                stopping = asyncio.create_task(asyncio.to_thread(notify.stop))
                assert (await one.rest(), await two.rest()) == ([], [])
                assert time.monotonic() - began < 2
                assert await stopping == 0
        # Not all at once.
        assert one.retry_ms is not None
        assert two.retry_ms is not None
        assert {500 <= each.retry_ms <= 3000 for each in (one, two) if each.retry_ms} == {True}


async def test_an_event_that_is_heard_is_in_its_trace_once(
    notify: ServiceProcess, owner: Owner, new_file: NewFile, traces: Path
) -> None:
    from assay.shared import tracing

    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    file = new_file()
    await file.upload()
    async with (
        listening(notify.url, file.path, owner.token) as one,
        listening(notify.url, "/api/v1/events", owner.token) as two,
    ):
        await one.next()
        await two.next()
        parent = tracing.context_of([("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01".encode())])
        from opentelemetry import context

        token = context.attach(parent)
        try:
            await file.start()
        finally:
            context.detach(token)
        await one.until("assay.analysis.started.v1")
        await two.until("assay.analysis.started.v1")

    def spans() -> list[dict[str, object]]:
        path = traces / "notify.ndjson"
        lines = path.read_text().splitlines() if path.exists() else []
        ours = [span for span in map(json.loads, lines) if span["trace_id"] == trace_id]
        # Webhooks read the topics by themselves, in the same trace.
        return [span for span in ours if span["name"].startswith("deliver ")]

    async def written() -> bool:
        return bool(spans())

    await _until(written)
    assert [(span["name"], span["kind"], span["parent_id"]) for span in spans()] == [
        ("deliver assay.analysis.started.v1", "consumer", "00f067aa0ba902b7")
    ]


async def test_what_results_does_not_know_yet_comes_as_events(
    notify: ServiceProcess, owner: Owner, new_file: NewFile, stack: RunningParts
) -> None:
    """results is held up at its tables: the ring is far ahead of the snapshot."""
    file = new_file()
    await file.upload()
    engine = create_async_engine(stack.environment("results")["ASSAY_DATABASE__URL"])
    async with listening(notify.url, file.path, owner.token) as witness:
        await witness.next()
        async with engine.connect() as held:
            await held.execute(text("SELECT * FROM results.positions FOR UPDATE"))
            for sequence in (1, 2, 3):
                await file.progress(sequence)
            while (await witness.next()).data.get("sequence") != 3:
                pass
            async with listening(notify.url, file.path, owner.token) as source:
                assert (await source.next()).event == "snapshot"
                late: list[int] = []
                while late[-1:] != [3]:
                    message = await source.next()
                    if "sequence" in message.data:
                        late.append(message.data["sequence"])
                assert late == [1, 2, 3]
            await held.rollback()
    await engine.dispose()


def test_a_misspelt_setting_stops_the_start(notify_environment: dict[str, str], tmp_path: Path) -> None:
    service = ServiceProcess("notify", notify_environment | {"ASSAY_HEARTBEATS": "3"}, tmp_path / "log")
    with pytest.raises(AssertionError, match="did you mean ASSAY_HEARTBEAT"):
        service.start()
    assert service.stop() == 2
