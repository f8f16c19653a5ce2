"""The tailer against a broker that restarts, and topics that are made anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.topics import make_again

from assay.embedded.stack import Stack
from assay.notify.domain import Audience
from assay.notify.errors import ReplayRefusedError
from assay.notify.fanout import Fanout
from assay.notify.position import TOPICS
from assay.notify.reader import End, Reader
from assay.notify.replay import Replay
from assay.notify.ring import Ring
from assay.notify.settings import ReplaySettings, RingSettings
from assay.notify.tailer import Tailer
from assay.shared.kafka import Publisher, ensure_topics
from assay.shared.settings import KafkaSettings
from notify.playing import PlayedFile

LIMIT_S = 60.0
OWNER = "owner"


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """Nobody else's broker is stopped."""
    with Stack(tmp_path / "home") as stack:
        yield stack


@asynccontextmanager
async def publishing(kafka: KafkaSettings) -> AsyncIterator[Publisher]:
    publisher = Publisher(kafka, source="/assay/tests")
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def _until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not fact():  # noqa: ASYNC110  # a fact of the ring, which tells nobody
            await asyncio.sleep(0.02)


async def test_it_outlives_the_broker_and_notices_topics_made_anew(own_stack: Stack) -> None:
    lines = own_stack.environment("notify")
    prefix = "ASSAY_KAFKA__"
    kafka = KafkaSettings.model_validate(
        {name.removeprefix(prefix).lower(): value for name, value in lines.items() if name.startswith(prefix)}
    )
    await ensure_topics(kafka, TOPICS)
    async with publishing(kafka) as publisher:
        before = PlayedFile(publisher, OWNER)
        await before.upload()
    ring = Ring(max_events=1000, max_bytes=10_000_000)
    fanout = Fanout(ring)
    tailer = Tailer(kafka, RingSettings(), ring, fanout)
    await tailer.start()
    try:
        # What was there before is read up first.
        await tailer.caught_up()
        audience, everything = Audience(OWNER), (0,) * 36
        assert len(ring.since(audience, everything)) == 2
        reader = Reader(audience, ring.layout.everything, max_events=100, max_bytes=1_000_000)
        fanout.attach(reader)

        replay = Replay(kafka, ReplaySettings(max_records=1))
        slot = ring.since(audience, everything)[0].slot
        end = ring.high[slot]
        with pytest.raises(ReplayRefusedError, match="2 records to look at, 1 are allowed"):
            await replay.read(ring.layout, {slot: (0, end)}, audience, clamp=False)
        last = await replay.read(ring.layout, {slot: (end - 1, end)}, audience, clamp=False)
        assert [event.type for event in last] == ["assay.run.requested.v1"]
        await replay.stop()

        process = own_stack.processes["kafka"]
        process.signal_stop()
        await asyncio.to_thread(process.wait_stopped)
        with pytest.raises(Exception):  # noqa: B017  # whatever the client says: it is not ready
            async with asyncio.timeout(1):
                await tailer.check()
        await asyncio.to_thread(own_stack.start_again, process)
        part = next(each for each in own_stack.parts if each.name == "kafka")
        await asyncio.to_thread(own_stack.wait_ready, part)
        async with publishing(kafka) as publisher:
            after = PlayedFile(publisher, OWNER)
            await after.upload()
        await _until(lambda: len(ring.since(audience, everything)) == 4)
        heard = [entry.event for entry in iter(reader.pop, None)]
        assert [event.file_id for event in heard if event is not None] == [after.file_id] * 2
        await tailer.check()
        assert reader.end is None

        layout = ring.layout
        await make_again(kafka, TOPICS)
        # As a new stream does that is told of other ids.
        tailer.doubt()
        await _until(lambda: ring.layout != layout)
        assert reader.end is End.RESET
        fanout.detach(reader)
        async with publishing(kafka) as publisher:
            anew = PlayedFile(publisher, OWNER)
            await anew.upload()
        await _until(lambda: len(ring.since(audience, everything)) == 2)
    finally:
        await tailer.stop()
