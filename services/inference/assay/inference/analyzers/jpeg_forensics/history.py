"""The compression history of a picture: how it was saved last, by whom perhaps, and what savings went before."""

from typing import Any

from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import Examination
from assay.inference.analyzers.jpeg_forensics.structure import JpegStructure
from assay.inference.analyzers.jpeg_forensics.tables import nearest
from assay.inference.analyzers.jpeg_forensics.writers import Writer, camera_of, writer_of
from assay.sdk import Evidence

_SURE_SHARE = 0.75  # of the first steps that one standard table explains
_SHOWN_MARKERS = 24
_CLEARLY_OTHER = 5  # in quality


def history(picture: Picture, examination: Examination) -> dict[str, Any]:
    """What `details.history` holds: `last` and `thumbnail` of a JPEG (else None), and `earlier` savings."""
    structure = picture.structure
    return {
        "last": None if structure is None else _saving(structure),
        "writer": None if structure is None else _writer(writer_of(structure)),
        "thumbnail": None if structure is None or structure.thumbnail is None else _thumbnail(structure),
        "earlier": {"aligned": _aligned(examination), "shifted": _shifted(examination)},
    }


def notes(picture: Picture) -> list[Evidence]:
    """The last saving in sentences. It speaks neither for nor against editing, so it weighs nothing."""
    structure = picture.structure
    if structure is None or structure.luminance is None:
        return []
    writer = writer_of(structure)
    found = nearest(structure.luminance)
    match = "exactly its table" if found.exact else f"{found.apart} of 64 steps differ"
    who = {"named": f"by {writer.name}", "likely": f"probably by {writer.name}"}.get(
        writer.sure, "by an unknown program"
    )
    colour = f", colour {structure.sampling}" if structure.sampling else ", without colour"
    sentences = [
        f"The file was saved {who}, at about quality {found.quality} of libjpeg ({match}), {structure.process}{colour}."
    ]
    if writer.camera_doubted:
        sentences.append(
            "EXIF names a camera, but the file is laid out as programs do it: it was probably saved again after the "
            "camera, which need not have changed the picture."
        )
    return [Evidence(text=sentence, weight=0.0) for sentence in sentences]


def _saving(structure: JpegStructure) -> dict[str, Any]:
    return {
        "process": structure.process,
        "precision": structure.precision,
        "sampling": structure.sampling,
        "huffman": structure.huffman,
        "restart_interval": structure.restart_interval,
        "scans": structure.scans,
        "luminance": _table(structure.luminance, "luminance"),
        "chrominance": _table(structure.chrominance, "chrominance"),
        "markers": list(structure.markers[:_SHOWN_MARKERS]),
        "comments": list(structure.comments),
        "camera": camera_of(structure) or None,
        "bytes_after_end": structure.after,
    }


def _table(table: tuple[int, ...] | None, kind: str) -> dict[str, Any] | None:
    if table is None:
        return None
    found = nearest(table, kind)
    return {"steps": list(table), "quality": found.quality, "exact": found.exact, "steps_apart": found.apart}


def _writer(writer: Writer) -> dict[str, Any]:
    return {"name": writer.name or "unknown", "sure": writer.sure, "clues": list(writer.clues)}


def _thumbnail(structure: JpegStructure) -> dict[str, Any]:
    small = structure.thumbnail
    assert small is not None
    same = small.luminance == structure.luminance and small.chrominance == structure.chrominance
    return {
        "same_tables": same,
        "luminance": _table(small.luminance, "luminance"),
        "chrominance": _table(small.chrominance, "chrominance"),
        "sampling": small.sampling,
        "huffman": small.huffman,
        "markers": list(small.markers[:_SHOWN_MARKERS]),
    }


def _aligned(examination: Examination) -> dict[str, Any] | None:
    """An earlier saving on the same grid. sure: how many of the frequencies agree on one standard table."""
    double = examination.double
    if double is None or double.quality is None:
        return None
    low, high, share = double.quality_range
    return {
        "quality": double.quality,
        "between": [low, high],
        "exact": double.standard,
        "steps_explained": round(share, 2),
        "frequencies": double.frequencies,
        "coefficients": round(double.share, 3),
        "sure": _sure(low, high, share),
    }


def _shifted(examination: Examination) -> dict[str, Any] | None:
    """An earlier saving of a JPEG on another grid: it was cropped in between."""
    found = examination.shifted
    if found is None:
        return None
    low, high, share = found.quality_range
    return {
        "grid": list(found.grid),
        "strength": round(found.strength, 1),
        "quality": found.quality,
        "between": [low, high] if found.quality is not None else None,
        "steps_explained": round(share, 2),
        "frequencies": found.steps,
        "sure": _sure(low, high, share),
    }


def _sure(low: int, high: int, share: float) -> str:
    """high: one standard table, or a few neighbours, explain most of the steps found."""
    return "high" if share >= _SURE_SHARE and high - low < _CLEARLY_OTHER else "low"
