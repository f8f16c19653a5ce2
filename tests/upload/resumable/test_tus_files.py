"""tus from creation to file: what is answered, stored and announced."""

import hashlib
import json
from uuid import UUID

import pytest
from support.services import ServiceProcess
from support.topics import reading
from support.tus import CHUNK, Tus, checksum
from support.uploads import SMALL_ANALYZER, Owner, Storage, jpeg, large_jpeg

from assay.contracts import FileUploaded, RunRequested, decode

MIB = 1024 * 1024
LANES = ("assay.files", "assay.files.bulk")


async def test_a_picture_becomes_a_file(tus: Tus, owner: Owner, storage: Storage, environment: dict[str, str]) -> None:
    content = jpeg()
    async with reading(environment, *LANES) as topics:
        created = await tus.post(
            len(content), filename="фото.jpg", filetype="image/png", metadata='{"case": 1}', priority="bulk", other="x"
        )
        assert created.status_code == 201, created.text
        location = created.headers["location"]
        assert location.startswith("https://assay.test/api/v1/uploads/")
        upload = location.rpartition("/")[2]
        assert "upload-expires" in created.headers
        first = await tus.patch(upload, 0, content[:1000])
        assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
        assert "assay-file-id" not in first.headers
        assert await tus.offset(upload) == 1000
        last = await tus.patch(upload, 1000, content[1000:])
        assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
        file_id = last.headers["assay-file-id"]
        records = await topics.of_key(file_id, 2)
    uploaded, requested = (decode(record.value, record.headers) for record in records)
    assert isinstance(uploaded, FileUploaded)
    assert isinstance(requested, RunRequested)
    assert {record.topic for record in records} == {"assay.files.bulk"}
    assert (uploaded.filename, uploaded.declared_media_type, uploaded.media_type) == (
        "фото.jpg",
        "image/png",
        "image/jpeg",
    )
    assert (uploaded.metadata, uploaded.size) == ({"case": 1}, len(content))
    assert uploaded.sha256 == requested.sha256 == hashlib.sha256(content).hexdigest()
    assert str(requested.run_id) == last.headers["assay-run-id"]
    assert storage.content(uploaded.object_key) == content

    head = await tus.request("HEAD", upload)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == (str(len(content)), str(len(content)))
    assert (head.headers["assay-file-id"], head.headers["cache-control"]) == (file_id, "no-store")
    state = await tus.state(upload)
    assert (state["status"], state["file"]["file_id"], state["file"]["sha256"]) == (
        "finished",
        file_id,
        uploaded.sha256,
    )
    # Whoever did not hear the answer sends the last bytes again, or none.
    again = await tus.patch(upload, len(content), b"")
    assert (again.status_code, again.headers["assay-file-id"]) == (204, file_id)
    assert [row["file_id"] for row in await storage.files(owner)] == [UUID(file_id)]


async def test_creation_takes_the_first_bytes(tus: Tus, storage: Storage) -> None:
    content = jpeg()
    created = await tus.post(len(content), content=content, filename="a.jpg")
    assert created.status_code == 201, created.text
    assert created.headers["upload-offset"] == str(len(content))
    assert storage.content(f"files/{created.headers['assay-file-id']}/content") == content

    begun = await tus.post(len(content) + 5, content=content[:10])
    assert (begun.status_code, begun.headers["upload-offset"]) == (201, "10")
    assert await tus.offset(begun.headers["location"].rpartition("/")[2]) == 10


async def test_known_bytes_lead_to_the_earlier_file(tus: Tus, owner: Owner, storage: Storage) -> None:
    content = jpeg()
    form = (await owner.send(content)).json()
    before = storage.keys()
    created = await tus.post(len(content), content=content)
    assert created.headers["assay-file-id"] == form["file_id"]
    assert (await tus.state(created.headers["location"].rpartition("/")[2]))["file"]["known"] is True
    assert storage.keys() == before
    forced = await tus.post(len(content), content=content, force="true")
    assert forced.headers["assay-file-id"] != form["file_id"]


async def test_metadata_names_analyzers_as_a_form_does(tus: Tus, storage: Storage, owner: Owner) -> None:
    content = jpeg()
    created = await tus.post(len(content), content=content, analyzers=SMALL_ANALYZER, metadata=json.dumps({"ä": "ö"}))
    assert created.status_code == 201, created.text
    (row,) = await storage.files(owner)
    assert row["plan"] == [SMALL_ANALYZER]


@pytest.mark.parametrize(
    "cuts",
    [
        [8 * MIB],
        [8 * MIB - 1, 8 * MIB, 8 * MIB + 1],
        [1, 2, 3, 65_535, 65_536, 65_537, 5 * MIB, 5 * MIB + 1],
        [16 * MIB, 16 * MIB + 1],
        list(range(1000, 100_000, 1000)),
    ],
    ids=["a part", "around a part", "around the first look", "two parts and a byte", "many pieces"],
)
async def test_cut_anywhere_the_bytes_are_the_same(cuts: list[int], tus: Tus, storage: Storage) -> None:
    before = storage.keys()
    content = b"".join(large_jpeg(16 * MIB + 2))
    upload = await tus.create(len(content))
    for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
        answer = await tus.patch(upload, start, content[start:end])
        assert answer.status_code == 204, answer.text
        assert answer.headers["upload-offset"] == str(end)
    file_id = answer.headers["assay-file-id"]
    sha256 = hashlib.sha256(content).hexdigest()
    assert storage.sha256(f"files/{file_id}/content") == sha256
    assert (await tus.state(upload))["file"]["sha256"] == sha256
    assert storage.keys() - before == {f"files/{file_id}/content"}


async def test_another_replica_goes_on(tus: Tus, other: ServiceProcess, storage: Storage) -> None:
    content = b"".join(large_jpeg(20 * MIB))
    sides = [tus, tus.at(other.url)]
    upload = await tus.create(len(content))
    for turn, start in enumerate(range(0, len(content), 3 * MIB)):
        side = sides[turn % 2]
        assert await side.offset(upload) == start
        answer = await side.patch(upload, start, content[start : start + 3 * MIB])
        assert answer.status_code == 204, answer.text
    state = await tus.state(upload)
    assert state["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert storage.sha256(f"files/{state['file']['file_id']}/content") == state["file"]["sha256"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
async def test_checksums_are_checked_before_bytes_count(algorithm: str, tus: Tus) -> None:
    content = jpeg()
    upload = await tus.create(len(content))
    wrong = await tus.patch(upload, 0, content[:500] + b"?", checksum(content[:501], algorithm))
    assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
    assert await tus.offset(upload) == 0
    right = await tus.patch(upload, 0, content[:501], checksum(content[:501], algorithm))
    assert (right.status_code, right.headers["upload-offset"]) == (204, "501")
    last = await tus.patch(upload, 501, content[501:], checksum(content[501:], algorithm))
    assert (await tus.state(upload))["file"]["sha256"] == hashlib.sha256(content).hexdigest(), last.text


async def test_a_wrong_chunk_of_several_parts_leaves_nothing(tus: Tus, storage: Storage) -> None:
    content = b"".join(large_jpeg(20 * MIB))
    upload = await tus.create(len(content))
    await tus.patch(upload, 0, content[: 9 * MIB])
    wrong = await tus.patch(upload, 9 * MIB, content[9 * MIB :], checksum(b"other"))
    assert wrong.status_code == 460
    assert await tus.offset(upload) == 9 * MIB
    right = await tus.patch(upload, 9 * MIB, content[9 * MIB :], checksum(content[9 * MIB :]))
    assert right.status_code == 204, right.text
    assert storage.sha256(f"files/{right.headers['assay-file-id']}/content") == hashlib.sha256(content).hexdigest()


async def test_a_method_may_be_named_in_a_header(tus: Tus) -> None:
    content = jpeg()
    upload = await tus.create(len(content))
    answer = await tus.request(
        "POST",
        upload,
        content=content,
        headers={"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0", "Content-Type": CHUNK},
    )
    assert answer.status_code == 204, answer.text
    assert "assay-file-id" in answer.headers
