"""Programs that metadata names, and whether Exif and XMP name the same."""

import re
from collections.abc import Iterator

from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity

_XMP_FIELDS = ("CreatorTool", "history")
_EDITED, _FACES, _PASTED, _STALE = 0.2, 0.5, 0.4, 0.2

# Programs that change faces and bodies for a living.
_FACE_PROGRAMS = re.compile(
    r"face ?app|face ?tune|\bmeitu\b|beauty ?plus|\bperfect365\b|you ?cam|airbrush|\bremini\b|\breface\b|\bb612\b"
    r"|\bulike\b|\bsweet ?selfie|face ?swap|\bpeachy\b|body ?tune",
    re.IGNORECASE,
)
_EDITORS = re.compile(
    r"photoshop(?! (?:lightroom|camera raw))|\bgimp\b|affinity photo|pixelmator|paint\.net|paint ?shop|pics ?art"
    r"|snapseed|\bluminar\b|photo ?scape|photo ?pea|fotor\b|befunky|pixlr|\bcanva\b|corel|photo-?paint|krita"
    r"|acdsee|photo ?director|photo ?impact|inpaint|photoroom|\bvsco\b|lensa\b|topaz|retouch4me|skylum|microsoft paint"
    r"|\bpaint 3d\b|noise ninja|neat image|ulead|photodraw",
    re.IGNORECASE,
)
# They develop, sort, send and convert; none is made to change what a picture shows.
_HARMLESS = re.compile(
    r"lightroom|camera raw|capture one|darktable|rawtherapee|dxo|photos? (?:\d|for)|picasa|iphoto|aperture"
    r"|photo mechanic|bridge|digikam|nikon transfer|viewnx|nx studio|digital photo professional|imagemagick"
    r"|exiftool|quicktime|windows photo|instagram|whatsapp",
    re.IGNORECASE,
)


def check_software(facts: Facts) -> Iterator[Oddity]:
    """What programs had the file in hands."""
    names = [name for _, name in facts.programs]
    faces = next((name for name in names if _FACE_PROGRAMS.search(name)), None)
    editor = next((name for name in names if is_editor(name)), None)
    if faces:
        text = f"It was saved by {faces}, a program that is made to change faces."
        yield Oddity("software", text, _FACES)
    elif editor:
        text = f"It was saved by {editor}, with which pictures are edited; a change of size or light is one, too."
        yield Oddity("software", text, _EDITED)
    if facts.history:
        yield Oddity("history", _told(facts))
    if facts.ancestors:
        count = f"{facts.ancestors} other document{'s' if facts.ancestors > 1 else ''}"
        text = f"Photoshop's records name {count} from which something was pasted; templates leave some too."
        yield Oddity("pasted", text, _PASTED, {"field": "xmp:photoshop:DocumentAncestors"})
    tool = next((name for field, name in facts.programs if field in _XMP_FIELDS and is_editor(name)), None)
    old = facts.exif_software
    if tool and old and not is_editor(old) and not _HARMLESS.search(old):
        text = f"Exif still names {old}, while XMP says that {tool} wrote the file"
        yield Oddity("stale", f"{text}: not all of its metadata was renewed.", _STALE, {"field": "exif:Software"})


def is_editor(name: str) -> bool:
    """A program to edit pictures with; not one that only develops, sorts or converts them."""
    return bool(_EDITORS.search(name) or _FACE_PROGRAMS.search(name))


def _told(facts: Facts) -> str:
    """The history in a sentence."""
    parts = []
    for step in facts.history[:4]:
        by = f" by {step.agent}" if step.agent else ""
        parts.append(f"{step.action}{by}{f' on {step.when[:10]}' if step.when else ''}")
    more = len(facts.history) - len(parts)
    return f"Its editing history tells: {'; '.join(parts)}{f'; and {more} more steps' if more > 0 else ''}."
