"""Weights as a stream of bytes, from wherever an address says."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel

from assay.shared.settings import S3Settings, with_secret_files

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CHUNK = 1 << 20
TIMEOUT_S = 30.0
PREFIX = "ASSAY_S3__"


class SourceError(Exception):
    """The address does not give the file. One line: which address, and why."""


class NothingThereError(SourceError):
    """The address is understood and answers, and has no such file."""


class _Bucket(BaseModel):
    s3: S3Settings


def s3_settings(environ: Mapping[str, str]) -> S3Settings | None:
    """ASSAY_S3__… of an environment; None where it has no key: then boto3 looks for one in its own ways.

    Raises ValueError where they are wrong, OSError where a secret's file cannot be read.
    """
    lines = with_secret_files(_Bucket, environ)
    fields = {
        name.removeprefix(PREFIX).lower(): value for name, value in lines.items() if name.startswith(PREFIX) and value
    }
    return S3Settings.model_validate(fields) if "access_key_id" in fields else None


@contextmanager
def opened(address: str, s3: S3Settings | None) -> Iterator[Iterator[bytes]]:
    """The bytes at an address, in pieces, for the block.

    address: https://…, http://… (the hash is checked all the same), s3://bucket/key or file:///path.
    Raises SourceError, also from the pieces.
    """
    parts = urlsplit(address)
    opening = {"https": _web, "http": _web, "file": _file}.get(parts.scheme)
    try:
        if opening is not None:
            with opening(parts) as pieces:
                yield pieces
        elif parts.scheme == "s3":
            with _bucket(parts, s3) as pieces:
                yield pieces
        else:
            raise SourceError(f"{address} begins with none of https://, s3://, file://")
    except SourceError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, BotoCoreError, ClientError) as error:
        raise SourceError(f"{address}: {error or type(error).__name__}") from error


@contextmanager
def _web(parts: SplitResult) -> Iterator[Iterator[bytes]]:
    address = parts.geturl()
    with httpx.stream("GET", address, follow_redirects=True, timeout=TIMEOUT_S) as answer:
        if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            raise NothingThereError(f"{address}: there is no such file (status {answer.status_code})")
        if answer.status_code != httpx.codes.OK:
            raise SourceError(f"{address} answers with status {answer.status_code}")
        yield answer.iter_bytes(CHUNK)


@contextmanager
def _file(parts: SplitResult) -> Iterator[Iterator[bytes]]:
    if parts.netloc not in ("", "localhost"):
        raise SourceError(f"{parts.geturl()} names a host; write file:///path with three slashes")
    try:
        file = Path(unquote(parts.path)).open("rb")  # noqa: SIM115 - closed below
    except FileNotFoundError as error:
        raise NothingThereError(f"{parts.geturl()}: there is no such file") from error
    except OSError as error:
        raise SourceError(f"{parts.geturl()} cannot be read: {error.strerror}") from error
    with file:
        yield iter(lambda: file.read(CHUNK), b"")


@contextmanager
def _bucket(parts: SplitResult, s3: S3Settings | None) -> Iterator[Iterator[bytes]]:
    client = _client(s3)
    try:
        answer = client.get_object(Bucket=parts.netloc, Key=unquote(parts.path).lstrip("/"))
        yield answer["Body"].iter_chunks(CHUNK)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == httpx.codes.NOT_FOUND:
            raise NothingThereError(f"{parts.geturl()}: there is no such object") from error
        raise
    finally:
        client.close()


def _client(s3: S3Settings | None) -> "S3Client":
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if s3 and s3.endpoint_url else "auto"},
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=5,
        read_timeout=TIMEOUT_S,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    if s3 is None:
        return boto3.client("s3", config=config)
    return boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key.get_secret_value(),
        config=config,
    )
