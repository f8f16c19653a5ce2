"""From measurements to a finding: label, score, and evidence in plain sentences."""

from typing import Any

from assay.inference.analyzers.jpeg_forensics.calibration import (
    MANIPULATED_FROM,
    SUSPECT_FROM,
    Assessment,
    assess,
    grid_weight,
    odd_weight,
)
from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import Examination
from assay.inference.analyzers.jpeg_forensics.grids import ForeignGrid
from assay.inference.analyzers.jpeg_forensics.history import history
from assay.inference.analyzers.jpeg_forensics.history import notes as told_history
from assay.inference.analyzers.jpeg_forensics.labels import CLAIM, MANIPULATED
from assay.inference.analyzers.jpeg_forensics.odd import DoubleAnalysis, OddRegion
from assay.inference.analyzers.jpeg_forensics.regions import Region
from assay.inference.analyzers.jpeg_forensics.tables import nearest
from assay.inference.pictures import Box, upright_box
from assay.sdk import INCONCLUSIVE, NO_FINDINGS, Evidence, Finding

_SHOWN = 3  # regions told of, of each kind
_SILENCE = (
    "The whole picture went through the same two compressions; no part lacks the first. "
    "This does not prove that it is unedited."
)
_SILENCE_WITHOUT_TRACES = (
    "No part of the picture shows another compression history than the rest. It holds no earlier compression that "
    "editing could have broken, so this says little and does not prove that it is unedited."
)


def conclude(picture: Picture, examination: Examination) -> Finding:
    """Judge one picture. Boxes are [x, y, width, height] in the upright frame, the one in which people see it.

    There is no score where the method cannot tell: the traces are weak, or there was none that editing could break.
    """
    assessment = assess(examination)
    told = [(odd_weight(found), _odd_sentence(found, examination.double), found.region) for found in assessment.odd]
    told += [(grid_weight(found), _grid_sentence(found), found.region) for found in assessment.foreign]
    told.sort(key=lambda item: -item[0])
    evidence = [
        Evidence(text=text, weight=round(weight, 2), where={"box": list(_box(picture, examination, region))})
        for weight, text, region in told[:_SHOWN]
    ]
    blind = picture.table is None and examination.grids.main is None
    label = _label(assessment, bool(told), blind)
    evidence += _context(picture, examination, label, assessment)
    return Finding(
        label=label,
        claim=CLAIM,
        score=None if label == INCONCLUSIVE or not assessment.informed else round(assessment.score, 4),
        confidence=_confidence(label, examination),
        evidence=tuple(evidence),
        details=_details(picture, examination, assessment),
    )


def _label(assessment: Assessment, found: bool, blind: bool) -> str:
    if found and assessment.score >= MANIPULATED_FROM:
        return MANIPULATED
    if blind or (found and assessment.score >= SUSPECT_FROM):
        return INCONCLUSIVE
    return NO_FINDINGS


def _confidence(label: str, examination: Examination) -> float:
    """High where both methods had something to read; silence of a method that was blind is worth little."""
    if label == MANIPULATED:
        return 0.9
    if label == INCONCLUSIVE:
        return 0.2
    return 0.5 if examination.double is not None and examination.double.quality is not None else 0.2


def _odd_sentence(found: OddRegion, double: DoubleAnalysis | None) -> str:
    quality = double.quality if double else None
    if double is not None and not double.rest_is_double:
        return f"This part was saved as a JPEG before, at about quality {quality}, and the rest of the picture was not."
    return (
        f"The rest of the picture was saved as a JPEG before, at about quality {quality}; this part lacks the traces "
        "of that saving, so it was added or changed afterwards."
    )


def _grid_sentence(found: ForeignGrid) -> str:
    x, y = found.grid % BLOCK, found.grid // BLOCK
    return (
        f"The compression blocks in this part start at another place ({x}, {y}) than in the rest of the picture, "
        "so it comes from another picture or was moved."
    )


def _box(picture: Picture, examination: Examination, region: Region) -> Box:
    height, width = picture.luma.shape
    on_double = examination.double is not None and any(region is found.region for found in examination.double.regions)
    left, top = examination.double_grid if on_double else (0, 0)
    x, y = left + region.columns[0] * BLOCK, top + region.rows[0] * BLOCK
    stored = (
        x,
        y,
        (region.columns[1] - region.columns[0]) * BLOCK,
        (region.rows[1] - region.rows[0]) * BLOCK,
    )
    return upright_box(stored, (width, height), picture.orientation)


def _context(picture: Picture, examination: Examination, label: str, assessment: Assessment) -> list[Evidence]:
    """What is worth knowing beside the regions."""
    double, grids = examination.double, examination.grids
    notes = []
    if label == NO_FINDINGS:
        notes.append(
            Evidence(
                text=_SILENCE if assessment.informed else _SILENCE_WITHOUT_TRACES,
                weight=round(assessment.weight, 2),
            )
        )
    if label == INCONCLUSIVE and picture.table is None and grids.main is None:
        notes.append(
            Evidence(text="The picture shows no trace of JPEG compression, so this method cannot tell anything.")
        )
    elif label == INCONCLUSIVE:
        notes.append(Evidence(text="The traces are too weak to say that the picture was edited."))
    if double is not None and double.quality is not None and double.rest_is_double and label != MANIPULATED:
        saved = "saved again as a JPEG" if picture.table else "then saved in another format"
        notes.append(Evidence(text=f"The whole picture was a JPEG of about quality {double.quality} and {saved}."))
    if examination.shifted is not None:
        quality = examination.shifted.quality
        about = "" if quality is None else f" of about quality {quality}"
        notes.append(Evidence(text=f"The picture was a JPEG{about} before, was cropped, and saved again as a whole."))
    return notes + told_history(picture)


def _details(picture: Picture, examination: Examination, assessment: Assessment) -> dict[str, Any]:
    height, width = picture.luma.shape
    turned = picture.orientation >= 5
    double, grids = examination.double, examination.grids
    return {
        "format": picture.format,
        "width": height if turned else width,
        "height": width if turned else height,
        "orientation": picture.orientation,
        "software": picture.software,
        "table": _table(picture),
        "history": history(picture, examination),
        "raw_score": round(assessment.score, 4),
        "grid": {
            "main": None if grids.main is None else [grids.main % BLOCK, grids.main // BLOCK],
            "log10_nfa": round(grids.main_log10_nfa, 1),
            "foreign": [
                {
                    "grid": [found.grid % BLOCK, found.grid // BLOCK],
                    "log10_nfa": round(found.log10_nfa, 1),
                    "votes_inside": round(found.inside, 3),
                    "votes_outside": round(found.outside, 4),
                    "box": list(_box(picture, examination, found.region)),
                }
                for found in grids.foreign[:_SHOWN]
            ],
        },
        "double_quantisation": None
        if double is None
        else {
            "frequencies": double.frequencies,
            "gain_nats": round(double.gain, 1),
            "share": round(double.share, 3),
            "primary_quality": double.quality,
            "primary_table_standard": double.standard,
            "regions": [
                {
                    "nats": round(found.nats, 1),
                    "fit": round(found.fit, 2),
                    "rest_fit": round(found.rest_fit, 2),
                    "box": list(_box(picture, examination, found.region)),
                }
                for found in double.regions[:_SHOWN]
            ],
        },
    }


def _table(picture: Picture) -> dict[str, Any] | None:
    """In short; `history` tells more."""
    if picture.table is None:
        return None
    found = nearest(picture.table)
    return {"luminance": list(picture.table), "quality": found.quality, "standard": found.exact}
