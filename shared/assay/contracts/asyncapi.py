"""The AsyncAPI 3.0 document: every topic with its messages, made from the models and from `topics.py`."""

from typing import Any

from pydantic.json_schema import models_json_schema

from assay.contracts import dead_letters
from assay.contracts.base import Event, FileEvent
from assay.contracts.registry import EVENTS
from assay.contracts.topics import ALL, ANALYZERS, DEAD_LETTERS, VERDICTS, Topic

Json = dict[str, Any]

# The contract's version: minor when something optional is added, major never (a breaking change is a new type).
VERSION = "0.1.0"
KAFKA_BINDING = "0.5.0"
TOMBSTONES = {VERDICTS.name: "FileDeletedTombstone", ANALYZERS.name: "AnalyzerRetiredTombstone"}
DESCRIPTION = (
    "What Assay says about files, as CloudEvents 1.0 in Kafka binary mode: attributes in `ce_*` headers, the body as "
    "JSON. Records of one key keep their order within a topic. Ignore fields and types that you do not know. Delivery "
    "is at least once: drop repeats by `ce_id`. Of the ends of one analysis the first in the partition counts."
)


def document() -> Json:
    """The whole document, as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:assay:events",
        "info": {
            "title": "Assay's events",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrapServers}",
                "protocol": "kafka",
                "description": "`assay env` prints the address and the credentials",
                "variables": {
                    "bootstrapServers": {"description": "host:port, comma separated", "examples": ["localhost:9092"]}
                },
            }
        },
        "channels": {topic.name: _channel(topic) for topic in ALL},
        "operations": {f"send.{topic.name}": _operation(topic) for topic in ALL},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _types_on(topic: Topic) -> list[type[Event]]:
    return [event for event in EVENTS.values() if topic.name in event.topics]


def _message_names(topic: Topic) -> list[str]:
    if topic == DEAD_LETTERS:
        return [dead_letters.DeadLetter.__name__]
    names = [event.__name__ for event in _types_on(topic)]
    return [*names, TOMBSTONES[topic.name]] if topic.name in TOMBSTONES else names


def _channel(topic: Topic) -> Json:
    configuration: Json = {
        name: value.split(",") if name == "cleanup.policy" else int(value) for name, value in topic.config.items()
    }
    return {
        "address": topic.name,
        "title": topic.title,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _operation(topic: Topic) -> Json:
    pointer = "#/channels/" + topic.name.replace("~", "~0").replace("/", "~1")
    return {
        "action": "send",
        "channel": {"$ref": pointer},
        "title": f"Assay publishes to {topic.name}",
        "messages": [{"$ref": f"{pointer}/messages/{name}"} for name in _message_names(topic)],
    }


def _messages() -> Json:
    messages = {event.__name__: _event_message(event) for event in EVENTS.values()}
    messages[TOMBSTONES[VERDICTS.name]] = _tombstone(
        "The file was deleted: a record with its key and a null value", _key(is_file=True)
    )
    messages[TOMBSTONES[ANALYZERS.name]] = _tombstone(
        "The analyzer was retired: a record with its name as key and a null value", _key(is_file=False)
    )
    messages[dead_letters.DeadLetter.__name__] = _dead_letter()
    return messages


def _event_message(event: type[Event]) -> Json:
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": _first_line(event),
        "contentType": "application/json",
        "headers": _headers(event),
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": _binding(_key(is_file=issubclass(event, FileEvent))),
    }


def _headers(event: type[Event]) -> Json:
    return {
        "type": "object",
        "properties": {
            "ce_specversion": {"type": "string", "const": "1.0"},
            "ce_id": {"type": "string", "format": "uuid", "description": "The same for every redelivery"},
            "ce_type": {"type": "string", "const": event.type},
            "ce_source": {"type": "string", "format": "uri-reference", "examples": ["/assay/upload"]},
            "ce_subject": {"type": "string", "description": "The record's key"},
            "ce_time": {"type": "string", "format": "date-time", "description": "`occurred_at` of the body"},
            "content-type": {"type": "string", "const": "application/json"},
            "traceparent": {"type": "string", "description": "W3C trace context; one upload is one trace"},
        },
        "required": ["ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "content-type"],
    }


def _tombstone(summary: str, key: Json) -> Json:
    return {"name": "tombstone", "summary": summary, "payload": {"type": "null"}, "bindings": _binding(key)}


def _dead_letter() -> Json:
    text = {"type": "string"}
    return {
        "name": "dead letter",
        "title": dead_letters.DeadLetter.__name__,
        "summary": "A record that a consumer gave up on: its own key, value and headers, and these headers more",
        "headers": {
            "type": "object",
            "properties": {
                dead_letters.GROUP_HEADER: {**text, "description": "The consumer group that gave up"},
                dead_letters.ERROR_HEADER: {**text, "description": "The last error, one line"},
                dead_letters.ATTEMPTS_HEADER: {**text, "description": "How often it was tried, a decimal number"},
                dead_letters.ORIGIN_HEADER: {**text, "description": "topic/partition/offset of the original record"},
                dead_letters.AT_HEADER: {**text, "format": "date-time", "description": "When the group gave up"},
            },
            "required": [
                dead_letters.GROUP_HEADER,
                dead_letters.ERROR_HEADER,
                dead_letters.ATTEMPTS_HEADER,
                dead_letters.ORIGIN_HEADER,
                dead_letters.AT_HEADER,
            ],
        },
        "payload": {"description": "The original value, whatever it was"},
    }


def _key(*, is_file: bool) -> Json:
    if is_file:
        return {"type": "string", "format": "uuid", "description": "file_id"}
    return {"type": "string", "description": "The analyzer's name"}


def _binding(key: Json) -> Json:
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}


def _schemas() -> Json:
    _, schemas = models_json_schema(
        [(event, "validation") for event in EVENTS.values()], ref_template="#/components/schemas/{model}"
    )
    found: Json = schemas["$defs"]
    return found


def _first_line(event: type[Event]) -> str:
    return (event.__doc__ or "").strip().splitlines()[0]
