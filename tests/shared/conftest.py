"""What the tests of the parallel consumer share."""

from collections.abc import AsyncIterator

import pytest
from support.consuming import Bench
from support.stacks import RunningParts
from support.topics import kafka_settings

from assay.contracts.topics import DEAD_LETTERS, Topic
from assay.shared import backoff
from assay.shared.kafka import Publisher, ensure_topics


@pytest.fixture(scope="package")
async def publisher(stack: RunningParts) -> AsyncIterator[Publisher]:
    settings = kafka_settings(stack.environment())
    await ensure_topics(settings, [DEAD_LETTERS])
    publisher = Publisher(settings, source="/assay/tests")
    await publisher.start()
    yield publisher
    await publisher.stop()


async def _bench(stack: RunningParts, publisher: Publisher, partitions: int) -> Bench:
    bench = Bench(stack.environment(), publisher)
    await ensure_topics(bench.settings, [Topic(bench.topic, "of a test", partitions)])
    return bench


@pytest.fixture
async def bench(stack: RunningParts, publisher: Publisher) -> Bench:
    """A topic of one partition."""
    return await _bench(stack, publisher, 1)


@pytest.fixture
async def wide_bench(stack: RunningParts, publisher: Publisher) -> Bench:
    """A topic of six partitions."""
    return await _bench(stack, publisher, 6)


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.005)
    monkeypatch.setattr(backoff, "GROWTH", 1.5)
