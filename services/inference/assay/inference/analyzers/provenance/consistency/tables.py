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
_LUMINANCE = tuple(
    int(value)
    for value in """
    16 11 12 14 12 10 16 14 13 14 18 17 16 19 24 40 26 24 22 22 24 49 35 37 29 40 58 51 61 60 57 51 56 55 64 72 92 78 64 68
    87 69 55 56 80 109 81 87 95 98 103 104 103 62 77 113 121 112 100 120 92 101 103 99
    """.split()
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
