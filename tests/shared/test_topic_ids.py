"""Topic ids, asked from the real broker."""

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from support.stacks import RunningParts
from support.topics import kafka_settings, make_again

from assay.contracts.topics import Topic
from assay.shared.ids import new_id
from assay.shared.kafka import ensure_topics
from assay.shared.topic_ids import topic_ids


async def test_a_topic_made_again_has_another_id(stack: RunningParts) -> None:
    settings = kafka_settings(stack.environment())
    one, two = f"test.{new_id()}", f"test.{new_id()}"
    topics = [Topic(one, "of a test", 3), Topic(two, "of a test", 1)]
    await ensure_topics(settings, topics)
    first = await topic_ids(settings, [one, two])
    assert set(first) == {one, two}
    assert first[one] != first[two]
    assert await topic_ids(settings, [one, two]) == first
    await make_again(settings, topics[:1])
    again = await topic_ids(settings, [one, two])
    assert again[one] != first[one]
    assert again[two] == first[two]


async def test_an_unknown_topic_is_an_error(stack: RunningParts) -> None:
    with pytest.raises(UnknownTopicOrPartitionError):
        await topic_ids(kafka_settings(stack.environment()), ["test.there-is-none"])
