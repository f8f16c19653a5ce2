"""The object store, on a real one: SeaweedFS in `make test`, MinIO in `make test-minio`. One suite for both."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from pydantic import SecretStr
from support import minio
from support.stacks import RunningParts

from assay.shared.bucket import EncryptionRefusedError
from assay.shared.ids import new_id
from assay.shared.objects import ObjectMissingError, ObjectStore, RefusedError, StorageError, is_outage
from assay.shared.settings import S3Settings

PART = 5 * 1024 * 1024
PREFIX = "ASSAY_S3__"


@pytest.fixture(scope="module")
def settings(stack: RunningParts) -> S3Settings:
    lines = stack.environment()
    found = {name.removeprefix(PREFIX).lower(): text for name, text in lines.items() if name.startswith(PREFIX)}
    return S3Settings.model_validate(found)


@pytest.fixture
def store(settings: S3Settings) -> Iterator[ObjectStore]:
    store = ObjectStore(settings)
    yield store
    store.close()


@pytest.fixture
def key() -> str:
    return f"files/{new_id()}/content"


async def read(store: ObjectStore, key: str, folder: Path) -> bytes:
    await store.download(key, folder / "copy")
    return (folder / "copy").read_bytes()


async def fetch(link: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """As a browser without any key."""
    async with httpx.AsyncClient() as client:
        return await client.get(link, headers=headers)


async def test_several_services_may_make_the_bucket_at_once(settings: S3Settings) -> None:
    name = f"assay-test-{new_id().hex[-12:]}"
    stores = [ObjectStore(settings.model_copy(update={"bucket": name})) for _ in range(4)]
    with pytest.raises(StorageError):
        await stores[0].check()
    await asyncio.gather(*(store.ensure_bucket() for store in stores))
    await stores[0].ensure_bucket()
    for store in stores:
        await store.check()
        store.close()


@pytest.mark.parametrize("size", [0, 1, 70_000])
async def test_what_is_put_can_be_read(store: ObjectStore, key: str, size: int, tmp_path: Path) -> None:
    data = os.urandom(size)
    await store.put(key, data, media_type="image/png")
    assert await store.size_of(key) == size
    assert await read(store, key, tmp_path) == data


async def test_what_is_not_there_is_said_so(store: ObjectStore, key: str, tmp_path: Path) -> None:
    assert await store.size_of(key) is None
    with pytest.raises(ObjectMissingError):
        await read(store, key, tmp_path)


async def test_a_store_that_is_away_is_told_from_one_that_refuses(settings: S3Settings, tmp_path: Path) -> None:
    away = ObjectStore(settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9"}))
    refusing = ObjectStore(settings.model_copy(update={"secret_access_key": SecretStr("another key than it has")}))
    for store, is_away in ((away, True), (refusing, False)):
        for ask in (ObjectStore.check, partial(read, key="x", folder=tmp_path), partial(ObjectStore.size_of, key="x")):
            with pytest.raises(StorageError) as caught:
                await ask(store)
            assert is_outage(caught.value) is is_away, repr(caught.value)
        store.close()


async def test_a_small_object_is_read_and_copied_and_a_large_one_refused(store: ObjectStore, key: str) -> None:
    await store.put(key, b"some bytes", media_type="text/plain")
    await store.copy(key, f"{key}-copy")
    assert await store.read(f"{key}-copy", at_most=100) == b"some bytes"
    with pytest.raises(RefusedError, match="more than 5 bytes"):
        await store.read(key, at_most=5)
    with pytest.raises(ObjectMissingError):
        await store.copy(f"{key}-nowhere", key)


async def test_a_later_put_replaces(store: ObjectStore, key: str, tmp_path: Path) -> None:
    await store.put(key, b"one, and longer", media_type="text/plain")
    await store.put(key, b"two", media_type="text/plain")
    assert await read(store, key, tmp_path) == b"two"


async def test_delete_leaves_nothing_and_may_be_repeated(store: ObjectStore, key: str) -> None:
    await store.put(key, b"x", media_type="text/plain")
    await store.delete(key)
    await store.delete(key)
    assert await store.size_of(key) is None


async def test_parts_become_one_object(store: ObjectStore, key: str, tmp_path: Path) -> None:
    """The last part is under 5 MiB, and the parts arrive in another order than they are in."""
    parts = [os.urandom(PART), os.urandom(PART + 1), b"tail"]
    upload = await store.begin(key, media_type="image/jpeg")
    etags = dict(
        zip(
            (3, 1, 2),
            [await store.add_part(key, upload, number, parts[number - 1]) for number in (3, 1, 2)],
            strict=True,
        )
    )
    assert await store.size_of(key) is None, "an unfinished upload is no object"
    await store.complete(key, upload, [etags[number] for number in (1, 2, 3)])
    assert await store.size_of(key) == 2 * PART + 1 + 4
    found = await read(store, key, tmp_path)
    assert hashlib.sha256(found).digest() == hashlib.sha256(b"".join(parts)).digest()


async def test_a_part_sent_again_counts_once(store: ObjectStore, key: str, tmp_path: Path) -> None:
    upload = await store.begin(key, media_type="image/jpeg")
    await store.add_part(key, upload, 1, b"broken off")
    await store.complete(key, upload, [await store.add_part(key, upload, 1, b"whole")])
    assert await read(store, key, tmp_path) == b"whole"


async def test_an_aborted_upload_leaves_nothing_and_abort_may_be_repeated(store: ObjectStore, key: str) -> None:
    upload = await store.begin(key, media_type="image/jpeg")
    etag = await store.add_part(key, upload, 1, b"x")
    await store.abort(key, upload)
    await store.abort(key, upload)
    assert await store.size_of(key) is None
    assert await store.unfinished(key) == []
    with pytest.raises(StorageError):
        await store.complete(key, upload, [etag])


async def test_unfinished_uploads_of_a_key_are_found(store: ObjectStore, key: str) -> None:
    """What a process leaves that died: nobody remembers the upload's id but the store."""
    uploads = {await store.begin(key, media_type="image/jpeg") for _ in range(2)}
    await store.begin(f"{key}-of-another", media_type="image/jpeg")
    assert set(await store.unfinished(key)) == uploads
    for upload in uploads:
        await store.abort(key, upload)
    assert await store.unfinished(key) == []


async def test_an_upload_without_its_parts_is_refused(store: ObjectStore, key: str) -> None:
    upload = await store.begin(key, media_type="image/jpeg")
    with pytest.raises(StorageError):
        await store.complete(key, upload, ['"0123456789abcdef0123456789abcdef"'])
    assert await store.size_of(key) is None
    await store.abort(key, upload)


async def test_a_link_needs_no_key_and_names_the_file(store: ObjectStore, key: str) -> None:
    await store.put(key, b"0123456789", media_type="application/octet-stream")
    link = store.link(key, filename="Größe 1.jpg", media_type="image/jpeg")
    answer = await fetch(link)
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "image/jpeg"
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"Gr__e_1.jpg\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%201.jpg"
    part = await fetch(link, {"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    shown = await fetch(store.link(key, filename="a.png", media_type="image/png", inline=True))
    assert shown.headers["content-disposition"].startswith("inline;")


async def test_a_link_opens_one_object_only(store: ObjectStore, key: str) -> None:
    await store.put(key, b"mine", media_type="text/plain")
    other = f"files/{new_id()}/content"
    await store.put(other, b"somebody's", media_type="text/plain")
    link = store.link(key, filename="a.txt", media_type="text/plain")
    assert (await fetch(link.replace(key, other))).status_code == 403
    assert (await fetch(link.replace("text%2Fplain", "text%2Fhtml"))).status_code == 403
    assert (await fetch(link.split("?")[0])).status_code == 403


async def test_a_link_is_signed_for_the_public_origin(settings: S3Settings, key: str) -> None:
    """Another host name than the services use: whoever asks under the name that was signed gets it."""
    assert settings.endpoint_url
    public = f"http://localhost:{urlsplit(settings.endpoint_url).port}"
    store = ObjectStore(settings.model_copy(update={"public_url": public}))
    await store.put(key, b"x", media_type="text/plain")
    link = store.link(key, filename="a.txt", media_type="text/plain")
    assert link.startswith(f"{public}/{settings.bucket}/{key}?")
    assert (await fetch(link)).content == b"x"
    store.close()


async def test_a_wrong_key_is_refused(settings: S3Settings, key: str) -> None:
    wrong = settings.model_dump() | {"secret_access_key": "not the secret key at all"}
    store = ObjectStore(S3Settings.model_validate(wrong))
    with pytest.raises(RefusedError, match="SignatureDoesNotMatch") as caught:
        await store.put(key, b"x", media_type="text/plain")
    assert caught.value.status == 403
    store.close()


async def test_many_calls_at_once(store: ObjectStore, key: str) -> None:
    """More than there are threads, and none waits for ever."""
    keys = [f"{key}/{number}" for number in range(40)]
    await asyncio.gather(*(store.put(each, each.encode(), media_type="text/plain") for each in keys))
    assert await asyncio.gather(*(store.size_of(each) for each in keys)) == [len(each) for each in keys]


async def test_a_folder_is_erased_with_all_that_was_begun_in_it(store: ObjectStore) -> None:
    erased, kept = f"files/{new_id()}/", f"files/{new_id()}/"
    for prefix in (erased, kept):
        await store.put(f"{prefix}content", b"bytes", media_type="text/plain")
        await store.put(f"{prefix}runs/1/noise/map.png", b"map", media_type="image/png")
    beside = erased.rstrip("/") + "-other"  # begins with the same characters, and is another one's
    await store.put(beside, b"other", media_type="text/plain")
    begun = await store.begin(f"{erased}runs/2/large.bin", media_type="text/plain")
    await store.add_part(f"{erased}runs/2/large.bin", begun, 1, bytes(PART))
    assert await store.erase(erased, begun=[f"{erased}runs/2/large.bin"]) == 2
    assert await store.unfinished(f"{erased}runs/2/large.bin") == []
    for name in ("content", "runs/1/noise/map.png"):
        assert await store.size_of(erased + name) is None
        assert await store.size_of(kept + name) is not None
    assert await store.size_of(beside) == 5
    assert await store.erase(erased) == 0
    await store.erase(kept)
    await store.delete(beside)


async def test_more_objects_than_one_page_lists_are_erased(store: ObjectStore) -> None:
    prefix = f"files/{new_id()}/"
    for start in range(0, 1010, 101):
        await asyncio.gather(
            *(store.put(f"{prefix}{number}", b"x", media_type="text/plain") for number in range(start, start + 101))
        )
    assert await store.erase(prefix) == 1010
    assert await store.erase(prefix) == 0


async def test_only_a_folder_is_erased(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="slash"):
        await store.erase("files")


async def test_a_store_that_encrypts_says_so_and_one_that_does_not_stops_the_start(settings: S3Settings) -> None:
    store = ObjectStore(settings.model_copy(update={"encryption": "AES256"}))
    key = f"files/{new_id()}/content"
    try:
        await store.ensure_bucket()
    except EncryptionRefusedError as error:
        assert not minio.is_wanted()  # it has a key
        assert "ASSAY_S3__ENCRYPTION=AES256" in str(error) and "leave the setting out" in str(error)
        return
    finally:
        store.close()
    store = ObjectStore(settings.model_copy(update={"encryption": "AES256"}))
    await store.put(key, b"secret", media_type="text/plain")
    upload_id = await store.begin(key + "-2", media_type="text/plain")
    await store.complete(key + "-2", upload_id, [await store.add_part(key + "-2", upload_id, 1, b"secret")])
    await store.copy(key, key + "-3")
    client = _client(settings)
    for each in (key, key + "-2", key + "-3"):
        found = client.get_object(Bucket=settings.bucket, Key=each)
        assert found["ServerSideEncryption"] == "AES256"
        assert found["Body"].read() == b"secret"
        await store.delete(each)
    store.close()


async def test_unfinished_uploads_end_by_the_buckets_own_rules(settings: S3Settings) -> None:
    store = ObjectStore(settings.model_copy(update={"bucket": f"assay-test-{new_id().hex[-12:]}"}))
    await store.ensure_bucket()
    await store.ensure_bucket()
    rules = _client(settings).get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    by_id = {each["ID"]: each for each in rules}
    assert len(rules) == len(by_id)
    if not minio.is_wanted():  # it clears these away by a setting of its own, after a day
        assert by_id["assay-unfinished-uploads"]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert by_id["assay-temporary"]["Expiration"]["Days"] == 1
    store.close()


def _client(settings: S3Settings) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        config=Config(s3={"addressing_style": "path"}),
    )
