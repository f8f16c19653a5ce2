"""Forms that nobody would write: the parser says what is there, or that it cannot be read, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from support.services import ServiceProcess
from support.uploads import Owner, jpeg

from assay.shared.problems import MalformedBodyError
from assay.upload.errors import UnsupportedContentTypeError
from assay.upload.multipart import FORM, Form, boundary_of, parameters

LIMIT = 1 << 20
PICTURE = jpeg()

# RFC 2046, 5.1.1, without the space, which may not be the last.
BOUNDARIES = some.text("0123456789abcXYZ'()+_,-./:=?", min_size=1, max_size=70).map(str.encode)
NAMES = some.text(some.characters(exclude_categories=["Cs"]), max_size=40)
# What may stand between quotes as it is.
PLAIN = some.text(some.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=40)


@dataclass(frozen=True)
class Sent:
    """A part as a client means it. extended: its name is written as RFC 8187 says, so any character may be in it."""

    name: str
    filename: str | None
    extended: bool
    media_type: str | None
    content: bytes

    def written(self) -> bytes:
        head = f'Content-Disposition: form-data; name="{self.name}"'
        if self.filename is not None and self.extended:
            head += f"; filename*=UTF-8''{quote(self.filename, safe='')}"
        elif self.filename is not None:
            head += f'; filename="{self.filename}"'
        if self.media_type is not None:
            head += f"\r\nContent-Type: {self.media_type}"
        return head.encode() + b"\r\n\r\n" + self.content + b"\r\n"


# Bytes with a taste for what a boundary is made of.
CONTENTS = some.lists(
    some.one_of(some.binary(max_size=40), some.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"-", b"\r\n--", b"\0"])),
    max_size=8,
).map(b"".join)
PARTS = some.one_of(
    some.builds(
        Sent,
        name=PLAIN,
        filename=some.none() | PLAIN,
        extended=some.just(False),
        media_type=some.none() | some.sampled_from(["image/png", "text/plain; charset=utf-8"]),
        content=CONTENTS,
    ),
    some.builds(Sent, name=PLAIN, filename=NAMES, extended=some.just(True), media_type=some.none(), content=CONTENTS),
)
STEPS = some.lists(some.integers(1, 200), min_size=1, max_size=20)


async def in_pieces(content: bytes, steps: list[int]) -> AsyncIterator[bytes]:
    """The content in pieces of these sizes, again and again."""
    start = number = 0
    while start < len(content):
        end = start + steps[number % len(steps)]
        yield content[start:end]
        start, number = end, number + 1


async def heard(content: bytes, boundary: bytes, steps: list[int]) -> list[tuple[str, str | None, str | None, bytes]]:
    """All that a form says. Raises MalformedBodyError."""
    found = []
    async for part in Form(in_pieces(content, steps), boundary).parts():
        content_of_part = await part.read(LIMIT)
        assert content_of_part is not None
        found.append((part.name, part.filename, part.media_type, content_of_part))
    return found


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(sent=some.lists(PARTS, min_size=1, max_size=6), boundary=BOUNDARIES, steps=STEPS)
def test_what_a_form_says_is_what_is_heard_in_whatever_pieces(
    sent: list[Sent], boundary: bytes, steps: list[int]
) -> None:
    delimiter = b"--" + boundary
    # A client chooses a boundary that its contents do not have.
    sent = [each for each in sent if b"\r\n" + delimiter not in b"\r\n" + each.written()]
    if not sent:
        return
    body = b"".join(delimiter + b"\r\n" + each.written() for each in sent) + delimiter + b"--\r\n"
    meant = [(each.name, each.filename, each.media_type, each.content) for each in sent]
    assert asyncio.run(heard(body, boundary, steps)) == meant
    assert boundary_of(f'{FORM}; charset=utf-8; boundary="{boundary.decode()}"') == boundary


# Pieces of forms, put together by somebody who has seen one from afar.
SCRAPS = some.one_of(
    some.sampled_from(
        [
            b"--b",
            b"--b\r\n",
            b"\r\n--b\r\n",
            b"\r\n--b--\r\n",
            b"--b--",
            b"\r\n",
            b"\r",
            b"\n",
            b"\n\n",
            b"\0",
            b'Content-Disposition: form-data; name="file"; filename="a.jpg"',
            b'Content-Disposition: form-data; name="metadata"',
            b"Content-Disposition: form-data; name*=UTF-8''%ff; filename*=x'y'%zz; name=",
            b'Content-Disposition: form-data; name="\\"; filename="C:\\',
            b"Content-Disposition: attachment",
            b"Content-Type: \xff\xfe",
            b"Content-Transfer-Encoding: base64",
            b": no name",
            b" folded",
            b"x" * 20_000,
            "Content-Disposition: form-data; name=файл; filename=照片\u202egpj.exe".encode(),
        ]
    ),
    some.binary(max_size=60),
    some.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
BODIES = some.lists(SCRAPS, max_size=14).map(b"".join)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(body=BODIES, boundary=some.just(b"b") | some.binary(min_size=1, max_size=70), steps=STEPS)
def test_any_body_is_heard_or_malformed(body: bytes, boundary: bytes, steps: list[int]) -> None:
    def tried(sizes: list[int]) -> object:
        try:
            return asyncio.run(heard(body, boundary, sizes))
        except MalformedBodyError as error:
            assert len(str(error)) > 20
            return MalformedBodyError

    assert tried(steps) == tried([len(body) or 1])


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(value=some.text(max_size=200), boundary=some.text(max_size=100))
def test_any_content_type_has_a_boundary_or_is_refused(value: str, boundary: str) -> None:
    for written in (value, f"{FORM}; {value}", f"{FORM}; boundary={boundary}", f'{FORM};boundary="{boundary}"'):
        try:
            found = boundary_of(written)
        except (MalformedBodyError, UnsupportedContentTypeError):
            continue
        assert 1 <= len(found) <= 70
    assert all(isinstance(each, bytes) for each in parameters(value.encode()).values())


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(body=BODIES, boundary=some.just("b") | some.text("bB-'", min_size=1, max_size=70), cut=some.integers(0, 400))
def test_any_body_is_answered_by_the_service(
    body: bytes, boundary: str, cut: int, upload: ServiceProcess, environment: dict[str, str]
) -> None:
    """Whole as it is, and behind a part with a picture, broken off somewhere."""
    owner = Owner(upload.url, environment)
    start = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n%s\r\n'
    behind = (start % (boundary.encode(), PICTURE) + body)[: len(start) + len(PICTURE) + cut]
    for content in (body, behind):
        answer = httpx.post(
            f"{upload.url}/api/v1/files",
            content=content,
            headers={**owner.headers, "Content-Type": f'{FORM}; boundary="{boundary}"'},
            timeout=20,
        )
        if answer.status_code in (200, 202):
            assert answer.json()
            continue
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]
