"""Object storage through the S3 API. boto3 blocks, so every call runs in a thread of this adapter's own pool."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import boto3
import urllib3
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.httpsession import get_cert_path

from assay.shared import bucket
from assay.shared.settings import S3Settings
from assay.shared.signing import UNSIGNED, Signer

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

LINK_SECONDS = 15 * 60
THREADS = 16
CHUNK = 1 << 20
OK, SERVER_ERROR = 200, 500
FETCH = urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), raise_on_status=False)


class RefusedError(Exception):
    """The store answered with an error, of which this is the beginning."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class ObjectMissingError(RefusedError):
    """There is no object under this key."""


class UploadMissingError(RefusedError):
    """There is no such multipart upload: it was completed or aborted."""


class PartMissingError(RefusedError):
    """A part is not there, or is another one than was said."""


class AbandonedError(Exception):
    """Nobody waits for the download any more."""


StorageError = (BotoCoreError, ClientError, urllib3.exceptions.HTTPError, RefusedError)


def is_outage(error: BaseException) -> bool:
    """True where the store is away or unwell: whatever was asked of it may be asked again."""
    if isinstance(error, ClientError):
        return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= SERVER_ERROR
    if isinstance(error, RefusedError):
        return error.status >= SERVER_ERROR
    return isinstance(error, NoConnectionError | HTTPClientError | urllib3.exceptions.HTTPError)


class ObjectStore:
    """One bucket."""

    def __init__(self, settings: S3Settings) -> None:
        self.bucket = settings.bucket
        self._region = settings.region
        self._encryption = settings.encryption
        # What every request that makes an object says.
        self._made: dict[str, Any] = (
            {} if settings.encryption == "none" else {"ServerSideEncryption": settings.encryption}
        )
        # The same, for a plain request.
        self._encrypted = {} if settings.encryption == "none" else {"x-amz-server-side-encryption": settings.encryption}
        self._is_versioned = False
        self._client = self._connect(settings, settings.endpoint_url)
        # A link is signed for the host that a browser will ask, which is not where the services reach the store.
        self._public = self._connect(settings, settings.public_url or settings.endpoint_url)
        self._signer = Signer(
            Credentials(settings.access_key_id, settings.secret_access_key.get_secret_value()),
            endpoint=self._client.meta.endpoint_url,
            region=settings.region,
            bucket=settings.bucket,
        )
        self._plain = urllib3.PoolManager(
            maxsize=THREADS,
            retries=FETCH,
            timeout=urllib3.Timeout(connect=5, read=60),
            # As boto3 has it.
            ca_certs=os.environ.get("AWS_CA_BUNDLE") or get_cert_path(True),
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")

    @staticmethod
    def _connect(settings: S3Settings, endpoint: str | None) -> "S3Client":
        return boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=settings.region,
            aws_access_key_id=settings.access_key_id,
            aws_secret_access_key=settings.secret_access_key.get_secret_value(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"mode": "standard", "max_attempts": 4},
                max_pool_connections=THREADS,
                connect_timeout=5,
                read_timeout=60,
                # Checksums beyond the API's own are not understood by every store.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    async def _call(self, function: Callable[..., T], /, **arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(**arguments))

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        self._public.close()
        self._plain.clear()

    async def ensure_bucket(self) -> None:
        """Make the bucket where it is missing, and see to it that it is tidy. Safe when several services start at once.

        Raises EncryptionRefusedError where the store does not encrypt as the settings ask it to.
        """

        def ensure() -> None:
            bucket.make(self._client, self.bucket)
            self._is_versioned = bucket.is_versioned(self._client, self.bucket)
            if self._encryption != "none":
                bucket.check_encryption(self._client, self.bucket, self._encryption)
            bucket.keep_tidy(self._client, self.bucket)

        await self.in_thread(ensure)

    async def check(self) -> None:
        """Raise where the store does not answer; for `/readyz`."""
        await self._call(self._client.head_bucket, Bucket=self.bucket)

    async def put(
        self, key: str, data: bytes | bytearray | memoryview, *, media_type: str, sha256: str = UNSIGNED
    ) -> None:
        """Store an object with one request, the short way as in `fetch`.

        sha256: of the data, in hex, where it is known: a store that checks it refuses what was damaged on the way.
        """
        headers = {"Content-Type": media_type, **self._encrypted}
        await self.in_thread(lambda: self._send(key, data, headers=headers, sha256=sha256))

    def _send(self, key: str, data: bytes | bytearray | memoryview, **signed: Any) -> Mapping[str, str]:
        """PUT these bytes; returns the headers of the answer. signed: see `Signer.sign`. Raises RefusedError."""
        address, headers = self._signer.sign("PUT", key, **signed)
        body: Any = data  # urllib3 takes every buffer, though its types do not say so
        answer = self._plain.request("PUT", address, body=body, headers=headers)
        if answer.status != OK:
            raise RefusedError(f"HTTP {answer.status}: {answer.data[:500].decode(errors='replace')}", answer.status)
        return answer.headers

    async def read(self, key: str, *, at_most: int) -> bytes:
        """The bytes of a small object. Raises ObjectMissingError, and RefusedError for one that is larger."""

        def get() -> bytes:
            with closing(self._body_of(key)) as body:
                data = body.read(at_most + 1)
            if len(data) > at_most:
                raise RefusedError(f"{key} has more than {at_most} bytes")
            return data

        return await self._call(get)

    def _body_of(self, key: str) -> "StreamingBody":
        """To be closed: as a context manager it gives what lies below it, which tells nothing of its length."""
        try:
            return self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise ObjectMissingError(key) from error
            raise

    async def copy(self, source: str, target: str) -> None:
        """Copy an object inside the store. Raises ObjectMissingError where there is none."""
        try:
            await self._call(
                self._client.copy_object,
                Bucket=self.bucket,
                Key=target,
                CopySource={"Bucket": self.bucket, "Key": source},
                **self._made,
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise ObjectMissingError(source) from error
            raise

    async def download(self, key: str, path: Path) -> str:
        """Write an object to a local file; returns its sha256 in hex. Raises ObjectMissingError where there is none."""
        return await self.in_thread(lambda: self.fetch(key, path))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run blocking work beside this adapter's own calls, in one of its threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def fetch(self, key: str, path: Path, is_wanted: Callable[[], bool] = lambda: True) -> str:
        """`download` for a thread of `in_thread`, which ends with AbandonedError once it is not wanted any more.

        A file is fetched for each analysis, so this takes the short way: one plain request, signed without boto3's
        layers, which cost as much processor time again.
        """
        address, signed = self._signer.sign("GET", key)
        answer = self._plain.request("GET", address, headers=signed, preload_content=False)
        try:
            if answer.status == 404:
                raise ObjectMissingError(key)
            if answer.status != OK:
                said = answer.read(500).decode(errors="replace")
                raise RefusedError(f"HTTP {answer.status}: {said}", answer.status)
            digest = hashlib.sha256()
            with path.open("wb", buffering=0) as file:
                while chunk := answer.read(CHUNK):
                    if not is_wanted():
                        raise AbandonedError
                    digest.update(chunk)
                    file.write(chunk)
            return digest.hexdigest()
        finally:
            # A body read to its end has given its connection back already; any other one is of no more use.
            answer.close()

    async def size_of(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""
        try:
            return (await self._call(self._client.head_object, Bucket=self.bucket, Key=key))["ContentLength"]
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise

    async def begin(self, key: str, *, media_type: str) -> str:
        """Begin a multipart upload; returns its id."""
        answer = await self._call(
            self._client.create_multipart_upload, Bucket=self.bucket, Key=key, ContentType=media_type, **self._made
        )
        return answer["UploadId"]

    async def add_part(self, key: str, upload_id: str, number: int, data: bytes | bytearray) -> str:
        """Store part `number` (from 1; 5 MiB or more, but for the last); returns its etag."""
        query = {"partNumber": str(number), "uploadId": upload_id}
        return (await self.in_thread(lambda: self._send(key, data, query=query)))["ETag"]

    async def complete(self, key: str, upload_id: str, etags: list[str]) -> None:
        """Make the object of its parts, in order."""
        await self.assemble(key, upload_id, list(enumerate(etags, 1)))

    async def assemble(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of parts by number and etag; numbers rise, and may have gaps.

        Raises UploadMissingError where there is no such upload (any more), PartMissingError where a part is not there,
        or is another one.
        """
        listed = [{"ETag": etag, "PartNumber": number} for number, etag in parts]
        try:
            await self._call(
                self._client.complete_multipart_upload,
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchUpload":
                raise UploadMissingError(key) from error
            if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
                raise PartMissingError(f"{key}: {code}") from error
            raise

    async def parts(self, key: str, upload_id: str) -> dict[int, tuple[str, int]]:
        """Etag and size of each part that was sent so far, by number; none where there is no such upload (any more)."""

        def listed() -> dict[int, tuple[str, int]]:
            pages = self._client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload_id)
            try:
                return {
                    each["PartNumber"]: (each["ETag"], each["Size"]) for page in pages for each in page.get("Parts", [])
                }
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchUpload":
                    return {}
                raise

        return await self.in_thread(listed)

    def part_link(self, key: str, upload_id: str, number: int, *, size: int, seconds: int) -> str:
        """An address to which anybody may PUT this part, of exactly `size` bytes, for so long."""
        return self._public.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "UploadId": upload_id,
                "PartNumber": number,
                "ContentLength": size,
            },
            ExpiresIn=seconds,
        )

    async def scan(self, key: str, take: Callable[[bytes], None], is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Read an object from its beginning to its end, in a thread, which calls `take` with one piece after the other.

        Raises ObjectMissingError where there is none, AbandonedError once it is not wanted any more.
        """

        def read() -> None:
            with closing(self._body_of(key)) as body:
                for piece in body.iter_chunks(CHUNK):
                    if not is_wanted():
                        raise AbandonedError
                    take(piece)

        await self.in_thread(read)

    async def abort(self, key: str, upload_id: str) -> None:
        """Throw the parts of an unfinished upload away. No error where there is none."""
        await self._call(self._abort, key=key, upload_id=upload_id)

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchUpload":
                raise

    async def unfinished(self, key: str) -> list[str]:
        """Ids of the multipart uploads of this very key that were begun and neither completed nor aborted."""
        answer = await self._call(self._client.list_multipart_uploads, Bucket=self.bucket, Prefix=key)
        return [each["UploadId"] for each in answer.get("Uploads", []) if each["Key"] == key]

    async def delete(self, key: str) -> None:
        """Delete an object. No error where there is none."""
        await self._call(self._client.delete_object, Bucket=self.bucket, Key=key)

    async def erase(self, prefix: str, *, begun: Sequence[str] = ()) -> int:
        """Delete everything whose key begins so, unfinished multipart uploads and older versions too.

        Returns how many objects there were. prefix: ends with a slash, so that it names a folder. begun: keys in it
        whose multipart upload may be unfinished; some stores list these for whole keys only.
        """
        if not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end with a slash")
        return await self._call(self._erase, prefix=prefix, begun=begun)

    def _erase(self, prefix: str, begun: Sequence[str]) -> int:
        uploads = self._client.get_paginator("list_multipart_uploads")
        for beginning in (prefix, *begun):
            for found in uploads.paginate(Bucket=self.bucket, Prefix=beginning):
                for each in found.get("Uploads", []):
                    # Not every store keeps to the prefix.
                    if each["Key"].startswith(prefix):
                        self._abort(each["Key"], each["UploadId"])
        count = 0
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for stored in page.get("Contents", []):
                self._client.delete_object(Bucket=self.bucket, Key=stored["Key"])
                count += 1
        if self._is_versioned:
            for versions in self._client.get_paginator("list_object_versions").paginate(
                Bucket=self.bucket, Prefix=prefix
            ):
                for version in (*versions.get("Versions", []), *versions.get("DeleteMarkers", [])):
                    self._client.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
        return count

    def link(self, key: str, *, filename: str, media_type: str, inline: bool = False) -> str:
        """A link to an object that works from a browser on another host for 15 minutes."""
        # RFC 6266: the plain name in ASCII for old clients, the real one encoded.
        plain = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in filename)
        kind = "inline" if inline else "attachment"
        disposition = f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
        return self._public.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "ResponseContentType": media_type,
                "ResponseContentDisposition": disposition,
            },
            ExpiresIn=LINK_SECONDS,
        )
