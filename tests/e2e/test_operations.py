"""What operators do on a running product: replay dead letters, reach older files, take an analyzer out."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from support.product import SAMPLES, Product
from support.topics import kafka_settings

from assay.contracts import AnalyzerManifest, AnalyzerRegistered, RunRequested, encode
from assay.contracts.dead_letters import DeadLetter
from assay.contracts.topics import DEAD_LETTERS
from assay.shared.clock import now
from assay.shared.kafka import Publisher

T = TypeVar("T")
Record = tuple[str, bytes, bytes | None, Sequence[tuple[str, bytes | None]]]


def send(product: Product, *records: Record) -> None:
    """Write records as any Kafka client may."""
    lines = dict(line.split("=", 1) for line in product.command("env").stdout.split() if "=" in line)
    settings = kafka_settings({name: value.strip("'\"") for name, value in lines.items()})

    async def publish() -> None:
        publisher = Publisher(settings, source="/test")
        await publisher.start()
        try:
            for record in records:
                await publisher.send(*record)
        finally:
            await publisher.stop()

    asyncio.run(publish())


def eventually(look: Callable[[], T | None], what: str, seconds: float = 40.0) -> T:
    """The first answer that is neither None nor empty."""
    until = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, what
        time.sleep(0.2)


def letters(product: Product, group: str, key: str) -> list[dict[str, Any]]:
    with product.client() as client:
        body = client.get("/api/v1/dead-letters", params={"group": group, "limit": 500}).json()
    return [each for each in body["items"] if each["key"] == key]


def file_when(product: Product, file_id: str, fact: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    with product.client() as client:

        def look() -> dict[str, Any] | None:
            body: dict[str, Any] = client.get(f"/api/v1/files/{file_id}").json()
            return body if fact(body) else None

        return eventually(look, what)


def is_analyzed(number: int) -> Callable[[dict[str, Any]], bool]:
    return lambda file: (file["run"] or {}).get("run_number") == number and file["status"] == "analyzed"


def test_a_record_that_nobody_can_read_is_listed_shown_and_sent_back(product: Product) -> None:
    key = str(uuid4())
    send(product, ("assay.files", key.encode(), b"{", [("ce_type", b"assay.run.requested.v1"), ("odd", b"\xff")]))
    groups = ("assay.results", "assay.inference.provenance", "assay.inference.jpeg-forensics")
    first = {group: eventually(lambda group=group: letters(product, group, key), group)[0] for group in groups}
    letter = first["assay.results"]
    position = f"{letter['partition']}/{letter['offset']}"

    (line,) = [
        each
        for each in product.command("dead-letters", "list", "--group", "assay.results").stdout.splitlines()
        if each.startswith(f"{position} ")
    ]
    assert "assay.run.requested.v1" in line
    assert "MalformedEventError" in line
    shown = product.command("dead-letters", "show", position).stdout
    for words in ("assay.results", key, "odd: (base64) /w==", letter["origin"], f"replay {position}"):
        assert words in shown

    assert "sent back" in product.command("dead-letters", "replay", position).stdout
    # It is as bad as before: its group gives up again, and the groups that it was not for never saw it.
    eventually(lambda: len(letters(product, "assay.results", key)) == 2, "the second dead letter")
    assert [len(letters(product, group, key)) for group in groups] == [2, 1, 1]
    again = product.command("dead-letters", "replay", position).stdout
    assert "was replayed at" in again
    assert "(replayed)" in product.command("dead-letters").stdout
    assert len(letters(product, "assay.results", key)) == 2


def test_an_analysis_is_replayed_as_a_run_with_its_analyzer_only(product: Product) -> None:
    file = product.report(SAMPLES / "ai-signed.jpg")
    file_id, run = file["file_id"], file["run"]
    event = RunRequested(
        occurred_at=now(),
        file_id=UUID(file_id),
        owner_id=product.owner,
        run_id=UUID(run["run_id"]),
        run_number=1,
        plan=("jpeg-forensics", "provenance"),
        deadline=datetime.fromisoformat(run["deadline"]),
        media_type=file["media_type"],
        size=file["size"],
        sha256=file["sha256"],
        object_key=f"files/{file_id}/content",
    )
    group = "assay.inference.provenance"
    record = encode(event, source="/assay/upload")
    letter = DeadLetter(
        occurred_at=now(), group=group, error="WorkerDied: three times", attempts=3,
        topic="assay.files", partition=0, offset=0,
    )  # fmt: skip
    send(product, (DEAD_LETTERS.name, record.key, record.value, [*record.headers, *letter.headers()]))
    (found,) = eventually(lambda: letters(product, group, file_id), "the dead letter")
    position = f"{found['partition']}/{found['offset']}"
    shown = product.command("dead-letters", "show", position).stdout
    assert f"provenance in run {run['run_id']}" in shown
    assert "a new run with that analyzer" in shown

    assert f"run 2 of file {file_id}" in product.command("dead-letters", "replay", "--group", group).stdout
    assert f"run 2 of file {file_id}" in product.command("dead-letters", "replay", position).stdout
    second = file_when(product, file_id, is_analyzed(2), "run 2")
    assert [each["analyzer"] for each in second["run"]["analyses"]] == ["provenance"]
    assert second["run"]["report"]["label"] == "synthetic"
    assert "synthetic" in product.command("status", file_id).stdout
    with product.client() as client:
        first = client.get(f"/api/v1/files/{file_id}/runs/1").json()
        assert first["run_id"] == run["run_id"]
        assert first["report"] == run["report"]
        assert client.get(f"/api/v1/files/{file_id}/runs/3").status_code == 404
    # A stream until the report ends with run 2.
    seen = list(product.stream(f"/api/v1/files/{file_id}/events?until=completed"))
    assert seen[0].data["run"]["run_number"] == 2


def test_a_run_asked_for_is_found_at_the_address_that_is_answered(product: Product) -> None:
    file = product.report(SAMPLES / "landscape.jpg")
    with product.client() as client:
        answer = client.post(f"/api/v1/files/{file['file_id']}/runs", json={"analyzers": ["jpeg-forensics"]})
        assert answer.status_code == 202, answer.text
        run = client.get(answer.headers["Location"])
        assert run.status_code == 200, run.text
        assert (run.json()["run_number"], run.json()["run_id"]) == (2, answer.json()["run_id"])
    analyzed = file_when(product, file["file_id"], is_analyzed(2), "run 2")
    assert [each["analyzer"] for each in analyzed["run"]["analyses"]] == ["jpeg-forensics"]


def test_a_retired_analyzer_comes_back_and_is_backfilled(product: Product) -> None:
    manifests = {each["name"]: each for each in json.loads(product.command("analyzers", "list", "--json").stdout)}
    manifest = AnalyzerManifest.model_validate(manifests["provenance"])
    event = encode(AnalyzerRegistered(occurred_at=now() + timedelta(seconds=1), manifest=manifest), source="/test")

    def plan() -> list[str]:
        accepted: list[str] = product.submit(SAMPLES / "landscape.jpg", force=True)["plan"]
        return accepted

    assert "is retired" in product.command("analyzers", "retire", "provenance").stdout
    try:
        # Both of the upload services soon have read it; a file of each.
        eventually(lambda: all("provenance" not in plan() for _ in range(4)), "plans without it")
        without = product.submit(SAMPLES / "ai-signed.jpg")
        assert "jpeg-forensics" in without["plan"]
        assert "provenance" not in without["plan"]
        eventually(lambda: "provenance" not in product.command("analyzers").stdout, "the list without it")
        refused = product.command("analyzers", "backfill", "provenance", check=False)
        assert refused.returncode == 1
        assert "analyzer_not_found" in refused.stderr
    finally:
        # As its worker does when it starts.
        send(product, ("assay.analyzers", event.key, event.value, event.headers))
    eventually(lambda: all("provenance" in plan() for _ in range(4)), "plans with it")

    narrow = ("--media-type", "image/jpeg", "--since", datetime.now().strftime("%Y-%m-%d"))
    counted = product.command("analyzers", "backfill", "provenance", *narrow, "--dry-run").stdout.split()
    assert int(counted[2]) >= 5, counted
    one = product.command("analyzers", "backfill", "provenance", *narrow, "--limit", "1").stdout
    assert " 1 requested" in one
    asked = product.command("analyzers", "backfill", "provenance").stdout.split()
    assert int(asked[2]) >= int(counted[2]) - 1
    again = product.command("analyzers", "backfill", "provenance").stdout
    assert " 0 requested" in again
    file = file_when(product, without["file_id"], is_analyzed(2), "the backfilled run")
    assert [each["analyzer"] for each in file["run"]["analyses"]] == ["provenance"]
    assert file["run"]["report"]["label"] == "synthetic"
