"""Sums up what a file's plain metadata says: who made it, with what, when. Anyone can write any of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assay.inference.analyzers.provenance import source_types
from assay.inference.analyzers.provenance.consistency import Facts, facts_of
from assay.inference.analyzers.provenance.containers import read_container
from assay.inference.analyzers.provenance.entries import Entries, Entry
from assay.inference.analyzers.provenance.generators import Trace, find_traces
from assay.inference.analyzers.provenance.stealth import read_stealth


@dataclass(frozen=True, slots=True)
class Metadata:
    """`source_types` are (field, term of the vocabulary); `fields` counts what was read by place.

    facts      what is held against other fields, the pixels and the camera
    thumbnail  the JPEG in Exif
    """

    container: str | None
    camera: str | None
    lens: str | None
    capture_settings: bool
    position: bool
    software: tuple[str, ...]
    created: str | None
    credit: str | None
    source_types: tuple[tuple[str, str], ...]
    remote_manifest: str | None
    fields: tuple[tuple[str, int], ...]
    problems: tuple[str, ...]
    traces: tuple[Trace, ...]
    facts: Facts
    thumbnail: bytes | None


def read_metadata(path: Path) -> Metadata:
    """Read the metadata of one file; damage is noted in `problems`, never raised."""
    entries = Entries()
    container = read_container(path, entries)
    if container in ("png", "webp"):
        read_stealth(path, entries)
    return _summary(container, entries)


def _summary(container: str | None, entries: Entries) -> Metadata:
    found = entries.found
    make, model = _first(found, "Make", "tiff:Make"), _first(found, "Model", "tiff:Model")
    declared = [e for e in found if e.key.rsplit(":", 1)[-1].lower() == "digitalsourcetype"]
    return Metadata(
        container=container,
        camera=_camera(make, model),
        lens=_first(found, "LensModel", "exifEX:LensModel"),
        capture_settings=sum(e.key in ("ExposureTime", "FNumber", "ISO", "FocalLength") for e in found) >= 2,
        position=any(e.key == "GPS" for e in found),
        software=_all(found, "Software", "ProcessingSoftware", "xmp:CreatorTool", "stEvt:softwareAgent"),
        created=_first(found, "DateTimeOriginal", "xmp:CreateDate", "photoshop:DateCreated", "DateTime"),
        credit=_first(found, "photoshop:Credit", "credit"),
        source_types=tuple(dict.fromkeys((f"{e.place}:{e.key}", source_types.term(e.value)) for e in declared))[:10],
        remote_manifest=_first(found, "dcterms:provenance"),
        fields=tuple(sorted(Counter(e.place for e in found).items())),
        problems=tuple(entries.problems),
        traces=find_traces(found),
        facts=facts_of(found, entries.maker_note, entries.luma_table),
        thumbnail=entries.thumbnail,
    )


def _camera(make: str | None, model: str | None) -> str | None:
    """A name that is short enough to be one: some generators hide their settings in these fields."""
    if not model or len(model) > 80 or len(make or "") > 80:
        return None
    return model if not make or model.lower().startswith(make.split()[0].lower()) else f"{make} {model}"


def _first(entries: Iterable[Entry], *keys: str) -> str | None:
    return next((e.value[:300] for key in keys for e in entries if e.key == key), None)


def _all(entries: Iterable[Entry], *keys: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e.value[:100] for e in entries if e.key in keys))[:10]
