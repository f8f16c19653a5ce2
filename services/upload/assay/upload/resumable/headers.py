"""The headers of tus 1.0.0: read strictly, so that a client learns of its mistake before it sends gigabytes."""

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.shared.problems import InvalidRequestError
from assay.upload import fields
from assay.upload.domain import Options, shown_name
from assay.upload.errors import UnsupportedContentTypeError
from assay.upload.fields import Fields
from assay.upload.resumable.errors import TusVersionError, UnsupportedChecksumError

if TYPE_CHECKING:
    from hashlib import _Hash

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = ("sha1", "sha256", "sha512", "md5")
CHUNK_TYPE = "application/offset+octet-stream"
# The request headers that a page of another origin may send.
SENT = (
    "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, Upload-Metadata, Upload-Checksum, "
    "X-HTTP-Method-Override, X-Requested-With"
)
# As many digits as 2**63 - 1 has.
MAX_DIGITS = 19
MAX_METADATA_HEADER = 48 * 1024

# What the protocol's own words for a file are, and those of clients that everybody has.
NAME_KEYS = ("filename", "name")
TYPE_KEYS = ("filetype", "type")


@dataclass(frozen=True, slots=True)
class Described:
    """What `Upload-Metadata` says."""

    filename: str
    declared_media_type: str | None
    options: Options
    raw: str


@dataclass(slots=True)
class Checksum:
    """What `Upload-Checksum` says of the bytes of one request."""

    wanted: bytes
    digest: "_Hash" = field(repr=False)

    @property
    def is_right(self) -> bool:
        """After all bytes went through `digest`."""
        return self.digest.digest() == self.wanted


def check_version(given: str | None) -> None:
    """Raises TusVersionError where `Tus-Resumable` is missing or of another version."""
    if given != VERSION:
        raise TusVersionError(
            f"Send the header `Tus-Resumable: {VERSION}`; this request has {given[:32] if given else 'none'}.",
            headers={"Tus-Version": VERSION},
        )


def check_chunk_type(given: str | None) -> None:
    """Raises UnsupportedContentTypeError where the body is not declared to be a chunk."""
    if (given or "").partition(";")[0].strip().lower() != CHUNK_TYPE:
        raise UnsupportedContentTypeError(f"Send the bytes with `Content-Type: {CHUNK_TYPE}`.")


def number(name: str, given: str | None) -> int:
    """A header that is a number. Raises InvalidRequestError."""
    text = (given or "").strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > MAX_DIGITS:
        raise InvalidRequestError(
            f"The header `{name}` is a number of bytes; {text[:32] or 'none'} was sent.", place=name
        )
    return int(text)


def described(raw: str, known: Collection[str], max_metadata_bytes: int) -> Described:
    """What `Upload-Metadata` says. Raises the same problems as the fields of a form.

    known: the names of the analyzers that there are. Keys that mean nothing here are given back and not used.
    """
    if len(raw) > MAX_METADATA_HEADER:
        raise InvalidRequestError(
            f"The header `Upload-Metadata` has more than {MAX_METADATA_HEADER} characters.", place="Upload-Metadata"
        )
    pairs = _pairs(raw)
    asked = Fields()
    for name in (*fields.FIELDS,):
        if name in pairs:
            limit = fields.limit_of(name, max_metadata_bytes)
            if len(pairs[name]) > limit:
                raise fields.too_long(name, limit)
            asked.add(name, pairs[name], known)
    named = next((pairs[key] for key in NAME_KEYS if key in pairs), b"")
    typed = next((pairs[key] for key in TYPE_KEYS if key in pairs), b"").decode("latin-1").strip()
    return Described(
        filename=shown_name(named.decode("utf-8", "replace")),
        declared_media_type=typed[:255] if typed and typed.isprintable() else None,
        options=asked.options,
        raw=raw,
    )


def _pairs(raw: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for pair in raw.split(",") if raw.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not key:
            raise InvalidRequestError("`Upload-Metadata` has a pair without a key.", place="Upload-Metadata")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidRequestError(
                f"The value of `{key[:64]}` in `Upload-Metadata` is not Base64.", place="Upload-Metadata"
            ) from None
    return found


def checksum(headers: Mapping[str, str]) -> Checksum | None:
    """What `Upload-Checksum` says; None where there is none. Raises UnsupportedChecksumError."""
    given = headers.get("upload-checksum")
    if given is None:
        return None
    algorithm, _, value = given.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise UnsupportedChecksumError(
            f"The algorithm {algorithm[:32]} of `Upload-Checksum` is not known. There are: {', '.join(ALGORITHMS)}.",
            algorithms=list(ALGORITHMS),
        )
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        wanted = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        wanted = b""
    if len(wanted) != digest.digest_size:
        raise UnsupportedChecksumError(
            f"The value of `Upload-Checksum` is not a {algorithm} in Base64.", algorithms=list(ALGORITHMS)
        )
    return Checksum(wanted, digest)
