"""multipart/form-data (RFC 7578) as a stream of parts: nothing of a part is kept but what its reader keeps."""

import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from assay.shared.problems import MalformedBodyError
from assay.upload.errors import UnsupportedContentTypeError

FORM = "multipart/form-data"
MAX_HEADERS = 16
# A name of 1024 characters, each of four bytes that are written as %XX.
MAX_HEADER_BYTES = 16 * 1024
MAX_BOUNDARY_BYTES = 70  # RFC 2046, 5.1.1

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# A quoted value with escapes; one whose backslashes are plain characters, as browsers write it; a bare token.
_PARAMETER = re.compile(rb';\s*(%s)\s*=\s*(?:"((?:\\.|[^"\\])*)"|"([^"]*)"|([^;\s"]+))' % _TOKEN, re.DOTALL)
_END = object()


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names.

    Raises UnsupportedContentTypeError for another type than multipart/form-data, MalformedBodyError without boundary.
    """
    raw = content_type.encode("latin-1", "replace")
    kind = raw.partition(b";")[0].strip().lower()
    if kind != FORM.encode():
        shown = kind.decode("latin-1") or "none"
        raise UnsupportedContentTypeError(
            f"The Content-Type is {shown}. Send the file as {FORM} in the field `file`: curl -F file=@photo.jpg …"
        )
    boundary = parameters(raw).get("boundary", b"")
    if not 1 <= len(boundary) <= MAX_BOUNDARY_BYTES:
        raise MalformedBodyError(
            f"The Content-Type {FORM} names no boundary of 1 to {MAX_BOUNDARY_BYTES} bytes. "
            "Let your HTTP library set this header."
        )
    return boundary


def parameters(value: bytes) -> dict[str, bytes]:
    """The parameters of a header's value, unquoted, by lower-case name; the first of each name counts."""
    found: dict[str, bytes] = {}
    for name, escaped, plain, token in _PARAMETER.findall(value):
        found.setdefault(name.decode("ascii").lower(), re.sub(rb'\\(["\\])', rb"\1", escaped) or plain or token)
    return found


def _text_of(extended: bytes) -> str | None:
    """An RFC 8187 value such as `UTF-8''na%C3%AFve.jpg`; None where it is not one."""
    charset, _, rest = extended.partition(b"'")
    language, quote, encoded = rest.partition(b"'")
    codec = {b"utf-8": "utf-8", b"iso-8859-1": "latin-1"}.get(charset.lower())
    if codec is None or not quote or b'"' in language:
        return None
    return unquote_to_bytes(encoded).decode(codec, "replace")


class Part:
    """One part of a form. A file where `filename` is not None, else a field."""

    def __init__(self, form: "Form", headers: dict[str, bytes]) -> None:
        disposition = headers.get("content-disposition", b"")
        given = parameters(disposition)
        if disposition.partition(b";")[0].strip().lower() != b"form-data" or "name" not in given:
            raise MalformedBodyError("A part of the form has no `Content-Disposition: form-data; name=…`.")
        self.name = given["name"].decode("utf-8", "replace")
        self.filename = _text_of(given["filename*"]) if "filename*" in given else None
        if self.filename is None and "filename" in given:
            self.filename = given["filename"].decode("utf-8", "replace")
        declared = headers.get("content-type", b"").decode("latin-1").strip()
        self.media_type = declared[:255] if declared.isprintable() and declared else None
        self._form = form
        self._is_over = False

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the part as they arrive. Raises MalformedBodyError where the form is broken or ends early."""
        while not self._is_over:
            event = await self._form.next_event()
            if isinstance(event, bytes):
                yield event
            else:
                self._is_over = True

    async def read(self, limit: int) -> bytes | None:
        """All bytes of the part; None where there are more than `limit`."""
        content = bytearray()
        async for chunk in self.chunks():
            content += chunk
            if len(content) > limit:
                return None
        return bytes(content)


class Form:
    """The parts of a form, in order. What is not read of a part is skipped."""

    witness: Callable[["Part | bytes"], None] | None = None
    """Sees all parts and all their bytes, those that nobody reads too."""

    def __init__(self, body: AsyncIterator[bytes], boundary: bytes, length: int | None = None) -> None:
        """length: bytes of the body, where its client has told it."""
        self.length = length
        self._body = body
        self._events: deque[Any] = deque()  # a Part, then its bytes, then _END
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": lambda: self._events.append(Part(self, self._headers)),
                "on_part_data": lambda data, start, end: self._events.append(data[start:end]),
                "on_part_end": lambda: self._events.append(_END),
                "on_end": self._on_end,
            },
            max_header_count=MAX_HEADERS,
            max_header_size=MAX_HEADER_BYTES,
        )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field = self._value = b""

    def _on_end(self) -> None:
        self._complete = True

    async def parts(self) -> AsyncIterator[Part]:
        """Each part, once its headers are there."""
        while (event := await self.next_event()) is not None:
            if isinstance(event, Part):
                yield event

    async def next_event(self) -> Any:
        """The next thing in the form: a Part, bytes of it, its end; None at the end of the form."""
        while not self._events:
            if self._complete:
                return None
            try:
                chunk = await anext(self._body)
            except StopAsyncIteration:
                raise MalformedBodyError(
                    "The form ends before its closing boundary: a part of it got lost. Send it again."
                ) from None
            try:
                self._parser.write(chunk)
            except FormParserError as error:
                raise MalformedBodyError(f"The body is not {FORM}: {error}.") from error
        event = self._events.popleft()
        if self.witness is not None and event is not _END:
            self.witness(event)
        return event
