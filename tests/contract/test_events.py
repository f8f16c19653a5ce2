"""Events become Kafka records and come back, and readers bear what they do not know."""

import json
from uuid import UUID, uuid5

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from assay.contracts import EVENTS, Event, MalformedEventError, RunRequested, decode, encode, event_type
from assay.contracts.cloudevents import EventTooLargeError
from assay.contracts.topics import ALL, MAX_EVENT_BYTES

TYPES = sorted(EVENTS)


def test_every_type_has_an_example(examples: dict[str, Event]) -> None:
    assert sorted(examples) == TYPES


@pytest.mark.parametrize("name", TYPES)
def test_an_event_comes_back_as_it_was(name: str, examples: dict[str, Event]) -> None:
    event = examples[name]
    record = encode(event, source="/assay/test", carrier={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
    assert decode(record.value, record.headers) == event


@pytest.mark.parametrize("name", TYPES)
def test_the_envelope_is_cloudevents_in_binary_mode(name: str, examples: dict[str, Event]) -> None:
    event = examples[name]
    record = encode(event, source="/assay/test", carrier={"traceparent": "t"})
    headers = dict(record.headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == name.encode()
    assert headers["ce_source"] == b"/assay/test"
    assert headers["ce_time"] == b"2026-03-01T12:30:15.250000+00:00"
    assert headers["content-type"] == b"application/json"
    assert headers["traceparent"] == b"t"
    assert UUID(headers["ce_id"].decode()) == event.event_id
    assert headers["ce_subject"] == record.key == event.key.encode()
    assert event_type(record.headers) == name


@pytest.mark.parametrize("name", TYPES)
def test_a_body_follows_its_checked_in_schema(name: str, examples: dict[str, Event]) -> None:
    from assay.contracts.documents import checked_in

    schema = checked_in()[f"{name}.json"]
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(
        json.loads(encode(examples[name], source="/assay/test").value)
    )


@pytest.mark.parametrize("name", TYPES)
def test_ids_do_not_depend_on_when_an_event_is_made(name: str, examples: dict[str, Event]) -> None:
    event = examples[name]
    again = type(event).model_validate_json(event.model_dump_json())
    later = again.model_copy(update={"occurred_at": event.occurred_at.replace(year=2031)})
    assert later.event_id == event.event_id


def test_ids_are_those_of_the_contract(examples: dict[str, Event]) -> None:
    run: UUID = examples["assay.run.requested.v1"].run_id  # type: ignore[attr-defined]
    terminal = uuid5(run, "jpeg-forensics/terminal")
    assert examples["assay.analysis.completed.v1"].event_id == terminal
    assert examples["assay.analysis.failed.v1"].event_id == terminal, (
        "the first end of an analysis wins, whatever it is"
    )
    assert examples["assay.analysis.started.v1"].event_id == uuid5(run, "jpeg-forensics/started/1")
    assert examples["assay.analysis.progressed.v1"].event_id == uuid5(run, "jpeg-forensics/progressed/1/2")


def test_no_two_other_events_share_an_id(examples: dict[str, Event]) -> None:
    ids = [event.event_id for name, event in examples.items() if name != "assay.analysis.failed.v1"]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", TYPES)
def test_unknown_fields_are_ignored_at_every_depth(name: str, examples: dict[str, Event]) -> None:
    event = examples[name]
    record = encode(event, source="/assay/test")
    body = json.loads(record.value)
    for place in [value for value in body.values() if isinstance(value, dict)] + [body]:
        place["a_field_of_next_year"] = {"x": 1}
    read = decode(json.dumps(body).encode(), record.headers)
    assert read is not None
    assert read.event_id == event.event_id
    assert not hasattr(read, "a_field_of_next_year")


def test_unknown_types_tombstones_and_strangers_are_nothing() -> None:
    assert decode(b"{}", [("ce_type", b"assay.file.dreamt.v1")]) is None
    assert decode(None, [("ce_type", b"assay.run.completed.v1")]) is None
    assert decode(b"", []) is None
    assert decode(b"not json", [("ce_type", None), ("other", b"\xff\xfe")]) is None
    assert event_type([("ce_type", b"\xff")]) == "\ufffd"


def test_a_known_type_with_another_body_is_named() -> None:
    with pytest.raises(MalformedEventError, match=r"assay\.run\.requested\.v1: file_id"):
        decode(b'{"occurred_at": "2026-03-01T12:00:00Z", "file_id": "x"}', [("ce_type", b"assay.run.requested.v1")])
    with pytest.raises(MalformedEventError, match="body"):
        decode(b"not json", [("ce_type", b"assay.run.requested.v1")])


def test_a_time_without_a_zone_is_refused(examples: dict[str, Event]) -> None:
    body = examples["assay.run.requested.v1"].model_dump(mode="json") | {"deadline": "2026-03-01T12:00:00"}
    with pytest.raises(ValueError, match="timezone"):
        RunRequested.model_validate_json(json.dumps(body))


def test_an_event_over_256_kib_is_not_sent(examples: dict[str, Event]) -> None:
    event = examples["assay.file.uploaded.v1"].model_copy(update={"metadata": {"x": "y" * MAX_EVENT_BYTES}})
    with pytest.raises(EventTooLargeError, match="262144 are allowed"):
        encode(event, source="/assay/test")


def test_names_and_metadata_travel_in_uploaded_only() -> None:
    private = {"filename", "metadata", "declared_media_type"}
    assert [name for name, event in EVENTS.items() if private & event.model_fields.keys()] == ["assay.file.uploaded.v1"]


def test_every_event_of_a_file_names_its_owner_and_is_keyed_by_the_file(examples: dict[str, Event]) -> None:
    for name, event in examples.items():
        if name != "assay.analyzer.registered.v1":
            assert event.owner_id == "news-desk"  # type: ignore[attr-defined]
            assert event.key == str(event.file_id)  # type: ignore[attr-defined]


def test_every_event_goes_to_topics_that_exist() -> None:
    names = {topic.name for topic in ALL}
    assert all(event.topics and set(event.topics) <= names for event in EVENTS.values())
