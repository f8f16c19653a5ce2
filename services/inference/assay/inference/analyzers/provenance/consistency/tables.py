"""Quantisation tables against the maker of the camera.

Some makers' cameras never use the tables of ITU-T T.81 annex K, scaled as the free library libjpeg scales them; most
programs and sites do. Only makers of whom that was seen without exception are listed: Apple and Fujifilm.
"""

from collections.abc import Iterator

from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity

_SAVED_AGAIN = 0.1
_OWN_TABLES = ("apple", "fujifilm")

# Table K.1 in the order in which files have it (zigzag).
_LUMINANCE = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933"
    "383740485c4e404457453738506d51575f626768673e4d71797064785c656763"
)


def check_table(facts: Facts) -> Iterator[Oddity]:
    """The table with which luma is stored, where the file is a JPEG."""
    quality = libjpeg_quality(facts.luma_table)
    if quality is not None and facts.make.casefold().startswith(_OWN_TABLES):
        text = (
            f"It is compressed as a common library does at quality {quality}, not as cameras by {facts.make} do: "
            "it was saved again since, as sites and mail programs do."
        )
        yield Oddity("table", text, _SAVED_AGAIN)


def libjpeg_quality(table: bytes) -> int | None:
    """The quality setting of libjpeg, 1 to 99, that makes this table; None for others. table: 64 values, zigzag."""
    return next((quality for quality in range(1, 100) if table and table == _scaled(quality)), None)


def _scaled(quality: int) -> bytes:
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return bytes(min(255, max(1, (value * percent + 50) // 100)) for value in _LUMINANCE)
