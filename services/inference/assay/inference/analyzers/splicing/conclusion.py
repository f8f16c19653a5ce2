"""From measurements to a finding: label, score, and evidence in plain sentences."""

from typing import Any

from assay.inference.analyzers.splicing.copies import similarity
from assay.inference.analyzers.splicing.copies.verification import Copy
from assay.inference.analyzers.splicing.labels import CLAIM, MANIPULATED
from assay.inference.analyzers.splicing.preparing import Prepared
from assay.inference.analyzers.splicing.regions import box_of, foreign_box, size_of
from assay.inference.analyzers.splicing.residual.examination import Examination
from assay.inference.analyzers.splicing.weighing import (
    MANIPULATED_FROM,
    SUSPECT_FROM,
    Assessment,
    copy_weight,
)
from assay.inference.pictures import Box
from assay.sdk import INCONCLUSIVE, NO_FINDINGS, Evidence, Finding

SHOWN = 3  # pairs told of

_SILENCE = (
    "No part of the picture appears in it twice, and no part has other noise than the rest. "
    "This does not prove that it is unedited."
)
_TOO_SMOOTH = (
    "The picture holds almost no noise: it was compressed strongly, made smaller or smoothed, or was not taken by a "
    "camera. This method cannot tell anything."
)
_ENLARGED = (
    "The picture was enlarged, as in a screenshot: its noise comes from interpolation, and of parts from elsewhere "
    "this method cannot tell anything. Upload it as it was before."
)
_TOO_WEAK = "The traces are too weak to say that the picture was edited."


def conclude(prepared: Prepared, examination: Examination, assessment: Assessment) -> Finding:
    """Judge one picture. Boxes are [x, y, width, height], upright, as people see it.

    There is no score where the traces are weak, or where the picture is too smooth to hold any or was enlarged.
    """
    label = _label(assessment)
    told = [_copy_evidence(prepared, weight, copy) for weight, copy in assessment.copies[:SHOWN]]
    if assessment.foreign > 0.0:
        told.append(_foreign_evidence(prepared, examination, assessment.foreign))
    told.sort(key=lambda each: -each.weight)
    if label == NO_FINDINGS:
        told.append(Evidence(text=_SILENCE, weight=round(assessment.weight, 2)))
    elif label == INCONCLUSIVE:
        told.append(Evidence(text=_why_silent(prepared, assessment)))
    return Finding(
        label=label,
        claim=CLAIM,
        score=None if label == INCONCLUSIVE else round(assessment.score, 4),
        confidence={MANIPULATED: 0.9, NO_FINDINGS: 0.3, INCONCLUSIVE: 0.2}[label],
        evidence=tuple(told),
        details=_details(prepared, examination, assessment),
    )


def copy_boxes(prepared: Prepared, copy: Copy) -> tuple[Box, Box]:
    """The rectangles around the two parts of a pair."""
    scale, size = prepared.search.scale, size_of(prepared)
    return box_of(copy.source, scale, size), box_of(copy.target, scale, size)


def _label(assessment: Assessment) -> str:
    if assessment.found:
        if assessment.score >= MANIPULATED_FROM:
            return MANIPULATED
        if assessment.score >= SUSPECT_FROM:
            return INCONCLUSIVE
    return NO_FINDINGS if assessment.informed else INCONCLUSIVE


def _why_silent(prepared: Prepared, assessment: Assessment) -> str:
    if assessment.found:
        return _TOO_WEAK
    return _ENLARGED if prepared.enlarged else _TOO_SMOOTH


def _copy_evidence(prepared: Prepared, weight: float, copy: Copy) -> Evidence:
    source, target = copy_boxes(prepared, copy)
    text = (
        f"The area at {_place(source)} appears again at {_place(target)}{_how(copy)}. Even its fine noise is the same "
        f"(correlation {copy.alike:.2f}), as in a copy; two things that look alike have noise of their own. Which of "
        "the two came first is not known."
    )
    return Evidence(text=text, weight=round(weight, 2), where={"box": list(target), "same_as": list(source)})


def _foreign_evidence(prepared: Prepared, examination: Examination, weight: float) -> Evidence:
    box = foreign_box(prepared, examination)
    text = (
        f"The area at {_place(box)} has other noise than the rest of the picture, more than light and content explain, "
        "so it may come from another picture or was worked on."
    )
    return Evidence(text=text, weight=round(weight, 2), where={"box": list(box)})


def _place(box: Box) -> str:
    x, y, wide, tall = box
    return f"({x}, {y}), {wide} by {tall} pixels,"


def _how(copy: Copy) -> str:
    turn, scale = similarity.turn_of(copy.matrix), similarity.scale_of(copy.matrix)
    words = []
    if abs(turn) >= 1.0:
        words.append(f"turned by {abs(turn):.0f}° {'clockwise' if turn > 0 else 'anticlockwise'}")
    if abs(scale - 1.0) >= 0.02:
        words.append(f"{scale:.2f} times as large")
    return f" {' and '.join(words)}" if words else " unchanged"


def _details(prepared: Prepared, examination: Examination, assessment: Assessment) -> dict[str, Any]:
    width, height = size_of(prepared)
    return {
        "width": width,
        "height": height,
        "raw_score": round(assessment.raw, 5),
        "weight": round(assessment.weight, 3),
        "searched_scale": round(prepared.search.scale, 4),
        "period": round(prepared.period, 2),
        "copies": [_copy_details(prepared, copy) for copy in prepared.search.copies],
        "noise": {
            "strength": examination.strength,
            "weight": round(assessment.foreign, 3),
            "box": list(foreign_box(prepared, examination)),
            "cell": examination.side,
            "noisy": examination.noisy,
        },
    }


def _copy_details(prepared: Prepared, copy: Copy) -> dict[str, Any]:
    source, target = copy_boxes(prepared, copy)
    return {
        "source": list(source),
        "target": list(target),
        "turn": round(similarity.turn_of(copy.matrix), 2),
        "scale": round(similarity.scale_of(copy.matrix), 4),
        "alike": copy.alike,
        "quiet": copy.quiet,
        "exact": copy.exact,
        "tone": copy.tone,
        "loud": copy.loud,
        "pixels": round(copy.area / prepared.search.scale**2),
        "weight": round(copy_weight(copy), 3),
    }
