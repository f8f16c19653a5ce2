"""A change that would break a subscriber is named; one that would not is let through. On made-up changes."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.contracts import compatibility, documents, generate
from assay.contracts.compatibility import breaking_changes

Documents = dict[str, Any]
COMPLETED = "assay.analysis.completed.v1.json"
RUN = "assay.run.completed.v1.json"
UPLOADED = "assay.file.uploaded.v1.json"


@pytest.fixture(scope="module")
def before() -> Documents:
    return dict(documents.documents())


def changed(before: Documents, change: Callable[[Documents], object]) -> list[str]:
    after = copy.deepcopy(before)
    change(after)
    return breaking_changes(before, after)


def put(*path: str, value: Any) -> Callable[[Documents], object]:
    def change(documents: Documents) -> None:
        target: Any = documents
        for name in path[:-1]:
            target = target[name]
        target[path[-1]] = value

    return change


def remove(*path: str) -> Callable[[Documents], object]:
    def change(documents: Documents) -> None:
        target: Any = documents
        for name in path[:-1]:
            target = target[name]
        del target[path[-1]]

    return change


def also_required(*path: str, name: str) -> Callable[[Documents], object]:
    def change(documents: Documents) -> None:
        target: Any = documents
        for step in path:
            target = target[step]
        target["required"].append(name)

    return change


def test_nothing_changed(before: Documents) -> None:
    assert breaking_changes(before, copy.deepcopy(before)) == []


BREAKING: list[tuple[str, Callable[[Documents], object], str]] = [
    ("a type is gone", remove(UPLOADED), "assay.file.uploaded.v1: the type is gone"),
    ("a field is gone", remove(UPLOADED, "properties", "sha256"), "assay.file.uploaded.v1.sha256: the field is gone"),
    (
        "another type",
        put(UPLOADED, "properties", "size", "type", value="string"),
        'assay.file.uploaded.v1.size: type changed from "integer" to "string"',
    ),
    (
        "another format",
        put(UPLOADED, "properties", "occurred_at", "format", value="date"),
        'assay.file.uploaded.v1.occurred_at: format changed from "date-time" to "date"',
    ),
    (
        "a new field that old records lack",
        lambda documents: (
            put(UPLOADED, "properties", "colour", value={"type": "string"})(documents),
            also_required(UPLOADED, name="colour")(documents),
        ),
        "assay.file.uploaded.v1.colour: a new field is required; records in the log lack it",
    ),
    (
        "required now",
        also_required(UPLOADED, name="declared_media_type"),
        "assay.file.uploaded.v1.declared_media_type: required now; records in the log lack it",
    ),
    (
        "no longer there for sure",
        lambda documents: documents[UPLOADED]["required"].remove("size"),
        "assay.file.uploaded.v1.size: no longer always there",
    ),
    (
        "a value taken out of a closed set",
        put(RUN, "properties", "status", "enum", value=["analyzed", "failed"]),
        'assay.run.completed.v1.status: the value "partially_analyzed" is gone',
    ),
    (
        "a value put into a closed set",
        lambda documents: documents[RUN]["properties"]["status"]["enum"].append("postponed"),
        'assay.run.completed.v1.status: the value "postponed" is new in a closed set',
    ),
    (
        "an open text becomes a closed set",
        put(UPLOADED, "properties", "media_type", "enum", value=["image/jpeg"]),
        'assay.file.uploaded.v1.media_type: enum changed from nothing to ["image/jpeg"]',
    ),
    (
        "deep inside, in a definition",
        remove(COMPLETED, "$defs", "Evidence", "properties", "weight"),
        "assay.analysis.completed.v1.verdict.evidence[].weight: the field is gone",
    ),
    (
        "inside one arm of a choice",
        put(
            COMPLETED, "$defs", "Verdict", "properties", "score", "anyOf", value=[{"type": "string"}, {"type": "null"}]
        ),
        'assay.analysis.completed.v1.verdict.score: type changed from "number" to "string"',
    ),
    (
        "null becomes possible",
        put(
            UPLOADED,
            "properties",
            "sha256",
            value={"anyOf": [{"type": "string", "pattern": "^[0-9a-f]{64}$"}, {"type": "null"}]},
        ),
        "assay.file.uploaded.v1.sha256: anyOf changed from nothing to",
    ),
    (
        "a limit is moved",
        put(COMPLETED, "$defs", "Verdict", "properties", "confidence", "maximum", value=100),
        "assay.analysis.completed.v1.verdict.confidence: maximum changed from 1 to 100",
    ),
    (
        "unknown fields are forbidden",
        put(UPLOADED, "additionalProperties", value=False),
        "assay.file.uploaded.v1: additionalProperties changed from nothing to false",
    ),
    ("a topic is gone", remove("asyncapi.json", "channels", "assay.verdicts"), "assay.verdicts: the topic is gone"),
    (
        "another number of partitions",
        put("asyncapi.json", "channels", "assay.files", "bindings", "kafka", "partitions", value=24),
        "assay.files: 12 partitions became 24; keys would change places",
    ),
    (
        "kept for a shorter time",
        put(
            "asyncapi.json",
            "channels",
            "assay.analyses",
            "bindings",
            "kafka",
            "topicConfiguration",
            "retention.ms",
            value=1000,
        ),
        "assay.analyses: retention.ms is shorter: 2592000000 became 1000",
    ),
    (
        "compacted instead of kept",
        put(
            "asyncapi.json",
            "channels",
            "assay.analyses",
            "bindings",
            "kafka",
            "topicConfiguration",
            "cleanup.policy",
            value=["compact"],
        ),
        "assay.analyses: cleanup.policy changed from ['delete'] to ['compact']",
    ),
    (
        "a type leaves its topic",
        remove("asyncapi.json", "channels", "assay.verdicts", "messages", "RunCompleted"),
        "assay.verdicts: RunCompleted is no longer on this topic",
    ),
    (
        "a header is gone",
        remove("asyncapi.json", "components", "messages", "RunCompleted", "headers", "properties", "ce_id"),
        "RunCompleted headers.ce_id: the field is gone",
    ),
    (
        "another key",
        put(
            "asyncapi.json",
            "components",
            "messages",
            "RunCompleted",
            "bindings",
            "kafka",
            "key",
            value={"type": "null"},
        ),
        'RunCompleted key: type changed from "string" to "null"',
    ),
]


@pytest.mark.parametrize(("change", "line"), [each[1:] for each in BREAKING], ids=[each[0] for each in BREAKING])
def test_what_breaks_a_subscriber_is_named(before: Documents, change: Callable[[Documents], object], line: str) -> None:
    assert any(found.startswith(line) for found in changed(before, change)), changed(before, change)


HARMLESS: list[tuple[str, Callable[[Documents], object]]] = [
    ("a new optional field", put(UPLOADED, "properties", "colour", value={"type": "string"})),
    ("a new type", lambda documents: documents.update({"assay.file.viewed.v1.json": {"type": "object"}})),
    ("other words", put(UPLOADED, "properties", "size", "description", value="How long it is")),
    (
        "a new topic",
        lambda documents: documents["asyncapi.json"]["channels"].update({"assay.views": {"address": "assay.views"}}),
    ),
    (
        "kept for longer",
        put(
            "asyncapi.json",
            "channels",
            "assay.files",
            "bindings",
            "kafka",
            "topicConfiguration",
            "retention.ms",
            value=10**12,
        ),
    ),
]


@pytest.mark.parametrize("change", [each[1] for each in HARMLESS], ids=[each[0] for each in HARMLESS])
def test_what_breaks_nobody_passes(before: Documents, change: Callable[[Documents], object]) -> None:
    assert changed(before, change) == []


def test_a_schema_that_holds_itself_is_compared_once() -> None:
    tree = {
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"}}}
        },
        "$ref": "#/$defs/Node",
    }
    other = copy.deepcopy(tree)
    other["$defs"]["Node"]["properties"]["name"] = {"type": "integer"}  # type: ignore[index]
    assert breaking_changes({"tree.json": tree}, {"tree.json": tree}) == []
    assert breaking_changes({"tree.json": tree}, {"tree.json": other}) == [
        'tree.name: type changed from "string" to "integer"'
    ]


def test_a_git_revision_is_compared_with_the_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "schemas"
    folder.mkdir()
    generate.write({"assay.file.dreamt.v1.json": {"type": "object"}}, folder)

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "core.hooksPath=/dev/null")
        subprocess.run(["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "a contract")
    assert compatibility.published("HEAD", folder) == {"assay.file.dreamt.v1.json": {"type": "object"}}
    assert compatibility.main(["HEAD"], folder) == 1
    assert "assay.file.dreamt.v1: the type is gone" in capsys.readouterr().err
    assert compatibility.main(["no-such-revision"], folder) == 2
    assert "no-such-revision" in capsys.readouterr().err
