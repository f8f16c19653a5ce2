"""How a file was saved, and what savings went before."""

from io import BytesIO

import numpy as np
import pytest
from analyzers.conftest import Judge
from analyzers.jpeg_forensics.drawn import decoded, encoded, photo
from PIL import Image, JpegPresets

from assay.inference.analyzers.jpeg_forensics.structure import JpegStructure, structure_of
from assay.inference.analyzers.jpeg_forensics.tables import standard_table
from assay.inference.analyzers.jpeg_forensics.writers import writer_of


def with_tables(tables: object) -> bytes:
    """A JPEG with these quantisation tables."""
    output = BytesIO()
    Image.fromarray(photo(1)).save(output, "JPEG", qtables=tables, subsampling=0)
    return output.getvalue()


def laid_out(content: bytes) -> JpegStructure:
    structure = structure_of(content)
    assert structure is not None
    return structure


def with_segment(content: bytes, marker: int, payload: bytes) -> bytes:
    """A segment behind the start of a JPEG."""
    return content[:2] + bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload + content[2:]


def camera_exif(thumbnail: bytes = b"") -> bytes:
    """EXIF of a made-up camera, with a thumbnail, as a segment's payload."""
    make = b"Optix\0"
    entries, behind = 1, b""
    first = 8 + 2 + 12 * entries + 4
    second = first + len(make)
    at = second + 2 + 24 + 4
    head = b"II*\0" + (8).to_bytes(4, "little")
    ifd0 = (1).to_bytes(2, "little") + entry(0x010F, 2, len(make), first) + second.to_bytes(4, "little")
    ifd1 = (2).to_bytes(2, "little") + entry(0x0201, 4, 1, at) + entry(0x0202, 4, 1, len(thumbnail)) + bytes(4)
    return b"Exif\0\0" + head + ifd0 + make + ifd1 + thumbnail + behind


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return b"".join(number.to_bytes(size, "little") for number, size in ((tag, 2), (kind, 2), (count, 4), (value, 4)))


@pytest.mark.parametrize("quality", [1, 30, 75, 92, 100])
@pytest.mark.parametrize("progressive", [False, True])
def test_tables_and_layout_are_those_that_were_written(quality: int, progressive: bool) -> None:
    content = encoded(photo(1, 64, 80), quality, progressive=progressive, subsampling="4:2:2")
    structure = laid_out(content)
    with Image.open(BytesIO(content)) as image:
        assert structure.luminance == tuple(image.quantization[0])
        assert structure.chrominance == tuple(image.quantization[1])
    assert structure.luminance == tuple(standard_table(quality).ravel())
    assert structure.chrominance == tuple(standard_table(quality, "chrominance").ravel())
    assert (structure.process, structure.sampling) == ("progressive" if progressive else "baseline", "4:2:2")
    assert (structure.huffman, structure.scans > 1) == ("optimised" if progressive else "typical", progressive)
    assert (structure.after, structure.restart_interval) == (0, 0)


def test_restarts_own_huffman_tables_and_what_lies_behind_are_told() -> None:
    content = encoded(photo(1, 64, 80), 80, optimize=True, restart_marker_blocks=3) + b"behind"
    structure = laid_out(content)
    assert (structure.huffman, structure.restart_interval, structure.after) == ("optimised", 3, 6)
    assert structure.markers[0] == "APP0 JFIF"
    assert "DRI" in structure.markers


def test_planes_of_red_green_and_blue_have_no_luminance(judge: Judge) -> None:
    content = encoded(photo(1), 85, keep_rgb=True)
    assert laid_out(content).is_rgb
    assert laid_out(content).luminance is None
    assert judge(content).label in ("no_findings", "inconclusive")


def test_the_thumbnail_is_told_beside_the_picture(judge: Judge) -> None:
    plain = encoded(photo(1), 90)
    jfif = 20  # the start and the segment JFIF, which cameras do not write
    body = plain[:2] + plain[jfif:]
    for quality, same in ((60, False), (90, True)):
        content = with_segment(body, 0xE1, camera_exif(encoded(photo(1, 48, 64), quality)))
        found = judge(content).details["history"]
        assert found["last"]["camera"] == "Optix"
        assert found["thumbnail"]["luminance"]["quality"] == quality
        assert found["thumbnail"]["same_tables"] == same
        assert found["writer"] == {
            "name": "a camera (Optix, by EXIF)",
            "sure": "likely",
            "clues": found["writer"]["clues"],
        }


def test_a_program_is_not_taken_for_the_camera_that_exif_names(judge: Judge) -> None:
    finding = judge(with_segment(encoded(photo(1), 90), 0xE1, camera_exif()))
    assert finding.details["history"]["writer"]["name"] == "a camera (Optix, by EXIF)"
    plain = encoded(photo(1), 90)
    exif = camera_exif()
    behind_jfif = plain[:20] + bytes([0xFF, 0xE1]) + (len(exif) + 2).to_bytes(2) + exif + plain[20:]
    finding = judge(behind_jfif)
    assert finding.details["history"]["writer"]["name"] == "a program that uses libjpeg"
    assert any("saved again after the camera" in each.text and each.weight == 0.0 for each in finding.evidence)


@pytest.mark.parametrize("preset", sorted(JpegPresets.presets))
def test_adobes_tables_are_known(preset: str) -> None:
    writer = writer_of(laid_out(with_tables(preset)))
    assert (writer.name, writer.sure) == ("Adobe Photoshop or another program of Adobe", "likely")


def test_mozjpegs_tables_are_known() -> None:
    table = standard_table(80, "robidoux").ravel().tolist()
    writer = writer_of(laid_out(with_tables([table, table])))
    assert (writer.name, writer.sure) == ("a program that uses MozJPEG", "likely")


@pytest.mark.parametrize(
    ("segments", "name"),
    [
        ([(0xFE, b"CREATOR: gd-jpeg v1.0 (using IJG JPEG v80), quality = 82\n")], "the GD library (PHP and others)"),
        ([(0xFE, b"Lavc60.31.102\0")], "FFmpeg"),
        ([(0xEC, b"Ducky\0\1\0\4")], "Adobe's export for the web"),
        ([(0xED, b"Photoshop 3.0\x008BIM\4\4 FBMD0a00")], "Facebook or Instagram"),
        (
            [(0xEE, b"Adobe\0d\0\0\0\0\1"), (0xED, b"Photoshop 3.0\x008BIM")],
            "Adobe Photoshop or another program of Adobe",
        ),
    ],
)
def test_writers_that_leave_their_name_are_told(segments: list[tuple[int, bytes]], name: str) -> None:
    content = encoded(photo(1, 64, 80), 82)
    for marker, payload in segments:
        content = with_segment(content, marker, payload)
    assert (writer_of(laid_out(content)).name, writer_of(laid_out(content)).sure) == (name, "named")


def test_unknown_tables_are_called_unknown(judge: Judge) -> None:
    own = (standard_table(70) + np.arange(64).reshape(8, 8) % 3).ravel().tolist()
    finding = judge(with_tables([own, own]))
    assert finding.details["history"]["writer"]["name"] == "unknown"
    assert finding.details["history"]["last"]["luminance"]["exact"] is False
    assert any("by an unknown program" in each.text for each in finding.evidence)


def test_damaged_segments_are_no_error() -> None:
    content = encoded(photo(1, 64, 80), 82)
    damaged = with_segment(content, 0xDB, b"\x00\x01\x02")
    assert laid_out(with_segment(damaged, 0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")).luminance is not None
    for size in range(0, len(content), 7):
        structure_of(content[:size])


@pytest.mark.parametrize(("before", "after"), [(60, 80), (70, 90), (78, 92), (85, 95)])
def test_an_earlier_saving_is_told_with_how_sure_it_is(judge: Judge, before: int, after: int) -> None:
    earlier = judge(encoded(decoded(encoded(photo(3), before)), after)).details["history"]["earlier"]
    low, high = earlier["aligned"]["between"]
    assert low <= before <= high
    assert abs(earlier["aligned"]["quality"] - before) <= 2
    assert earlier["aligned"]["sure"] == ("high" if after > 80 else "low")  # finer second steps show the first better
    assert earlier["shifted"] is None


@pytest.mark.parametrize(
    ("before", "after", "left", "top"), [(60, 92, 5, 3), (75, 90, 1, 6), (80, 92, 7, 7), (60, 90, 4, 0)]
)
def test_an_earlier_saving_on_another_grid_is_told(judge: Judge, before: int, after: int, left: int, top: int) -> None:
    cropped = np.ascontiguousarray(decoded(encoded(photo(3), before))[top:, left:])
    finding = judge(encoded(cropped, after))
    shifted = finding.details["history"]["earlier"]["shifted"]
    assert shifted["grid"] == [-left % 8, -top % 8]
    assert abs(shifted["quality"] - before) <= 2
    assert shifted["sure"] == "high"
    assert finding.label == "no_findings"
    assert any(f"quality {shifted['quality']} before, was cropped" in each.text for each in finding.evidence)


def test_a_picture_saved_once_has_no_earlier_saving(judge: Judge) -> None:
    for quality in (50, 75, 90):
        earlier = judge(encoded(photo(4), quality)).details["history"]["earlier"]
        assert earlier == {"aligned": None, "shifted": None}
    assert judge(encoded(photo(4))).details["history"]["last"] is None
