"""The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header), and what a request says in sum."""

import hashlib
import json
import re
from collections.abc import Sequence

from assay.upload.idempotency.errors import InvalidKeyError
from assay.upload.multipart import Part

MAX_KEY_CHARACTERS = 255

# A string of structured fields (RFC 9651, 3.3.3), or, as many clients send it, the bare text.
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def key_of(sent: Sequence[str]) -> str | None:
    """The key among the values of this header; None without any. Raises InvalidKeyError."""
    if not sent:
        return None
    if len(sent) > 1:
        raise InvalidKeyError("The request has several `Idempotency-Key` headers. Send one.")
    value = sent[0].strip(" \t")
    quoted = _QUOTED.fullmatch(value)
    key = re.sub(r'\\(["\\])', r"\1", quoted[1]) if quoted else value
    if not (quoted or _BARE.fullmatch(value)) or not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise InvalidKeyError(
            f"`Idempotency-Key` is a string of 1 to {MAX_KEY_CHARACTERS} ASCII characters in quotes, new for each "
            'request, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".'
        )
    return key


class Fingerprint:
    """What a form says: names and contents of its parts, in order, however it was cut and delimited."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._part = hashlib.sha256()

    def add(self, event: Part | bytes) -> None:
        """A part begins, or some bytes of it."""
        if isinstance(event, bytes):
            self._part.update(event)
            return
        self._whole.update(self._part.digest())
        self._whole.update(json.dumps([event.name, event.filename]).encode())
        self._part = hashlib.sha256()

    def hexdigest(self) -> str:
        """Of all parts so far."""
        whole = self._whole.copy()
        whole.update(self._part.digest())
        return whole.hexdigest()
