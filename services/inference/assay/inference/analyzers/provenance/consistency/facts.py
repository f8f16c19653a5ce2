"""What the metadata claims, in the form that the checks need."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.inference.analyzers.provenance.entries import Entry

MAX_STEPS = 30


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the editing history in XMP."""

    action: str
    agent: str | None
    when: str | None


@dataclass(frozen=True, slots=True)
class Date:
    """A date as it stands in a field; `value` is None where it is no date. Time zones are not kept."""

    field: str
    text: str
    value: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """declared_size: (width, height) that Exif gives of its picture.  ancestors: documents pasted from (Photoshop)."""

    make: str = ""
    model: str = ""
    lens: str = ""
    focal_length: float | None = None
    maker_note: bytes = b""
    luma_table: bytes = b""
    exif_software: str = ""
    programs: tuple[tuple[str, str], ...] = ()
    history: tuple[Step, ...] = ()
    ancestors: int = 0
    declared_size: tuple[int, int] | None = None
    dates: tuple[Date, ...] = ()

    def date(self, *fields: str) -> Date | None:
        """The first of these fields that holds a date."""
        return next((date for field in fields for date in self.dates if date.field == field and date.value), None)


_DATES = {
    "exif:DateTimeOriginal": "taken",
    "exif:DateTimeDigitized": "digitised",
    "exif:DateTime": "changed",
    "exif:GPSDateStamp": "positioned",
    "xmp:xmp:CreateDate": "created (XMP)",
    "xmp:xmp:ModifyDate": "changed (XMP)",
    "xmp:photoshop:DateCreated": "taken (XMP)",
    "iptc:date_created": "taken (IPTC)",
}
_LENS = ("exif:LensModel", "xmp:exifEX:LensModel", "xmp:aux:Lens")
_PROGRAMS = {
    "exif:Software": "Software",
    "exif:ProcessingSoftware": "ProcessingSoftware",
    "xmp:xmp:CreatorTool": "CreatorTool",
    "xmp:tiff:Software": "tiff:Software",
    "xmp:stEvt:softwareAgent": "history",
    "iptc:originating_program": "OriginatingProgram",
}


def facts_of(entries: Sequence[Entry], maker_note: bytes = b"", luma_table: bytes = b"") -> Facts:
    """Sum up a file's entries."""
    first: dict[str, str] = {}
    for entry in entries:
        first.setdefault(f"{entry.place}:{entry.key}", entry.value)
    width, height = (_whole(first.get(f"exif:Pixel{axis}Dimension")) for axis in "XY")
    named = [(_PROGRAMS[key], e.value[:100]) for e in entries if (key := f"{e.place}:{e.key}") in _PROGRAMS]
    return Facts(
        make=first.get("exif:Make", "")[:80].strip(),
        model=first.get("exif:Model", "")[:80].strip(),
        lens=next((first[key] for key in _LENS if key in first), "")[:120],
        focal_length=_number(first.get("exif:FocalLength")),
        maker_note=maker_note,
        luma_table=luma_table,
        exif_software=first.get("exif:Software", "")[:100],
        programs=tuple(dict.fromkeys(named))[:20],
        history=_history(entries),
        ancestors=sum(e.key == "photoshop:DocumentAncestors" for e in entries),
        declared_size=(width, height) if width and height else None,
        dates=tuple(_date(_DATES[key], text) for key, text in first.items() if key in _DATES),
    )


def _history(entries: Sequence[Entry]) -> tuple[Step, ...]:
    """The events in their order; a key that comes again begins the next one."""
    steps: list[dict[str, str]] = []
    for entry in entries:
        if entry.place == "xmp" and entry.key.startswith("stEvt:"):
            key = entry.key.removeprefix("stEvt:")
            if not steps or key in steps[-1]:
                steps.append({})
            steps[-1][key] = entry.value[:200]
    return tuple(
        Step(step["action"], step.get("softwareAgent"), step.get("when"))
        for step in steps[:MAX_STEPS]
        if step.get("action")
    )


def _date(field: str, text: str) -> Date:
    """`YYYY:MM:DD HH:MM:SS` of Exif, ISO 8601 of XMP, YYYYMMDD of IPTC; the time may be missing."""
    digits = "".join(character for character in text[:19] if character.isdigit())
    value = None
    for form, length in (("%Y%m%d%H%M%S", 14), ("%Y%m%d%H%M", 12), ("%Y%m%d", 8)):
        if len(digits) >= length:
            try:
                value = datetime.strptime(digits[:length], form)
            except ValueError:
                continue
            break
    return Date(field, text[:40], value)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
