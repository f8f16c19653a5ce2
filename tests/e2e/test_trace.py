"""One upload is one trace through every hop, and `assay logs --trace` tells it."""

import json
import time
from typing import Any

from support.product import SAMPLES, Product

CALLER = "00f067aa0ba902b7"
HOPS = {"upload", "inference", "results", "notify"}


def _spans(product: Product, trace_id: str) -> list[dict[str, Any]]:
    spans = []
    for path in (product.home / "traces").glob("*.ndjson"):
        for line in path.read_text().splitlines():
            span = json.loads(line)
            if span["trace_id"] == trace_id:
                spans.append(span)
    return spans


def _hops(spans: list[dict[str, Any]]) -> set[str]:
    return {span["service"] for span in spans}


def _in_the_air(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Spans whose parent is neither another one nor the caller's."""
    known = {span["span_id"] for span in spans} | {CALLER}
    return [span for span in spans if span["parent_id"] not in known]


def test_one_trace_covers_every_service(product: Product) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"traceparent": f"00-{trace_id}-{CALLER}-01"}
    # notify has a span for what somebody hears: the stream is open before there is anything to hear.
    heard = product.stream("/api/v1/events")
    assert next(heard).event == "snapshot"
    with product.client() as client, (SAMPLES / "ai-signed.jpg").open("rb") as file:
        answer = client.post("/api/v1/files", files={"file": file}, data={"force": "true"}, headers=parent)
    assert answer.status_code == 202
    assert answer.headers["trace-id"] == trace_id
    assert any(
        message.event == "assay.run.completed.v1" and message.data["file_id"] == answer.json()["file_id"]
        for message in heard
    )

    # Every process writes its spans every half second, and a parent ends after its children.
    deadline = time.monotonic() + 20
    spans = _spans(product, trace_id)
    while time.monotonic() < deadline and (_hops(spans) != HOPS or _in_the_air(spans)):
        time.sleep(0.2)
        spans = _spans(product, trace_id)
    assert _hops(spans) == HOPS
    assert _in_the_air(spans) == []

    told = product.command("logs", "--trace", trace_id).stdout
    for hop in HOPS:
        assert hop in told
