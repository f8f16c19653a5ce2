"""Who may have written a JPEG file: what its tables, comments and the order of its segments give away.

Each rule is public knowledge that was checked: libjpeg's tables and layout are those that Pillow writes, Adobe's tables
those that Pillow knows, and found in pictures known to come from Photoshop; MozJPEG's table stands in its source. Where
no rule fits, the writer is unknown, and that is said.
"""

from dataclasses import dataclass

from assay.inference.analyzers.jpeg_forensics.structure import JpegStructure
from assay.inference.analyzers.jpeg_forensics.tables import adobe_preset, nearest

# How a comment begins or what it holds, in lower case.
_COMMENTS = {
    "creator: gd-jpeg": "the GD library (PHP and others)",
    "lavc": "FFmpeg",
    "lavf": "FFmpeg",
    "gimp": "GIMP",
    "lead technologies": "LEADTOOLS",
    "applemark": "Apple's QuickTime or an early macOS",
    "jpegmini": "JPEGmini",
    "intel(r) jpeg library": "Intel's JPEG library",
    "file written by adobe photoshop": "Adobe Photoshop",
}
ADOBE = "Adobe Photoshop or another program of Adobe"
LIBJPEG = "a program that uses libjpeg"
MOZJPEG = "a program that uses MozJPEG"
CAMERA = "a camera"


@dataclass(frozen=True, slots=True)
class Writer:
    """name is None where nothing gives it away. sure: "named" by the file itself, "likely", or "unknown".

    clues: sentences.  camera_doubted: EXIF names a camera, and the file is laid out as programs do it.
    """

    name: str | None
    sure: str
    clues: tuple[str, ...]
    camera_doubted: bool


def writer_of(structure: JpegStructure) -> Writer:
    """Weigh the clues; those that name somebody come first."""
    named, clues = _named(structure)
    likely, more = _by_tables(structure)
    doubts = _unlike_cameras(structure)
    clues += more
    if structure.make:
        if not doubts and not named and likely in (None, LIBJPEG):
            camera = f"{CAMERA} ({camera_of(structure)}, by EXIF)"
            return Writer(camera, "likely", (*clues, "Markers and their order are those of cameras."), False)
        clues += [f"EXIF names a camera ({camera_of(structure)}).", *doubts]
    name = named or likely
    return Writer(
        name=name,
        sure="named" if named else "likely" if likely else "unknown",
        clues=tuple(clues),
        camera_doubted=bool(structure.make and (doubts or name)),
    )


def _named(structure: JpegStructure) -> tuple[str | None, list[str]]:
    for comment in structure.comments:
        for start, name in _COMMENTS.items():
            if start in comment.lower():
                return name, [f"A comment says: {comment}"]
    if structure.facebook:
        return "Facebook or Instagram", ["The Photoshop segment holds their mark FBMD."]
    if "APP12 Ducky" in structure.markers:
        return "Adobe's export for the web", ["The segment Ducky is written by it alone."]
    if "APP13 Photoshop" in structure.markers and "APP14 Adobe" in structure.markers:
        return ADOBE, ["The segments Photoshop and Adobe are both there."]
    return None, []


def _by_tables(structure: JpegStructure) -> tuple[str | None, list[str]]:
    luminance, chrominance = structure.luminance, structure.chrominance
    if luminance is None:
        return None, []
    if preset := adobe_preset(luminance, chrominance):
        return ADOBE, [f"The tables are those of Photoshop's setting {preset!r}."]
    flat = len(set(luminance)) == 1  # quality 100 is the same in all families
    standard = nearest(luminance)
    colour = nearest(chrominance, "chrominance") if chrominance else standard
    if standard.exact and colour.exact and colour.quality == standard.quality:
        clue = f"The tables are exactly libjpeg's for quality {standard.quality}."
        # It writes each table into a segment of its own; cameras that scale the same tables put them into one.
        separate = structure.markers.count("DQT") == len(structure.tables)
        if separate or structure.process == "progressive":
            return LIBJPEG, [clue]
        return None, [clue, "They lie in one segment, as libjpeg does not write them."]
    robidoux = nearest(luminance, "robidoux")
    if robidoux.exact and not flat:
        return MOZJPEG, [f"The tables are exactly MozJPEG's for quality {robidoux.quality}."]
    if standard.exact:
        return None, [
            f"The luminance table is exactly libjpeg's for quality {standard.quality}, the colour table is not."
        ]
    return None, ["The tables are none that this analyzer knows: a camera's or a program's own."]


def _unlike_cameras(structure: JpegStructure) -> list[str]:
    """What cameras do not do, in sentences. EXIF (JEITA CP-3451, 4.5.4) comes directly after the start."""
    doubts = []
    if structure.markers[:1] == ("APP0 JFIF",):
        doubts.append("The file begins with a JFIF segment, as programs write it; cameras begin with EXIF.")
    if structure.process == "progressive":
        doubts.append("It is progressive; cameras write baseline files.")
    if structure.adobe_transform is not None:
        doubts.append("It has a segment of Adobe's.")
    return doubts


def camera_of(structure: JpegStructure) -> str:
    """Make and model as EXIF tells them; empty where it does not."""
    make, model = structure.make or "", structure.model or ""
    return model if make and model.lower().startswith(make.lower().split()[0]) else f"{make} {model}".strip()
