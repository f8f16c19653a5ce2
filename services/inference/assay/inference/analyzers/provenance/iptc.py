"""Reads IPTC-IIM datasets, plain or inside Photoshop image resources.

Source: IPTC-NAA Information Interchange Model 4.2, chapters 1 and 6; Adobe Photoshop file format, image resources.
"""

import struct

from assay.inference.analyzers.provenance.entries import Entries

_DATASETS = {
    5: "title",
    40: "special_instructions",
    55: "date_created",
    65: "originating_program",
    80: "byline",
    90: "city",
    105: "headline",
    110: "credit",
    115: "source",
    116: "copyright",
    120: "caption",
}
_IPTC_RESOURCE = 0x0404


def read_photoshop(blob: bytes, entries: Entries) -> None:
    """Read the IPTC resource of a block of Photoshop image resources (`8BIM …`)."""
    at = 0
    while blob[at : at + 4] == b"8BIM" and at + 12 <= len(blob):
        (resource,) = struct.unpack(">H", blob[at + 4 : at + 6])
        name = 1 + blob[at + 6]
        start = at + 6 + name + name % 2
        if start + 4 > len(blob):
            break
        (size,) = struct.unpack(">I", blob[start : start + 4])
        if resource == _IPTC_RESOURCE:
            read_iptc(blob[start + 4 : start + 4 + size], entries)
        at = start + 4 + size + size % 2


def read_iptc(blob: bytes, entries: Entries) -> None:
    """Read the application record (2) into `entries`; extended datasets (longer than 32 KiB) end the reading."""
    at = 0
    while at + 5 <= len(blob) and blob[at] == 0x1C:
        record, dataset, size = struct.unpack(">BBH", blob[at + 1 : at + 5])
        if size & 0x8000:
            entries.problem("An IPTC field is larger than is read; the rest was left out.")
            return
        if record == 2 and dataset in _DATASETS:
            raw = blob[at + 5 : at + 5 + size]
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                text = raw.decode("latin-1")
            entries.add("iptc", _DATASETS[dataset], text)
        at += 5 + size
