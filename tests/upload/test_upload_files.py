"""POST /api/v1/files: what is answered, stored and announced."""

import hashlib
import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from support.services import ServiceProcess
from support.topics import Received, reading
from support.uploads import ANALYZER, SMALL_ANALYZER, Owner, Storage, form, jpeg

from assay.contracts import FileUploaded, RunRequested, decode

LANES = ("assay.files", "assay.files.bulk")


def events_of(records: list[Received]) -> tuple[FileUploaded, RunRequested]:
    """The two events of an upload, in their order."""
    first, second = (decode(record.value, record.headers) for record in records)
    assert isinstance(first, FileUploaded)
    assert isinstance(second, RunRequested)
    return first, second


async def test_a_picture_is_stored_announced_and_answered(
    owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    content = jpeg()
    async with reading(environment, *LANES) as topics:
        answer = await owner.send(content, metadata=json.dumps({"case": "A-17", "tags": ["x", 1, None]}))
        assert answer.status_code == 202, answer.text
        body = answer.json()
        records = await topics.of_key(body["file_id"], 2)

    file_id, run_id = UUID(body["file_id"]), UUID(body["run_id"])
    assert (file_id.version, run_id.version) == (7, 7)
    assert {ANALYZER, SMALL_ANALYZER} <= set(body["plan"])
    assert body["plan"] == sorted(body["plan"])
    self_link = f"https://assay.test/api/v1/files/{file_id}"
    assert answer.headers["location"] == self_link
    assert body == {
        "file_id": str(file_id),
        "run_id": str(run_id),
        "status": "queued",
        "known": False,
        "filename": "0.jpg",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "media_type": "image/jpeg",
        "plan": body["plan"],
        "links": {"self": self_link, "events": f"{self_link}/events", "web": f"https://assay.test/files/{file_id}"},
    }

    key = f"files/{file_id}/content"
    assert storage.content(key) == content
    (row,) = await storage.files(owner)
    assert (row["file_id"], row["run_id"], row["run_number"]) == (file_id, run_id, 1)
    assert (row["sha256"], row["size"], row["media_type"]) == (body["sha256"], len(content), "image/jpeg")
    assert (row["object_key"], row["plan"], row["lane"]) == (key, body["plan"], "assay.files")
    assert await storage.intents(owner) == []

    assert {record.topic for record in records} == {"assay.files"}
    uploaded, requested = events_of(records)
    assert uploaded == FileUploaded(
        occurred_at=row["created_at"],
        file_id=file_id,
        owner_id=owner.owner_id,
        filename="0.jpg",
        declared_media_type="image/jpeg",
        media_type="image/jpeg",
        size=len(content),
        sha256=body["sha256"],
        object_key=key,
        metadata={"case": "A-17", "tags": ["x", 1, None]},
    )
    assert requested == RunRequested(
        occurred_at=row["requested_at"],
        file_id=file_id,
        owner_id=owner.owner_id,
        run_id=run_id,
        run_number=1,
        plan=tuple(body["plan"]),
        deadline=row["requested_at"] + timedelta(hours=24),
        media_type="image/jpeg",
        size=len(content),
        sha256=body["sha256"],
        object_key=key,
    )
    # The name and the user's words travel in the first event only.
    assert b"0.jpg" not in (records[1].value or b"")


async def test_the_events_are_cloudevents_in_the_trace_of_the_request(
    owner: Owner, environment: dict[str, str]
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with reading(environment, *LANES) as topics:
        answer = await owner.post(
            form(("file", "a.jpg", [jpeg()])), headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        )
        assert answer.headers["trace-id"] == trace_id
        file_id = answer.json()["file_id"]
        records = await topics.of_key(file_id, 2)
    for record, kind in zip(records, ("assay.file.uploaded.v1", "assay.run.requested.v1"), strict=True):
        headers = {name: value.decode() for name, value in record.headers}
        event = decode(record.value, record.headers)
        assert event is not None
        assert headers.pop("traceparent").split("-")[1] == trace_id
        assert datetime.fromisoformat(headers.pop("ce_time")) == event.occurred_at
        assert headers == {
            "ce_specversion": "1.0",
            "ce_id": str(event.event_id),
            "ce_type": kind,
            "ce_source": "/assay/upload",
            "ce_subject": file_id,
            "content-type": "application/json",
        }


@pytest.mark.parametrize("order", ["before", "after"])
async def test_fields_count_before_and_after_the_file(order: str, owner: Owner, environment: dict[str, str]) -> None:
    file = [("file", "a.jpg", [jpeg()])]
    fields = [
        ("analyzers", None, [f" {SMALL_ANALYZER} ,".encode()]),
        ("metadata", None, ['{"ä": "ö"}'.encode()]),
        ("priority", None, [b"bulk"]),
    ]
    async with reading(environment, *LANES) as topics:
        answer = await owner.post(form(*(fields + file if order == "before" else file + fields)))
        assert answer.status_code == 202, answer.text
        assert answer.json()["plan"] == [SMALL_ANALYZER]
        records = await topics.of_key(answer.json()["file_id"], 2)
    assert {record.topic for record in records} == {"assay.files.bulk"}
    uploaded, requested = events_of(records)
    assert uploaded.metadata == {"ä": "ö"}
    assert requested.plan == (SMALL_ANALYZER,)


async def test_several_files_have_outcomes_of_their_own(owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    pictures = [jpeg(), jpeg()]
    answer = await owner.send(pictures[0], b"", b"%PDF-1.4 and no more", pictures[1])
    assert answer.status_code == 202, answer.text
    first, empty, unknown, last = answer.json()["files"]
    assert [first["sha256"], last["sha256"]] == [hashlib.sha256(each).hexdigest() for each in pictures]
    assert [first["filename"], last["filename"]] == ["0.jpg", "3.jpg"]
    assert (empty["code"], empty["status"]) == ("empty_file", 422)
    assert (unknown["code"], unknown["status"]) == ("unsupported_media_type", 415)
    assert {row["file_id"] for row in await storage.files(owner)} == {UUID(first["file_id"]), UUID(last["file_id"])}
    assert storage.keys() - before == {f"files/{each['file_id']}/content" for each in (first, last)}
    assert await storage.intents(owner) == []


async def test_where_all_files_fail_the_first_problem_is_the_answer(owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    answer = await owner.send(b"", b"just words, nothing that anybody examines")
    assert (answer.status_code, answer.json()["code"]) == (422, "empty_file")
    await storage.assert_nothing_of(owner, before)


@pytest.mark.parametrize(
    ("sent", "recorded"),
    [
        (b'filename="photo.jpg"', "photo.jpg"),
        ('filename="фото 写真 🖼.jpg"'.encode(), "фото 写真 🖼.jpg"),
        (b"filename=\"x.jpg\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.jpg", "naïve €.jpg"),
        (b"filename*=iso-8859-1'en'%A3%20rates.jpg; filename=x", "£ rates.jpg"),
        (b'filename="a \\"quoted\\" name.jpg"', 'a "quoted" name.jpg'),
        (b'filename="..\\\\..\\\\..%2Fetc/passwd"', "..\\..\\..%2Fetc/passwd"),
        (b'filename="nul\x00 and bell\x07.jpg"', "nul\ufffd and bell\ufffd.jpg"),
        (b'filename="broken \xff\xfe.jpg"', "broken \ufffd\ufffd.jpg"),
        (b'filename="' + b"n" * 3000 + b'"', "n" * 1024),
        (b"filename=bare.jpg", "bare.jpg"),
        (b'filename=""', "unnamed"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
async def test_names_are_recorded_as_sent_and_never_used(
    sent: bytes, recorded: str, owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    head = b'--x-boundary-x\r\nContent-Disposition: form-data; name="file"; ' + sent + b"\r\n\r\n"
    async with reading(environment, *LANES) as topics:
        answer = await owner.post([head, jpeg(), b"\r\n--x-boundary-x--\r\n"])
        assert answer.status_code == 202, answer.text
        uploaded, _ = events_of(await topics.of_key(answer.json()["file_id"], 2))
    assert answer.json()["filename"] == recorded
    assert uploaded.filename == recorded
    (row,) = await storage.files(owner)
    assert row["filename"] == recorded
    assert row["object_key"] == f"files/{row['file_id']}/content"


async def test_the_declared_type_is_recorded_and_not_believed(owner: Owner, environment: dict[str, str]) -> None:
    head = (
        b'--x-boundary-x\r\nContent-Disposition: form-data; name="file"; filename="song.mp3"\r\n'
        b"Content-Type: audio/mpeg\r\n\r\n"
    )
    async with reading(environment, *LANES) as topics:
        answer = await owner.post([head, jpeg(), b"\r\n--x-boundary-x--\r\n"])
        uploaded, requested = events_of(await topics.of_key(answer.json()["file_id"], 2))
    assert (uploaded.declared_media_type, uploaded.media_type) == ("audio/mpeg", "image/jpeg")
    assert requested.media_type == "image/jpeg"


async def test_a_plan_has_only_analyzers_that_take_the_size(owner: Owner) -> None:
    answer = await owner.post(form(("file", "a.jpg", [jpeg(), bytes(1024 * 1024)])))
    plan = answer.json()["plan"]
    assert ANALYZER in plan
    assert SMALL_ANALYZER not in plan


async def test_limits_tell_what_is_taken(owner: Owner, upload: ServiceProcess) -> None:
    limits = await owner.limits()
    assert limits["max_file_bytes"] == int(upload.environment["ASSAY_LIMITS__MAX_FILE_BYTES"])
    assert limits["deadline_s"] == 24 * 60 * 60
    assert {ANALYZER, SMALL_ANALYZER} <= set(limits["analyzers"])
    assert {"image/*", "audio/x-wav"} <= set(limits["media_types"])
    assert limits["max_files_per_request"] == 5
    assert limits["max_metadata_bytes"] == 16 * 1024
