"""The checked-in documents are what the models say."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from assay.contracts import EVENTS, asyncapi, documents, generate
from assay.contracts.topics import ALL

ROOT = Path(__file__).parents[2]


@pytest.fixture
def document() -> dict[str, Any]:
    return documents.checked_in()["asyncapi.json"]


def test_checked_in_documents_are_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_difference_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([], folder=tmp_path) == 0
    (tmp_path / "assay.file.deleted.v1.json").write_text("{}\n")
    (tmp_path / "assay.file.dreamt.v1.json").write_text("{}\n")
    capsys.readouterr()
    assert generate.main(["--check"], folder=tmp_path) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "assay.file.deleted.v1.json, assay.file.dreamt.v1.json" in said
    assert "python -m assay.contracts.generate" in said


def test_a_breaking_change_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.main([], folder=tmp_path)
    path = tmp_path / "assay.file.deleted.v1.json"
    schema = json.loads(path.read_text())
    schema["properties"]["reason"] = {"type": "string"}
    path.write_text(json.dumps(schema))
    assert generate.main([], folder=tmp_path) == 1
    assert "assay.file.deleted.v1.reason: the field is gone" in capsys.readouterr().err
    assert json.loads(path.read_text()) == schema
    assert generate.main(["--accept-breaking"], folder=tmp_path) == 0
    assert generate.main(["--check"], folder=tmp_path) == 0


def test_the_documents_know_their_release(document: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "shared/assay/contracts/pyproject.toml").read_text())["project"]
    assert document["info"]["version"] == asyncapi.VERSION == project["version"]


def test_every_topic_is_a_channel_with_its_settings(document: dict[str, Any]) -> None:
    assert list(document["channels"]) == [topic.name for topic in ALL]
    for topic in ALL:
        channel = document["channels"][topic.name]
        binding = channel["bindings"]["kafka"]
        assert channel["address"] == binding["topic"] == topic.name
        assert binding["partitions"] == topic.partitions
        configured = binding["topicConfiguration"]
        assert ",".join(configured.pop("cleanup.policy")) == topic.config["cleanup.policy"]
        assert {name: str(value) for name, value in configured.items()} == {
            name: value for name, value in topic.config.items() if name != "cleanup.policy"
        }


def test_every_type_is_a_message_of_its_topics(document: dict[str, Any]) -> None:
    for name, event in EVENTS.items():
        message = document["components"]["messages"][event.__name__]
        assert message["name"] == name
        assert message["headers"]["properties"]["ce_type"] == {"type": "string", "const": name}
        on = [topic for topic, channel in document["channels"].items() if event.__name__ in channel["messages"]]
        assert tuple(on) == event.topics


def test_compacted_topics_tell_of_their_tombstones(document: dict[str, Any]) -> None:
    for name in ("assay.verdicts", "assay.analyzers"):
        messages = [resolve(document, each) for each in document["channels"][name]["messages"].values()]
        assert {"type": "null"} in [message["payload"] for message in messages]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = list(find_references(document))
    assert len(references) > 40
    for reference in references:
        assert isinstance(resolve(document, {"$ref": reference}), dict)


def test_operations_name_messages_of_their_channel(document: dict[str, Any]) -> None:
    assert len(document["operations"]) == len(ALL)
    for operation in document["operations"].values():
        assert operation["action"] == "send"
        channel = operation["channel"]["$ref"]
        assert [each["$ref"] for each in operation["messages"]] == [
            f"{channel}/messages/{name}" for name in resolve(document, operation["channel"])["messages"]
        ]


def test_payloads_and_headers_are_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for message in document["components"]["messages"].values():
        Draft202012Validator.check_schema(message.get("headers", {}))


def find_references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from find_references(each)
    elif isinstance(value, list):
        for each in value:
            yield from find_references(each)


def resolve(document: dict[str, Any], value: Any) -> Any:
    while "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        value = target
    return value
