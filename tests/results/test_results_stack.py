"""What the gateway asks of results on behalf of the whole stack."""

import re
from typing import Any

import httpx
from support.services import ServiceProcess, free_port

from assay.contracts import EVENTS
from assay.results.openapi import merge, operations
from assay.results.stack import Peers


async def test_the_stack_is_ready_when_all_are(results: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=results.url) as gateway:
        answer = await gateway.get("/stack/readyz")
        body = answer.json()
        assert (answer.status_code, body["status"]) == (200, "ready")
        assert [(each["service"], each["ok"]) for each in body["services"]] == [("results", True), ("upload", True)]
        assert all(each["latency_ms"] > 0 for each in body["services"])
        assert set(body["services"][1]["dependencies"]) >= {"postgresql", "kafka", "s3"}
        health = await gateway.get("/stack/healthz")
        assert (health.status_code, health.json()["status"]) == (200, "ok")


async def test_a_peer_that_does_not_answer_is_named() -> None:
    peers = Peers({"notify": [f"http://127.0.0.1:{free_port()}"]})
    try:
        [found] = await peers.ask_all("/readyz")
        assert (found["service"], found["ok"]) == ("notify", False)
        assert found["error"]
        assert await peers.documents() == ({}, ["notify"])
    finally:
        await peers.close()


async def test_documents_of_the_api(results: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=results.url) as gateway:
        openapi = (await gateway.get("/api/openapi.json")).json()
        assert openapi["openapi"] == "3.1.0"
        assert openapi["servers"] == [{"url": "https://assay.example"}]
        assert "/api/v1/files/{file_id}" in openapi["paths"]
        assert not [path for path in openapi["paths"] if path.startswith(("/internal", "/stack", "/healthz"))]
        names = [operation["operationId"] for _, _, operation in operations(openapi)]
        assert len(names) == len(set(names)) > 8
        for name in references(openapi):
            assert name in openapi["components"]["schemas"]
        asyncapi = (await gateway.get("/api/asyncapi.json")).json()
        assert asyncapi["asyncapi"].startswith("3.")
        page = (await gateway.get("/docs")).text
    for said in ("/api/v1/files/{file_id}", *EVENTS, "file_not_found", "ASSAY_DATABASE__URL", "assay_consumed"):
        assert said in page
    assert "http://" not in re.sub(r"<code>.*?</code>|<td>.*?</td>", "", page), "nothing is fetched from elsewhere"
    assert "<script" not in page


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rsplit("/", 1)[-1]} if "$ref" in value else set()
        return own.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


def document(schema: dict[str, Any], path: str) -> dict[str, Any]:
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}}
    return {
        "paths": {path: {"get": {"operationId": path, "responses": {**answer, "422": {"description": "theirs"}}}}},
        "components": {"schemas": {"Thing": schema, "HTTPValidationError": {}}},
    }


def test_schemas_of_one_name_keep_apart() -> None:
    number, text = {"type": "number"}, {"type": "string"}
    merged = merge({"a": document(number, "/a"), "b": document(text, "/b"), "c": document(number, "/c")}, server="x")
    schemas = merged["components"]["schemas"]
    assert (schemas["Thing"], schemas["BThing"]) == (number, text)
    assert set(schemas) == {"Thing", "BThing", "Problem"}
    assert references(merged["paths"]["/b"]) == {"BThing", "Problem"}
    assert references(merged["paths"]["/c"]) == {"Thing", "Problem"}
    assert "422" not in merged["paths"]["/a"]["get"]["responses"]
