"""Streams: what an idle one costs, how fast events reach 1,000 readers, what remains of 10,000 that came and went.

One notify process, asked directly, without the gateway. The readers live in a process of their own (`bench.listeners`).
results is there while the first stream begins, which takes a snapshot; all others go on from its position, each owner
with a token of their own. Then it is stopped: it would read every event as well, on one of the two cores.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from support.processes import cpu_s, resident_mib
from support.services import ServiceProcess, running_service
from support.stacks import running_stack
from support.topics import kafka_settings

from assay.contracts import AnalysisProgressed
from assay.shared.auth import mint_token
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from bench import mercure
from bench.listeners import mark
from bench.rows import Aim, Row
from bench.workplace import Workplace

NOTIFY = ("notify_connection_kib", "notify_fanout", "notify_delay_p99_ms", "notify_soak_tasks", "notify_soak_mib")
OWNER = "bench"
HEARTBEAT_S = 5
DELAYED_EVENTS = 300
DELAYED_PER_S = 10
WARM_UP = 100
PATIENCE_S = 300.0


class Listeners:
    """The process with the readers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, what: str, **order: Any) -> dict[str, Any]:
        """Give an order and wait until it is carried out."""
        await self.begin(what, **order)
        return await self.answer()

    async def begin(self, what: str, **order: Any) -> None:
        """Give an order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **order}).encode() + b"\n")
        await self._process.stdin.drain()

    async def answer(self) -> dict[str, Any]:
        """What it says next. Raises RuntimeError where it has died."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the readers' process has ended; see what it said above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def expect(self, events: int, publish: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        """Publish, and wait until every reader has got so many events."""
        await self.begin("expect", events=events)
        await self.answer()
        _, answer = await asyncio.gather(publish(), self.answer())
        return answer


@asynccontextmanager
async def listeners(place: Workplace) -> AsyncIterator[Listeners]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.listeners",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=place.child_environment(),
    )
    try:
        yield Listeners(process)
    finally:
        process.kill()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Streams:
    """A notify that streams, and how to open one."""

    service: ServiceProcess
    environment: dict[str, str]
    last_id: str

    def opening(self, count: int, **more: Any) -> dict[str, Any]:
        """An order for the readers."""
        return {
            "count": count,
            "port": int(self.environment["ASSAY_HTTP__PORT"]),
            "path": "/api/v1/events",
            "secret": self.environment["ASSAY_AUTH__SECRET"],
            "headers": f"Last-Event-ID: {self.last_id}\r\n",
            **more,
        }

    async def metric(self, name: str) -> float:
        """One of its figures."""
        async with httpx.AsyncClient(base_url=self.service.url, timeout=30) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    async def until_readers(self, count: int) -> None:
        """Wait until it has so many."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.metric("assay_notify_readers") != count:  # noqa: ASYNC110  # another process' fact
                await asyncio.sleep(0.05)


async def notify(place: Workplace) -> list[Row]:
    """Memory, speed, delay; and that all of it comes back."""
    stack = running_stack(place.new_folder("stack"))
    running = await asyncio.to_thread(stack.__enter__)
    rows: list[Row] = []
    try:
        folder = place.new_folder("notify")
        for measure, names in ((_connections, NOTIFY[:1]), (_fanout, NOTIFY[1:3]), (_soak, NOTIFY[3:])):
            if not any(place.wants(name) for name in names):
                continue
            with running_service("results", running.environment("results"), folder) as results:
                environment = {
                    **running.environment("notify"),
                    "ASSAY_RESULTS_URL": results.url,
                    "ASSAY_HEARTBEAT": str(HEARTBEAT_S),
                    "ASSAY_LOG__FORMAT": "json",
                }
                service = await asyncio.to_thread(_started, environment, folder)
                try:
                    last_id = await _position(service, environment)
                    await asyncio.to_thread(results.stop)
                    async with listeners(place) as readers:
                        rows += await measure(place, Streams(service, service.environment, last_id), readers)
                finally:
                    await asyncio.to_thread(service.stop)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
    return rows


def _started(environment: dict[str, str], folder: Any) -> ServiceProcess:
    service = ServiceProcess("notify", environment, folder / "notify.log")
    try:
        service.start()
    except AssertionError:
        service.kill()
        raise
    return service


async def _position(service: ServiceProcess, environment: dict[str, str]) -> str:
    """The id that a first stream begins with."""
    token = mint_token(environment["ASSAY_AUTH__SECRET"], OWNER, ["user"])
    async with (
        httpx.AsyncClient(base_url=service.url, timeout=30) as client,
        client.stream("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}"}) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("id: "):
                return line.removeprefix("id: ")
    raise RuntimeError("the stream has no id")


async def _connections(place: Workplace, streams: Streams, readers: Listeners) -> list[Row]:
    """What one of many idle connections adds to the resident memory, each of another owner."""
    count = place.scale.connections
    await readers.do("churn", **streams.opening(WARM_UP))
    await streams.until_readers(0)
    before = resident_mib(streams.service.pid)
    opened = await readers.do("open", **streams.opening(count, owner="owner-{}"))
    await streams.until_readers(count)
    # Every one of them has been told where it is once more.
    await asyncio.sleep(1.5 * HEARTBEAT_S)
    after = resident_mib(streams.service.pid)
    tasks = await streams.metric("assay_notify_tasks")
    place.say(
        f"{opened['open']} connections opened in {opened['seconds']:.0f} s; resident {before:.0f} MiB before, "
        f"{after:.0f} MiB with them; {tasks:.0f} tasks"
    )
    value = (after - before) * 1024 / count
    baseline = await _mercure_connections(place, readers, count)
    return [Row("notify_connection_kib", value, "KiB", count, baseline, None if baseline else Aim("at most", 20))]


async def _fanout(place: Workplace, streams: Streams, readers: Listeners) -> list[Row]:
    """Events to readers who all listen to one owner: as fast as Kafka gives them, and one now and then."""
    count, events = place.scale.readers, place.scale.fanout
    publisher = Publisher(kafka_settings(streams.environment), source="/assay/bench")
    await publisher.start()
    topic = AnalysisProgressed.topics[0]

    async def flood(events: int) -> None:
        handed_over = [await publisher.hand_over(_progress(number), topic=topic) for number in range(events)]
        await asyncio.gather(*handed_over)

    async def drip() -> None:
        for number in range(DELAYED_EVENTS):
            await asyncio.gather(
                await publisher.hand_over(_progress(number), topic=topic), asyncio.sleep(1 / DELAYED_PER_S)
            )

    try:
        await readers.do("open", **streams.opening(count))
        await readers.expect(20, lambda: flood(20))
        began_cpu = cpu_s(streams.service.pid)
        fast = await readers.expect(events, lambda: flood(events))
        used_s = cpu_s(streams.service.pid) - began_cpu
        await readers.do("close")
        await streams.until_readers(0)
        await readers.do("open", **streams.opening(count, timed=True))
        slow = await readers.expect(DELAYED_EVENTS, drip)
        await readers.do("close")
    finally:
        await publisher.stop()
    place.say(
        f"{events} events to {count} readers in {fast['seconds']:.1f} s; a delivery takes "
        f"{used_s / fast['events'] * 1e6:.1f} µs of the service's CPU; delay p50 {slow['p50']:.1f} ms"
    )
    other = await _mercure_fanout(place, readers, count, events)
    rate = fast["events"] / fast["seconds"]
    return [
        Row("notify_fanout", rate, "events/s", fast["events"], other[0] if other else None),
        Row("notify_delay_p99_ms", slow["p99"], "ms", slow["events"], other[1] if other else None),
    ]


async def _soak(place: Workplace, streams: Streams, readers: Listeners) -> list[Row]:
    """Tasks and memory after so many have come and gone, over what they were after as many before."""
    count = place.scale.connections
    seen: list[tuple[float, float]] = []
    for _ in range(3):
        await readers.do("churn", **streams.opening(count, owner="owner-{}"))
        await streams.until_readers(0)
        seen.append((await streams.metric("assay_notify_tasks"), resident_mib(streams.service.pid)))
        place.say(f"after {count} connects and disconnects: {seen[-1][0]:.0f} tasks, {seen[-1][1]:.1f} MiB resident")
    return [
        Row("notify_soak_tasks", seen[-1][0] - seen[0][0], "tasks", count, aim=Aim("at most", 0)),
        Row("notify_soak_mib", seen[-1][1] - seen[0][1], "MiB", 2 * count, aim=Aim("at most", 2)),
    ]


def _progress(number: int) -> AnalysisProgressed:
    """An event of a usual size with a mark in it. Each of another file: all partitions have their part."""
    return AnalysisProgressed(
        occurred_at=now(), file_id=new_id(), owner_id=OWNER, run_id=new_id(), analyzer="bench", attempt=1,
        sequence=number + 1, stage=mark(), fraction=0.5,
    )  # fmt: skip


def _of_mercure(port: int, count: int, **more: Any) -> dict[str, Any]:
    """An order for readers of the hub. Its opening is a comment."""
    return {"count": count, "port": port, "path": f"{mercure.PATH}?topic={mercure.TOPIC}", "opened_by": "\n", **more}


async def _mercure_connections(place: Workplace, readers: Listeners, count: int) -> float | None:
    """KiB that an idle connection to Mercure takes; None where there is no binary."""
    program = mercure.binary()
    if program is None:
        return None
    await readers.do("close")
    with mercure.running_mercure(program, place.new_folder("mercure")) as (port, pid):
        await readers.do("churn", **_of_mercure(port, WARM_UP))
        before = resident_mib(pid)
        await readers.do("open", **_of_mercure(port, count))
        after = resident_mib(pid)
        await readers.do("close")
    place.say(f"Mercure: resident {before:.0f} MiB before, {after:.0f} MiB with {count} connections")
    return (after - before) * 1024 / count


async def _mercure_fanout(place: Workplace, readers: Listeners, count: int, events: int) -> tuple[float, float] | None:
    """Events a second and p99 of the delay at Mercure, the same events by HTTP; None where there is no binary."""
    program = mercure.binary()
    if program is None:
        return None
    headers = mercure.publisher_headers()
    limits = httpx.Limits(max_connections=50)
    with mercure.running_mercure(program, place.new_folder("mercure")) as (port, _):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits) as client:

            async def publish(number: int) -> None:
                body = _progress(number).model_dump_json()
                answer = await client.post(
                    mercure.PATH, data={"topic": mercure.TOPIC, "type": AnalysisProgressed.type, "data": body}
                )
                answer.raise_for_status()

            async def flood(events: int) -> None:
                async with asyncio.TaskGroup() as group:
                    for number in range(events):
                        group.create_task(publish(number))

            async def drip() -> None:
                for number in range(DELAYED_EVENTS):
                    await asyncio.gather(publish(number), asyncio.sleep(1 / DELAYED_PER_S))

            await readers.do("open", **_of_mercure(port, count))
            await readers.expect(20, lambda: flood(20))
            fast = await readers.expect(events, lambda: flood(events))
            await readers.do("close")
            await readers.do("open", **_of_mercure(port, count, timed=True))
            slow = await readers.expect(DELAYED_EVENTS, drip)
            await readers.do("close")
    place.say(f"Mercure: {events} events in {fast['seconds']:.1f} s; delay p50 {slow['p50']:.1f} ms")
    return fast["events"] / fast["seconds"], slow["p99"]
