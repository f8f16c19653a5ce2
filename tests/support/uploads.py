"""What the tests of uploading share: owners who send forms, pictures, and a look into S3 and PostgreSQL."""

import asyncio
import hashlib
import io
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import boto3
import httpx
from botocore.config import Config
from PIL import Image

from assay.contracts import AnalyzerManifest, AnalyzerRegistered
from assay.contracts.topics import ANALYZERS
from assay.shared.auth import mint_token
from assay.shared.clock import now
from assay.shared.kafka import Publisher
from support.topics import kafka_settings

ANALYZER = "upload-test-any"
SMALL_ANALYZER = "upload-test-small"


def manifest(name: str, media_types: tuple[str, ...], max_bytes: int = 4 * 1024**3) -> AnalyzerManifest:
    return AnalyzerManifest(
        name=name,
        version="1.0.0",
        title="For a test",
        description="Registered by a test; nobody works for it",
        media_types=media_types,
        claims=("none",),
        labels=("none",),
        max_bytes=max_bytes,
        domain="none",
    )


async def publish(environment: dict[str, str], *manifests: AnalyzerManifest, retired: Iterable[str] = ()) -> None:
    """Register analyzers, or retire some by tombstones."""
    publisher = Publisher(kafka_settings(environment), source="/test")
    await publisher.start()
    try:
        for each in manifests:
            await publisher.publish(AnalyzerRegistered(occurred_at=now(), manifest=each))
        for name in retired:
            await publisher.send(ANALYZERS.name, name.encode(), None, [])
    finally:
        await publisher.stop()


def jpeg(side: int = 64) -> bytes:
    """A picture that nobody has uploaded before."""
    content = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(content, "JPEG")
    return content.getvalue()


def large_jpeg(size: int) -> Iterator[bytes]:
    """A JPEG followed by noise, in pieces; its type is that of its beginning."""
    start = jpeg()
    yield start
    block = random.randbytes(1024 * 1024)
    left = size - len(start)
    while left > 0:
        yield block[: min(left, len(block))]
        left -= len(block)


def form(*parts: tuple[str, str | None, Iterable[bytes]], boundary: str = "x-boundary-x") -> Iterator[bytes]:
    """A form's bytes: (name, file name or None, content) for each part."""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename is not None else ""
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        yield from content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


FORM_TYPE = "multipart/form-data; boundary=x-boundary-x"


async def pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def eventually(fact: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until something is so. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            if await fact():
                return
            await asyncio.sleep(0.05)


async def until_ready(url: str) -> None:
    """Wait until a service that somebody else started answers that it is ready."""
    async with httpx.AsyncClient(timeout=5) as client:

        async def ready() -> bool:
            try:
                return (await client.get(f"{url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, seconds=100)


class Owner:
    """Somebody with a token."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        self.owner_id = f"owner-{uuid4().hex[:12]}"
        self.url = url
        self.token = mint_token(environment["ASSAY_AUTH__SECRET"], self.owner_id, ["user"])
        self.headers = {"Authorization": f"Bearer {self.token}"}

    async def post(
        self, content: Iterable[bytes], *, url: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a form as it is made, without knowing its length."""
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(
                f"{url or self.url}/api/v1/files",
                content=pieces(content),
                headers={**self.headers, "Content-Type": FORM_TYPE, **(headers or {})},
            )

    async def send(self, *contents: bytes, url: str | None = None, **fields: str) -> httpx.Response:
        """Send files as an HTTP library does."""
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(
                f"{url or self.url}/api/v1/files",
                files=[("file", (f"{number}.jpg", content)) for number, content in enumerate(contents)],
                data=fields,
                headers=self.headers,
            )

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request without a file."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30, headers=self.headers) as client:
            return await client.request(method, path, **more)

    async def limits(self) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.get(f"{self.url}/api/v1/limits", headers=self.headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until_known(self, names: set[str]) -> None:
        async def known() -> bool:
            return names <= set((await self.limits())["analyzers"])

        await eventually(known)

    @asynccontextmanager
    async def sending(
        self, body: bytes, length: int, *, url: str | None = None, headers: dict[str, str] | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Announce `length` bytes and send fewer; go away at the end of the block."""
        address = urlsplit(url or self.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"POST /api/v1/files HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: {FORM_TYPE}\r\nContent-Length: {length}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
            + "\r\n"
        )
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            yield reader, writer
        finally:
            writer.close()


class Storage:
    """The rows of the schema `upload` and the objects of the bucket."""

    def __init__(self, database: "asyncpg.Connection", s3: Any, bucket: str) -> None:
        self.database = database
        self._s3 = s3
        self._bucket = bucket

    @classmethod
    @asynccontextmanager
    async def opened(cls, environment: dict[str, str]) -> AsyncIterator["Storage"]:
        url = environment["ASSAY_DATABASE__URL"].replace("postgresql+asyncpg", "postgresql")
        database = await asyncpg.connect(url, server_settings={"search_path": "upload"})
        s3 = boto3.client(
            "s3",
            endpoint_url=environment["ASSAY_S3__ENDPOINT_URL"],
            region_name=environment["ASSAY_S3__REGION"],
            aws_access_key_id=environment["ASSAY_S3__ACCESS_KEY_ID"],
            aws_secret_access_key=environment["ASSAY_S3__SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )
        try:
            yield cls(database, s3, environment["ASSAY_S3__BUCKET"])
        finally:
            await database.close()
            s3.close()

    async def intents(self, owner: Owner) -> list[UUID]:
        """The files that are on their way."""
        rows = await self.database.fetch("SELECT file_id FROM intents WHERE owner_id = $1", owner.owner_id)
        return [row["file_id"] for row in rows]

    async def files(self, owner: Owner) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await self.database.fetch(
            "SELECT * FROM files JOIN runs USING (file_id) WHERE owner_id = $1 ORDER BY created_at, file_id",
            owner.owner_id,
        )
        return rows

    def keys(self) -> set[str]:
        """Everything in the bucket: objects, and the uploads that were begun."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix="files/")
        found = {each["Key"] for page in pages for each in page.get("Contents", [])}
        uploads = self._s3.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return found | {f"{each['Key']} unfinished" for each in uploads}

    def put(self, key: str, content: bytes) -> None:
        """Store something, as a worker does."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=content)

    def begin(self, key: str) -> None:
        """Begin something that nobody finishes."""
        upload = self._s3.create_multipart_upload(Bucket=self._bucket, Key=key)["UploadId"]
        self._s3.upload_part(Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=1, Body=bytes(5 * 1024 * 1024))

    def content(self, key: str) -> bytes:
        content: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        for piece in self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(1024 * 1024):
            digest.update(piece)
        return digest.hexdigest()

    async def assert_nothing_of(self, owner: Owner, keys_before: set[str]) -> None:
        """Wait until no trace of this owner is left; S3 has what it had before."""

        async def no_intents() -> bool:
            return not await self.intents(owner)

        await eventually(no_intents)
        assert await self.files(owner) == []
        assert self.keys() == keys_before

    async def assert_only(self, owner: Owner, keys_before: set[str], files: set[str]) -> None:
        """Wait until, of what came since, only these files of this owner are stored, and what belongs to them."""

        async def only_these() -> bool:
            strangers = await self.database.fetch("SELECT file_id FROM files WHERE owner_id != $1", owner.owner_id)
            found = {key.split("/")[1] for key in self.keys() - keys_before}
            return not await self.intents(owner) and found - {str(row["file_id"]) for row in strangers} <= files

        await eventually(only_these)
        rows = await self.database.fetch("SELECT file_id FROM files WHERE owner_id = $1", owner.owner_id)
        assert {str(row["file_id"]) for row in rows} == files
        uploads = await self.database.fetch("SELECT status FROM uploads WHERE owner_id = $1", owner.owner_id)
        assert {row["status"] for row in uploads} <= {"refused", "terminated"}
