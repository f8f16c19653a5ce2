"""Parsing forms and typing content, whatever pieces the bytes come in."""

from collections.abc import AsyncIterator

import pytest
from support.uploads import jpeg

from assay.shared.media_types import BLOCK_BYTES, MediaTypes, Sample
from assay.shared.problems import MalformedBodyError
from assay.upload.multipart import Form, boundary_of, parameters

FORM = (
    b"a preamble\r\n--b\r\n"
    b'Content-Disposition: form-data; name="metadata"\r\n\r\n{"a": "--b"}\r\n--b\r\n'
    b'content-disposition: FORM-DATA; name="file"; filename="x.bin"\r\nContent-Type: image/png\r\n\r\n'
    b"\r\n--\r\n--c\r\n-\x00\r\n--b\r\n"
    b'Content-Disposition: form-data; name="file"; filename="empty"\r\n\r\n\r\n--b--\r\nan epilogue'
)


async def pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
async def test_parts_are_the_same_in_whatever_pieces_they_come(size: int) -> None:
    found = []
    # A preamble is allowed by RFC 2046; this parser starts at the boundary.
    async for part in Form(pieces(FORM[FORM.index(b"--b") :], size), b"b").parts():
        found.append((part.name, part.filename, part.media_type, await part.read(1000)))
    assert found == [
        ("metadata", None, None, b'{"a": "--b"}'),
        ("file", "x.bin", "image/png", b"\r\n--\r\n--c\r\n-\x00"),
        ("file", "empty", None, b""),
    ]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_parts_that_are_not_read_are_skipped(size: int) -> None:
    form = Form(pieces(FORM[FORM.index(b"--b") :], size), b"b")
    assert [part.name async for part in form.parts()] == ["metadata", "file", "file"]


@pytest.mark.parametrize("end", [10, 60, 100, 200, len(FORM) - 30])
async def test_a_form_that_ends_early_is_malformed(end: int) -> None:
    form = Form(pieces(FORM[FORM.index(b"--b") :][:end], 16), b"b")
    with pytest.raises(MalformedBodyError):
        async for part in form.parts():
            await part.read(1000)


def test_parameters_of_a_header() -> None:
    value = b'form-data; name="a;b"; filename="say \\"hi\\".txt"; filename*=UTF-8\'\'%C3%A4; x=1'
    assert parameters(value) == {
        "name": b"a;b",
        "filename": b'say "hi".txt',
        "filename*": b"UTF-8''%C3%A4",
        "x": b"1",
    }
    assert parameters(b'form-data; name="file"; filename="C:\\dir\\"') == {"name": b"file", "filename": b"C:\\dir\\"}


@pytest.mark.parametrize(
    "written", ["multipart/form-data; boundary=abc", 'Multipart/Form-Data;charset=x; boundary="abc"']
)
def test_the_boundary_is_found(written: str) -> None:
    assert boundary_of(written) == b"abc"


@pytest.fixture(scope="module")
def media_types() -> MediaTypes:
    return MediaTypes()


def sample_of(content: bytes, step: int = 1000) -> Sample:
    sample = Sample()
    for start in range(0, len(content), step):
        sample.add(content[start : start + step])
    return sample


@pytest.mark.parametrize("length", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 1, 50_000])
@pytest.mark.parametrize("step", [1, 999, BLOCK_BYTES, 50_000])
def test_a_sample_is_both_ends(length: int, step: int) -> None:
    content = bytes(number % 251 for number in range(length))
    sample = sample_of(content, step)
    whole = length <= 2 * BLOCK_BYTES
    assert sample.content == (content if whole else content[:BLOCK_BYTES] + content[-BLOCK_BYTES:])
    assert sample.size == length


def brand(major: bytes, *others: bytes) -> bytes:
    body = major + b"\0\0\0\0" + b"".join(others)
    return (len(body) + 8).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08mdat" + bytes(100)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (jpeg(), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "text/plain"),
        (brand(b"avif", b"mif1", b"miaf"), "image/avif"),
        (brand(b"mif1", b"avif"), "image/avif"),
        (brand(b"mif1", b"heic"), "image/heic"),
        (brand(b"heix", b"mif1"), "image/heic"),
        (brand(b"mif1"), "image/heif"),
        (brand(b"qt  "), "video/quicktime"),
        (brand(b"M4A ", b"isom"), "audio/mp4"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n\x00\x00\x00\x14ftypjxl " + bytes(8), "image/jxl"),
        (b'{"a": [1, 2, 3], "b": {"c": "d"}}\n' * 30, "application/json"),
        (b"MZ" + bytes(62), "application/octet-stream"),
        (b"x", "text/plain"),
        # An archive of zeros.
        (b"PK\x03\x04" + bytes(60_000), "application/zip"),
        (bytes(60_000), "application/x-iso9660-image"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_content_says_what_it_is(content: bytes, media_type: str, media_types: MediaTypes) -> None:
    assert (await media_types.of(sample_of(content))).name == media_type


async def test_both_ends_say_the_same_as_the_whole(media_types: MediaTypes) -> None:
    content = jpeg(side=512)
    assert len(content) > 4 * BLOCK_BYTES
    whole = media_types._magika.identify_bytes(content)
    ends = media_types._magika.identify_bytes(sample_of(content).content)
    assert (ends.output.label, ends.score) == (whole.output.label, whole.score)
