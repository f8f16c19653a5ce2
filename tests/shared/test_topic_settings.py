"""Topics of an earlier version, on the real broker."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs
from support.stacks import RunningParts
from support.topics import kafka_settings

from assay.contracts.topics import Topic
from assay.shared.ids import new_id
from assay.shared.kafka import connection, ensure_topics
from assay.shared.settings import KafkaSettings

HOUR = str(60 * 60 * 1000)
DAY = str(24 * 60 * 60 * 1000)
WEEK = str(7 * 24 * 60 * 60 * 1000)


async def settings_of(settings: KafkaSettings, topic: str) -> dict[str, str]:
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    finally:
        await admin.close()
    ((_, _, _, _, entries),) = answer.resources
    return {entry[0]: entry[1] for entry in entries}


async def test_what_a_topic_lacks_is_added_and_what_somebody_set_stays(stack: RunningParts) -> None:
    settings, name = kafka_settings(stack.environment()), f"test.{new_id()}"
    await ensure_topics(settings, [Topic(name, "of a test", 1, {"retention.ms": WEEK, "min.insync.replicas": "1"})])
    now = Topic(name, "of a test", 1, {"retention.ms": DAY, "segment.ms": HOUR, "max.compaction.lag.ms": DAY})
    with capture_logs() as logged:
        await ensure_topics(settings, [now])
        await ensure_topics(settings, [now])
    found = await settings_of(settings, name)
    assert (found["segment.ms"], found["max.compaction.lag.ms"]) == (HOUR, DAY)
    assert (found["retention.ms"], found["min.insync.replicas"]) == (WEEK, "1")
    assert [each["topic"] for each in logged if each["event"] == "topic_settings_added"] == [name]


async def test_what_kafka_refuses_is_told_and_stops_nobody(stack: RunningParts) -> None:
    settings, name = kafka_settings(stack.environment()), f"test.{new_id()}"
    await ensure_topics(settings, [Topic(name, "of a test", 1, {"retention.ms": WEEK})])
    with capture_logs() as logged:
        await ensure_topics(settings, [Topic(name, "of a test", 1, {"segment.ms": "never"})])
    (told,) = [each for each in logged if each["event"] == "topic_settings_not_added"]
    assert (told["topic"], told["wanted"]) == (name, {"segment.ms": "never"})
