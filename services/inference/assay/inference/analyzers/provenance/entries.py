"""What a file says about itself, flattened: one entry for each field that was read."""

from dataclasses import dataclass, field

MAX_VALUE = 1024 * 1024
"""Longest value that is kept, in characters; longer ones are cut, `size` still counts them."""
MAX_TOTAL = 8 * 1024 * 1024
MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """`place` is where it stands (exif, xmp, iptc, png, jpeg, stealth); `size` the length before cutting."""

    place: str
    key: str
    value: str
    size: int


@dataclass(slots=True)
class Entries:
    """Collects entries within bounds, so that a file of a million fields costs no more than one of a thousand.

    thumbnail   the JPEG that Exif carries as the picture in small
    maker_note  how the camera maker's own block in Exif begins
    luma_table  the quantisation table of a JPEG's luma, 64 bytes in the file's order
    """

    found: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    thumbnail: bytes | None = None
    maker_note: bytes = b""
    luma_table: bytes = b""
    _total: int = 0
    _full: bool = False

    def add(self, place: str, key: str, value: str) -> None:
        """Keep one field; empty values are not kept."""
        value = value.strip("\x00 \t\r\n")
        if not value:
            return
        kept = value[:MAX_VALUE]
        if len(self.found) >= MAX_ENTRIES or self._total + len(kept) > MAX_TOTAL:
            if not self._full:
                self.problem("There is more metadata than is read; the rest was left out.")
            self._full = True
            return
        self._total += len(kept)
        self.found.append(Entry(place, key[:200], kept, len(value)))

    def problem(self, text: str) -> None:
        """Note something that could not be read, in a sentence; at most ten are kept."""
        if len(self.problems) < 10 and text not in self.problems:
            self.problems.append(text)
