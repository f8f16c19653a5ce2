"""A file goes in by Kafka and S3; verdict and artifacts come out the same way."""

import hashlib
import io
import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

import numpy as np
import pytest

from assay.contracts import AnalysisProgressed, FileDerived
from assay.contracts.topics import MAX_EVENT_BYTES
from assay.shared import tracing
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.settings import TraceSettings
from inference.lab import Lab, kinds

pytestmark = pytest.mark.usefixtures("worker")

WEIGHTS = "90c40544450c278bdb878bbbca8d8cc18379eb3a1a09d81aa8adaac125471704"


def picture(value: int, width: int = 640, height: int = 480) -> bytes:
    return f"P5\n{width} {height}\n255\n".encode() + bytes([value]) * (width * height)


async def content_of(lab: Lab, key: str, folder: Path) -> bytes:
    path = folder / "object"
    await lab.store.download(key, path)
    return path.read_bytes()


async def test_a_picture_gets_a_verdict_with_evidence_and_an_artifact(lab: Lab, tmp_path: Path) -> None:
    request = await lab.request(picture(204), plan=("brightness", "somebody-else"))
    events = await lab.ended(request, "brightness")

    assert kinds(events) == ["started", "completed"]
    started, completed = events[:2]
    run = request.run_id
    assert started.id == str(uuid5(run, "brightness/started/1"))
    assert completed.id == str(uuid5(run, "brightness/terminal"))
    assert (started.event.version, started.event.attempt, started.event.device) == ("1.2.3", 1, "cpu")
    assert completed.event.duration_ms > 0
    verdict = completed.event.verdict
    assert (verdict.label, verdict.claim, verdict.score, verdict.confidence) == ("bright", "bright", 0.8, 0.9)
    assert verdict.evidence[0].text == "The mean is 0.80."
    assert verdict.details["pixels"] == [480, 640]
    assert verdict.weights_sha256 == WEIGHTS

    assert verdict.artifacts == ()
    (artifact,) = await lab.explained(request, "brightness")
    assert artifact.key == f"files/{request.file_id}/runs/{run}/brightness/half.npy"
    data = await content_of(lab, artifact.key, tmp_path)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (artifact.size, artifact.sha256)
    assert np.array_equal(np.load(io.BytesIO(data)), np.full((480, 640), 102, np.uint8))


async def test_progress_names_each_stage_it_says_and_rests_between(lab: Lab) -> None:
    request = await lab.request(b"slow at every stage")
    told = [each for each in await lab.ended(request) if isinstance(each.event, AnalysisProgressed)]
    assert [each.event.sequence for each in told] == list(range(1, len(told) + 1))
    assert [each.event.stage for each in told] == ["prepare", "infer"]
    assert [each.event.fraction for each in told] == sorted(each.event.fraction for each in told)
    assert told[0].id == str(uuid5(request.run_id, "hostile/progressed/1/1"))
    assert (told[1].event.occurred_at - told[0].event.occurred_at).total_seconds() >= 0.49


async def test_many_files_at_once_all_get_their_own_verdict(lab: Lab) -> None:
    values = [8 * each for each in range(32)]
    requests = [await lab.request(picture(value), plan=("brightness",)) for value in values]
    scores = [(await lab.completed(request, "brightness")).verdict.score for request in requests]
    assert scores == [round(value / 255, 4) for value in values]


async def test_an_analyzer_with_nothing_to_say_completes_as_not_applicable(lab: Lab) -> None:
    verdict = (await lab.completed(await lab.request(b"not-applicable"))).verdict
    assert (verdict.label, verdict.claim, verdict.score) == ("not_applicable", "odd", None)
    assert verdict.evidence[0].text == "There is nothing odd to look for."


async def test_details_too_large_for_an_event_become_an_artifact(lab: Lab, tmp_path: Path) -> None:
    request = await lab.request(b"large")
    event = await lab.completed(request)
    assert len(event.model_dump_json()) < MAX_EVENT_BYTES
    assert event.verdict.details["artifact"] == "details.json"
    (artifact,) = await lab.explained(request)
    details = json.loads(await content_of(lab, artifact.key, tmp_path))
    assert details == {"numbers": list(range(200_000))}


async def test_the_bulk_lane_and_derived_files_are_served_too(lab: Lab) -> None:
    bulk = await lab.put(b"one")
    await lab.publisher.publish(bulk, topics=["assay.files.bulk"])
    known = await lab.put(b"two")
    derived = FileDerived(
        **known.model_dump(exclude={"run_number"}),
        parent_file_id=new_id(),
        parent_run_id=new_id(),
        derived_by="unzip",
        depth=1,
    )
    await lab.publisher.publish(derived, topics=["assay.files"])
    assert (await lab.completed(bulk)).verdict.details["word"] == "one"
    assert (await lab.completed(known)).verdict.details["word"] == "two"


async def test_what_no_plan_names_and_what_is_past_its_deadline_is_only_passed(lab: Lab) -> None:
    not_ours = await lab.put(b"ok", plan=("somebody-else",))
    too_late = not_ours.model_copy(
        update={"run_id": new_id(), "plan": ("hostile",), "deadline": now() - timedelta(seconds=1)}
    )
    # Of the same file, so in the same partition, and behind the others.
    sentinel = not_ours.model_copy(update={"run_id": new_id(), "plan": ("hostile",)})
    for request in (not_ours, too_late, sentinel):
        await lab.publisher.publish(request, topics=["assay.files"])
    await lab.completed(sentinel)
    assert lab.of_run(not_ours.run_id) == []
    assert lab.of_run(too_late.run_id) == []


async def test_a_redelivered_request_ends_with_the_same_id(lab: Lab) -> None:
    request = await lab.put(b"again")
    for _ in range(2):
        await lab.publisher.publish(request, topics=["assay.files"])
    events = await lab.ended(request, ends=2)
    ids = {each.id for each in events if kinds([each]) == ["completed"]}
    assert ids == {str(uuid5(request.run_id, "hostile/terminal"))}


async def test_the_upload_s_trace_goes_on_through_every_stage(lab: Lab, traces: Path) -> None:
    tracing.install("test", TraceSettings())
    with tracing.span("upload"):
        trace_id = tracing.current_trace_id()
        request = await lab.request(b"traced")
    events = await lab.ended(request)
    assert {each.trace_id for each in events} == {trace_id}

    def steps() -> list[str]:
        spans = [json.loads(line) for line in traces.read_text().splitlines()] if traces.exists() else []
        here = [span for span in spans if span["trace_id"] == trace_id and span["name"] == "consume assay.files"]
        assert all(span["parent_id"] for span in here)
        return [event["name"] for span in here for event in span["events"]]

    await lab.until_true(lambda: steps() == ["fetch", "prepare", "infer"])
