"""Whether metadata agrees with itself, with the picture, and with the camera that it names."""

from collections.abc import Callable
from typing import Any

import pytest
from analyzers.provenance.exif_blocks import exif, jpeg, scene

from assay.inference.analyzers.provenance.consistency.cameras import camera
from assay.inference.analyzers.provenance.consistency.tables import libjpeg_quality
from assay.sdk import Finding

Examine = Callable[..., Finding]
PICTURE = scene(3, 300, 200)
TAKEN, DIGITISED, CHANGED, LENS, NOTE, FOCAL = 0x9003, 0x9004, 0x0132, 0xA434, 0x927C, 0x920A
WIDE, HIGH, MAKE, MODEL, SOFTWARE = 0xA002, 0xA003, 0x010F, 0x0110, 0x0131
IPHONE = {MAKE: "Apple", MODEL: "iPhone 13"}


def xmp(attributes: str = "", inside: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        f'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" {attributes}>{inside}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def told(finding: Finding, kind: str) -> list[dict[str, Any]]:
    return [oddity for oddity in finding.details["consistency"]["oddities"] if oddity["kind"] == kind]


@pytest.fixture
def check(examine: Examine) -> Callable[..., Finding]:
    def run(tags: dict[int, Any] = {}, sub: dict[int, Any] = {}, packet: bytes | None = None, **gps: Any) -> Finding:  # noqa: B006
        options = {"xmp": packet} if packet else {}
        return examine(jpeg(PICTURE, exif=exif(tags, sub, **gps), **options))

    return run


Check = Callable[..., Finding]

# Dates


@pytest.mark.parametrize(
    ("tags", "sub", "words"),
    [
        ({CHANGED: "2024:05:01 10:00:00"}, {TAKEN: "2024:05:04 10:00:00"}, "before it was taken"),
        ({}, {TAKEN: "2024:05:04 10:00:00", DIGITISED: "2023:05:04 10:00:00"}, "before it was taken"),
        ({CHANGED: "2024:13:45 10:00:00"}, {}, "is no date"),
        ({}, {TAKEN: "2098:01:02 10:00:00"}, "in the future"),
        ({}, {TAKEN: "1970:01:01 00:00:00"}, "before there were digital cameras"),
    ],
)
def test_dates_that_cannot_be(tags: dict[int, str], sub: dict[int, str], words: str, check: Check) -> None:
    finding = check(tags, sub)
    assert any(words in oddity["text"] for oddity in told(finding, "dates"))
    assert finding.label == "no_findings"


@pytest.mark.parametrize(
    ("tags", "sub"),
    [
        ({CHANGED: "2024:05:03 22:00:00"}, {TAKEN: "2024:05:04 10:00:00"}),
        ({CHANGED: "2024:05:04 10:00:00"}, {TAKEN: "0000:00:00 00:00:00"}),
        ({CHANGED: "    :  :     :  :  "}, {TAKEN: "2024:05:04 10:00:00", DIGITISED: "2002:12:08 12:00:00"}),
    ],
)
def test_zones_unset_clocks_and_known_firmware_are_no_oddity(tags: Any, sub: Any, check: Check) -> None:
    assert told(check(tags, sub), "dates") == []


def test_the_camera_clock_against_the_satellites(check: Check) -> None:
    sub = {TAKEN: "2024:05:04 10:00:00"}
    assert told(check({}, sub, gps={0x1D: "2024:05:05"}), "dates") == []
    (oddity,) = told(check({}, sub, gps={0x1D: "2024:06:05"}), "dates")
    assert "by the satellites'" in oddity["text"]


def test_xmp_dates_against_each_other_and_exif(check: Check) -> None:
    packet = xmp('xmp:CreateDate="2024-05-04T10:00:00+02:00" xmp:ModifyDate="2024-04-01T10:00:00Z"')
    assert "changed (XMP)" in told(check(packet=packet), "dates")[0]["text"]
    dated = xmp('photoshop:DateCreated="2020-01-05"')
    assert "XMP on 2020-01-05" in told(check({}, {TAKEN: "2024:05:04 10:00:00"}, dated), "dates")[0]["text"]


# Size


@pytest.mark.parametrize(
    ("size", "words"),
    [((3000, 2000), "made smaller"), ((3000, 2400), "cut or put together"), ((150, 100), "enlarged")],
)
def test_the_size_that_exif_was_written_for(size: tuple[int, int], words: str, check: Check) -> None:
    (oddity,) = told(check({}, {WIDE: size[0], HIGH: size[1]}), "size")
    assert words in oddity["text"]


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (0, 0)])
def test_sizes_that_agree(size: tuple[int, int], check: Check) -> None:
    assert told(check({}, {WIDE: size[0], HIGH: size[1]}), "size") == []


# Camera


@pytest.mark.parametrize(
    ("tags", "sub", "words"),
    [
        ({MAKE: "Canon", MODEL: "Canon EOS 80D"}, {NOTE: b"Nikon\x00\x02\x10\x00\x00"}, "in the form of Nikon"),
        ({MAKE: "Samsung", MODEL: "iPhone 13"}, {}, "made by Apple"),
        (IPHONE, {LENS: "iPhone 11 back dual camera 4.25mm f/1.8"}, "the lens of an iPhone 11"),
        (IPHONE, {LENS: "EF24-70mm f/2.8L II USM"}, "the phone iPhone 13 with the lens"),
        (IPHONE, {TAKEN: "2015:06:07 10:00:00"}, "came out in 2021"),
        ({MAKE: "Canon", MODEL: "Canon EOS 80D"}, {LENS: "EF-S18-55mm f/3.5", FOCAL: (300, 1)}, "cannot do"),
    ],
)
def test_what_such_a_camera_does_not_make(tags: Any, sub: Any, words: str, check: Check) -> None:
    finding = check(tags, sub)
    assert any(words in oddity["text"] for oddity in told(finding, "camera"))
    assert finding.label == "no_findings"


@pytest.mark.parametrize(
    ("tags", "sub"),
    [
        ({MAKE: "Canon", MODEL: "Canon EOS 80D"}, {LENS: "EF-S18-55mm f/3.5-5.6 IS", FOCAL: (55, 1)}),
        ({MAKE: "NIKON CORPORATION", MODEL: "NIKON D850"}, {NOTE: b"Nikon\x00\x02\x10", TAKEN: "2020:06:07 10:00:00"}),
        (IPHONE, {LENS: "iPhone 13 back dual wide camera 5.1mm f/1.6", FOCAL: (51, 10), NOTE: b"Apple iOS\x00"}),
        (IPHONE, {TAKEN: "2000:01:01 00:00:00"}),
        ({MAKE: "Holga", MODEL: "Unheard of 3000"}, {NOTE: b"Nikon\x00", TAKEN: "1999:06:07 10:00:00"}),
    ],
)
def test_what_such_a_camera_does_make_and_unknown_ones(tags: Any, sub: Any, check: Check) -> None:
    assert told(check(tags, sub), "camera") == []


def test_a_picture_larger_than_the_camera_takes(examine: Examine) -> None:
    tags = {MAKE: "Apple", MODEL: "iPhone"}
    (oddity,) = told(examine(jpeg(scene(4, 2000, 1500), exif=exif(tags))), "camera")
    assert "1600 × 1200 at most" in oddity["text"]
    assert told(examine(jpeg(scene(4, 1600, 1200), exif=exif(tags))), "camera") == []
    # A panorama is put together by the phone itself.
    assert told(examine(jpeg(scene(4, 3600, 700), exif=exif(tags))), "camera") == []


def test_the_table_of_cameras_is_sane() -> None:
    for model in ("Canon EOS 5D Mark II", "nikon d850", "iPhone  15 Pro", "ILCE-7M3"):
        known = camera(model)
        assert known is not None and known.size is not None
        assert known.size[0] > known.size[1] > 1000
        assert 1999 <= known.year <= 2025
    assert camera("Canon EOS R5").size is None  # type: ignore[union-attr]
    assert camera("Unheard of 3000") is None


# Software


def test_editors_are_named(check: Check) -> None:
    (oddity,) = told(check({SOFTWARE: "Adobe Photoshop 26.1 (Windows)"}), "software")
    assert "Adobe Photoshop 26.1" in oddity["text"]
    (face,) = told(check({SOFTWARE: "FaceApp 11.2"}), "software")
    assert "change faces" in face["text"]
    assert face["weight"] > oddity["weight"]
    for harmless in ("Adobe Photoshop Lightroom Classic 13.0", "Ver.1.00", "18.6.1", "darktable 4.6"):
        assert told(check({SOFTWARE: harmless}), "software") == []


def test_the_history_in_xmp_is_told(check: Check) -> None:
    steps = "".join(
        f'<rdf:li stEvt:action="{action}" stEvt:when="2025-03-0{day}T10:00:00Z" stEvt:softwareAgent="{agent}"/>'
        for action, day, agent in (("created", 1, "Adobe Lightroom 8"), ("saved", 2, "Adobe Photoshop 26.1"))
    )
    finding = check(
        {SOFTWARE: "Ver.1.00"}, packet=xmp(inside=f"<xmpMM:History><rdf:Seq>{steps}</rdf:Seq></xmpMM:History>")
    )
    assert [step["action"] for step in finding.details["consistency"]["history"]] == ["created", "saved"]
    said = " ".join(evidence.text for evidence in finding.evidence)
    assert "created by Adobe Lightroom 8 on 2025-03-01; saved by Adobe Photoshop 26.1 on 2025-03-02" in said
    # Exif names the camera's firmware only: it was left as it was.
    assert "not all of its metadata was renewed" in told(finding, "stale")[0]["text"]


def test_documents_from_which_was_pasted(check: Check) -> None:
    inside = (
        "<photoshop:DocumentAncestors><rdf:Bag><rdf:li>xmp.did:1</rdf:li><rdf:li>xmp.did:2</rdf:li></rdf:Bag>"
        "</photoshop:DocumentAncestors>"
    )
    (oddity,) = told(check(packet=xmp(inside=inside)), "pasted")
    assert "2 other documents" in oddity["text"]


# Tables


@pytest.mark.parametrize(
    ("make", "quality", "said"), [("Apple", 80, True), ("Canon", 80, False), ("Apple", None, False)]
)
def test_quantisation_tables_that_such_a_camera_never_writes(
    make: str, quality: int | None, said: bool, examine: Examine
) -> None:
    own = [[min(255, 3 + value // 4) for value in range(64)]] * 2
    options = {"quality": quality} if quality else {"qtables": own}
    found = told(examine(jpeg(PICTURE, exif=exif({MAKE: make}), **options)), "table")
    assert [f"at quality {quality}" in oddity["text"] for oddity in found] == ([True] if said else [])


@pytest.mark.parametrize("quality", [1, 37, 50, 75, 99])
def test_the_quality_of_libjpeg_is_known_from_its_table(quality: int) -> None:
    content = jpeg(PICTURE, quality)
    at = content.index(b"\xff\xdb\x00\x43\x00") + 5
    assert libjpeg_quality(content[at : at + 64]) == quality
    assert libjpeg_quality(bytes(64)) is None


# Together


def test_many_oddities_together_are_doubtful_but_accuse_nobody(check: Check) -> None:
    sub = {NOTE: b"Nikon\x00\x02", TAKEN: "2024:05:04 10:00:00", WIDE: 3000, HIGH: 1000}
    finding = check({MAKE: "Canon", MODEL: "Canon EOS 80D", CHANGED: "2020:05:01 10:00:00"}, sub)
    assert (finding.label, finding.claim, finding.score) == ("inconclusive", "manipulated", None)
    counted = sum(evidence.weight for evidence in finding.evidence)
    assert 0.5 < finding.details["raw_score"] < 0.93
    assert counted == pytest.approx(1.0 + 0.4 + 0.4)
