"""The upload process' memory for the largest file there may be, and for many at once; through the gateway."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import psutil
import pytest
from support.processes import forget_peak, peak_mib, resident_mib
from support.product import Product, running_product
from support.tus import CHUNK, VERSION, Tus
from support.uploads import FORM_TYPE, Owner, Storage, form, large_jpeg, manifest, publish

from assay.embedded.stack import Stack

pytestmark = pytest.mark.proof

MIB = 1024 * 1024
GIB = 1024 * MIB
LARGEST = 5 * GIB
CROWD = 50
CROWD_BYTES = 40_000_000
MAY_GROW_MIB = 64
# Takes anything that begins as a picture, of any size, and nobody works for it.
PATIENT = "proof-patient"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """A product with one upload process and its default limits. What it stored is removed with it: that is much."""
    home = tmp_path_factory.mktemp("memory") / "home"
    try:
        with running_product(home, ASSAY_ANALYZERS="jpeg-forensics") as product:
            await publish(Stack(home).environment("upload"), manifest(PATIENT, ("image/*",), max_bytes=2 * LARGEST))
            owner = Owner(product.url, Stack(home).environment("upload"))
            await owner.until_known({PATIENT})
            # What any first upload loads, and connections of all pools, are not what is measured.
            await asyncio.gather(*(send(owner, MIB) for _ in range(20)))
            await send(owner, 20 * MIB)
            yield product
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def upload_process(running: Product) -> psutil.Process:
    assert running.process is not None
    (found,) = (
        each
        for each in psutil.Process(running.process.pid).children(recursive=True)
        if "assay.upload.main" in " ".join(each.cmdline())
    )
    return found


async def rise_mib(process: psutil.Process, work: Callable[[], Awaitable[None]]) -> float:
    """How far the resident memory goes up while something is done, at its peak and against its rest."""
    rest = resident_mib(process.pid)
    forget_peak(process.pid)
    await work()
    return peak_mib(process.pid) - rest


def pieces_of(size: int, digest: "hashlib._Hash | None" = None) -> Iterator[bytes]:
    """A picture with a long tail, made on the way."""
    for piece in large_jpeg(size):
        if digest is not None:
            digest.update(piece)
        yield piece


async def send(owner: Owner, size: int, digest: "hashlib._Hash | None" = None) -> httpx.Response:
    """One file in a form, whose length is told before."""
    around = sum(map(len, form(("analyzers", None, [PATIENT.encode()]), ("file", "large.jpg", []))))

    async def body() -> AsyncIterator[bytes]:
        for piece in form(("analyzers", None, [PATIENT.encode()]), ("file", "large.jpg", pieces_of(size, digest))):
            yield piece

    async with httpx.AsyncClient(timeout=600) as client:
        return await client.post(
            f"{owner.url}/api/v1/files",
            content=body(),
            headers={**owner.headers, "Content-Type": FORM_TYPE, "Content-Length": str(around + size)},
        )


@pytest.mark.timeout(600)
async def test_many_forms_at_once(owner: Owner, upload_process: psutil.Process) -> None:
    async def crowd() -> None:
        answers = await asyncio.gather(*(send(owner, CROWD_BYTES) for _ in range(CROWD)))
        assert {answer.status_code for answer in answers} == {202}

    rise = await rise_mib(upload_process, crowd)
    print(f"{CROWD} forms of {CROWD_BYTES} bytes: {rise:.0f} MiB")
    assert rise <= MAY_GROW_MIB


@pytest.mark.timeout(600)
async def test_many_resumable_uploads_at_once(owner: Owner, upload_process: psutil.Process) -> None:
    tus = Tus(owner, owner.url)
    uploads = [await tus.create(CROWD_BYTES, filename="large.jpg", analyzers=PATIENT) for _ in range(CROWD)]

    async def patch(upload: str) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            for piece in pieces_of(CROWD_BYTES):
                yield piece

        async with httpx.AsyncClient(timeout=600) as client:
            headers = {"Upload-Offset": "0", "Content-Type": CHUNK, "Content-Length": str(CROWD_BYTES)}
            return await client.patch(
                f"{owner.url}/api/v1/uploads/{upload}", content=body(), headers={**VERSION, **owner.headers, **headers}
            )

    async def crowd() -> None:
        answers = await asyncio.gather(*map(patch, uploads))
        assert {(answer.status_code, "assay-file-id" in answer.headers) for answer in answers} == {(204, True)}

    rise = await rise_mib(upload_process, crowd)
    print(f"{CROWD} PATCHes of {CROWD_BYTES} bytes: {rise:.0f} MiB")
    assert rise <= MAY_GROW_MIB


@pytest.mark.timeout(600)
async def test_the_largest_file_there_may_be(owner: Owner, storage: Storage, upload_process: psutil.Process) -> None:
    digest = hashlib.sha256()

    async def one() -> None:
        answer = await send(owner, LARGEST, digest)
        assert answer.status_code == 202, answer.text
        assert (answer.json()["size"], answer.json()["sha256"]) == (LARGEST, digest.hexdigest())

    rise = await rise_mib(upload_process, one)
    print(f"a form of {LARGEST} bytes: {rise:.0f} MiB")
    assert rise <= MAY_GROW_MIB
    (row,) = await storage.files(owner)
    assert row["size"] == LARGEST
    keys = storage.keys()
    assert row["object_key"] in keys
    assert f"{row['object_key']} unfinished" not in keys


@pytest.mark.timeout(600)
async def test_one_byte_more_is_refused_and_leaves_nothing(owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    tus = Tus(owner, owner.url)
    for answer in (
        await send(owner, LARGEST + 1),
        await tus.post(LARGEST + 1, filename="large.jpg"),
        await owner.ask("POST", "/api/v1/files:presign", json={"size": LARGEST + 1}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large"), answer.text
        assert answer.json()["max_file_bytes"] == LARGEST
    await storage.assert_nothing_of(owner, before)
    rows = await storage.database.fetch("SELECT 1 FROM uploads WHERE owner_id = $1", owner.owner_id)
    assert rows == []
    # At the edge both others begin, and are given up.
    begun = await tus.create(LARGEST, filename="large.jpg")
    presigned = await owner.ask("POST", "/api/v1/files:presign", json={"size": LARGEST})
    assert presigned.status_code == 201, presigned.text
    for upload in (begun, presigned.json()["upload_id"]):
        assert (await tus.request("DELETE", upload)).status_code == 204
    await storage.assert_nothing_of(owner, before)
