"""Topics that an earlier version made get the settings that they lack; what an operator has set stays.

aiokafka knows only the request that replaces all settings of a topic. IncrementalAlterConfigs (KIP-339), which brokers
answer since Kafka 2.3, is defined here with its protocol types.
"""

from collections.abc import Mapping, Sequence

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from assay.contracts.topics import Topic

log = structlog.get_logger(__name__)

TOPIC = 2  # a resource's type
SET = 0  # an operation
OF_THE_TOPIC = 1  # a setting's source; others are the broker's


class _AlterResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterRequestV0(RequestStruct):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _AlterResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("config_operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterRequest(Request[_AlterRequestV0]):  # type: ignore[misc]
    API_KEY = 44

    def __init__(self, wanted: Mapping[str, Mapping[str, str]]) -> None:
        self._resources = [
            (TOPIC, topic, [(name, SET, value) for name, value in config.items()]) for topic, config in wanted.items()
        ]

    def build(self, request_struct_class: type[_AlterRequestV0]) -> _AlterRequestV0:
        return request_struct_class(self._resources, False)


async def add_missing(client: AIOKafkaClient, topics: Sequence[Topic]) -> None:
    """Give topics that are there what they lack of `Topic.config`. Where Kafka refuses, the log says so and no more."""
    try:
        missing = await _missing(client, topics)
        if not missing:
            return
        response = await client.send(client.get_random_node(), _AlterRequest(missing))
    except KafkaError as error:
        log.warning("topic_settings_not_added", reason=str(error) or type(error).__name__)
        return
    for code, text, _, topic in response.responses:
        if code:
            log.warning(
                "topic_settings_not_added", topic=topic, wanted=missing[topic], reason=text or for_code(code).__name__
            )
        else:
            log.info("topic_settings_added", topic=topic, added=missing[topic])


async def _missing(client: AIOKafkaClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    asked = [(TOPIC, topic.name, list(topic.config)) for topic in topics]
    response = await client.send(client.get_random_node(), DescribeConfigsRequest(asked, False))
    present: dict[str, set[str]] = {}
    for code, text, _, topic, entries in response.resources:
        if code:
            raise for_code(code)(f"topic {topic}: {text}")
        # Name, value, whether it is read-only, source, …
        present[topic] = {entry[0] for entry in entries if entry[3] == OF_THE_TOPIC}
    lacking = {
        topic.name: {name: value for name, value in topic.config.items() if name not in present[topic.name]}
        for topic in topics
    }
    return {topic: config for topic, config in lacking.items() if config}
