"""Bytes that mean harm: the analyzer answers soon, with little memory, and says what it could not read."""

import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from assay.inference.analyzers.provenance import pixels
from assay.sdk import Finding, MediaUnreadableError

Examine = Callable[..., Finding]

BILLION_LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9))
    + ']><x:xmpmeta xmlns:x="adobe:ns:meta/">&j;</x:xmpmeta>'
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&e;</x:xmpmeta>'
DEEP = "<a>" * 100_000


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Chunks put after the header chunk."""
    return png[:33] + b"".join(chunks) + png[33:]


@pytest.mark.parametrize(
    "packet", [BILLION_LAUGHS, EXTERNAL, DEEP, "<x", "\x00\xff garbage", "<a b='" + "x" * 2_000_000]
)
def test_hostile_xmp(packet: str, picture: Any, examine: Examine) -> None:
    raw = packet.encode("latin-1")
    started = time.monotonic()
    finding = examine(
        with_chunks(picture("PNG"), chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + raw)), "image/png"
    )
    assert time.monotonic() - started < 2
    assert finding.label == "no_findings"
    assert finding.details["metadata"]["problems"]


def test_a_compressed_text_bomb_costs_little(picture: Any, examine: Examine) -> None:
    bomb = zlib.compress(b"a" * 400_000_000, 9)
    content = with_chunks(picture("PNG"), *[chunk(b"zTXt", b"parameters\x00\x00" + bomb)] * 8)
    tracemalloc.start()
    finding = examine(content, "image/png")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80_000_000
    assert any("larger than is read" in problem for problem in finding.details["metadata"]["problems"])


def test_a_huge_text_is_cut_and_counted(picture: Any, examine: Examine) -> None:
    text = b"Steps: 20, Sampler: Euler, Seed: 1, CFG scale: 7\n" + b"prompt " * 400_000
    finding = examine(with_chunks(picture("PNG"), chunk(b"tEXt", b"parameters\x00" + text)), "image/png")
    assert finding.label == "synthetic"
    assert finding.details["generators"][0]["characters"] == len(text.strip())
    assert len(finding.details["generators"][0]["excerpt"]) <= 240


def test_a_million_fields_give_small_details(picture: Any, examine: Examine) -> None:
    chunks = [chunk(b"tEXt", b"Software\x00Midjourney %d" % number) for number in range(20_000)]
    finding = examine(with_chunks(picture("PNG"), *chunks), "image/png")
    assert len(json.dumps(finding.details)) < 48_000
    assert len(finding.evidence) < 30


def test_an_exif_directory_that_points_everywhere_at_itself(picture: Any, examine: Examine) -> None:
    size = 4_000_000
    entries = b"".join(struct.pack("<HHII", 0x010E + number % 8, 2, size, 8) for number in range(60_000))
    block = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 60_000) + entries
    riff = picture("WEBP", exif=b"Exif\x00\x00" + b"\x00" * 32)
    at = riff.index(b"EXIF")
    content = riff[:at] + b"EXIF" + struct.pack("<I", len(block)) + block
    started = time.monotonic()
    finding = examine(content, "image/webp")
    assert time.monotonic() - started < 2
    assert finding.label == "no_findings"


def test_control_characters_never_reach_a_verdict(picture: Any, examine: Examine) -> None:
    text = b"Midjourney\x00\x1b[31m\xe2\x80\xae gpj.exe"
    finding = examine(with_chunks(picture("PNG"), chunk(b"iTXt", b"Software\x00\x00\x00\x00\x00" + text)), "image/png")
    said = json.dumps([finding.details, [evidence.text for evidence in finding.evidence]], ensure_ascii=False)
    assert finding.label == "synthetic"
    assert not any(character in said for character in ("\x00", "\x1b", "\u202e", "\\u0000", "\\u001b"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_truncated_at_any_place(kind: str, picture: Any, examine: Examine) -> None:
    whole = (
        picture(kind, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")
        if kind != "TIFF"
        else picture(kind)
    )
    for length in range(16, len(whole), max(1, len(whole) // 25)):
        assert examine(whole[:length], f"image/{kind.lower()}").label == "no_findings"


def test_truncated_credentials_never_pass(samples: Any, chain: Any, picture: Any, examine: Examine) -> None:
    signed = samples.sign(picture(), "image/jpeg", samples.created("digitalCapture"), chain)
    for length in range(64, len(signed) - 1, len(signed) // 25):
        finding = examine(signed[:length], roots=chain.authority)
        assert finding.label in ("inconclusive", "manipulated", "no_findings")
        assert finding.details["c2pa"]["validation_state"] in (None, "Invalid")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"", "image/jpeg"), (b"GIF89a", "image/png"), (b"\x00" * 64, "image/webp"), (b"text", "image/tiff")],
)
def test_bytes_that_are_not_their_media_type(content: bytes, media_type: str, examine: Examine) -> None:
    with pytest.raises(MediaUnreadableError):
        examine(content, media_type)


@pytest.mark.parametrize("media_type", ["application/pdf", "video/mp4", "audio/wav", "image/svg+xml", "image/gif"])
def test_any_bytes_under_any_other_type_give_an_answer(media_type: str, examine: Examine) -> None:
    finding = examine(b"<c2pa:manifest> \xff\xfe" + bytes(range(256)), media_type)
    assert finding.label in ("no_findings", "inconclusive")


def test_a_picture_of_too_many_pixels_is_told_and_its_metadata_read(
    picture: Any, examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "MAX_PIXELS", 5_000)
    content = with_chunks(picture("PNG"), chunk(b"tEXt", b"Software\x00Midjourney"))
    finding = examine(content, "image/png")
    assert finding.label == "synthetic"
    assert any("not searched for invisible marks" in evidence.text for evidence in finding.evidence)


def test_a_header_that_claims_gigapixels_costs_nothing(picture: Any, examine: Examine) -> None:
    png = picture("PNG")
    header = struct.pack(">II", 60_000, 60_000) + png[24:29]
    content = png[:8] + chunk(b"IHDR", header) + png[33:]
    started = time.monotonic()
    finding = examine(content, "image/png")
    assert time.monotonic() - started < 2
    assert finding.label == "no_findings"
    assert any("megapixels" in evidence.text for evidence in finding.evidence)


@pytest.mark.parametrize("place", [0, 8, 0x7FFFFFFF, 0xFFFFFFF0])
@pytest.mark.parametrize("size", [0, 1, 70_000, 0xFFFFFFFF])
def test_thumbnails_that_point_anywhere(place: int, size: int, picture: Any, examine: Examine) -> None:
    second = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, place, 0x0202, 4, 1, size, 0)
    block = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x0e" + second
    assert examine(picture(exif=block)).details["consistency"]["thumbnail"] is None
