"""From judged faces to a finding: label, score, and evidence in plain sentences."""

import math
from typing import Any

from assay.inference.analyzers.face_manipulation.fusion import MANIPULATED_FROM, of_several
from assay.inference.analyzers.face_manipulation.judging import Examination, JudgedFace
from assay.inference.analyzers.face_manipulation.labels import CLAIM, MANIPULATED
from assay.inference.analyzers.face_manipulation.networks import NAMES
from assay.inference.analyzers.face_manipulation.picture import Prepared
from assay.inference.analyzers.face_manipulation.pyramid import MINIMUM_FACE
from assay.inference.analyzers.face_manipulation.weights import MESONETS
from assay.inference.pictures import Box
from assay.sdk import INCONCLUSIVE, Evidence, Finding, NotApplicableError

_WITHIN = (
    "The networks are of 2018 and 2019, are good at the face swaps of their time and no better than chance at later "
    "ones."
)

_UNFIT = f"under {MINIMUM_FACE} pixels wide and high, or not plainly a face"


def conclude(picture: Prepared, examination: Examination) -> Finding:
    """Judge one picture by its strongest face. Boxes are [x, y, width, height] in the upright picture of the file.

    Raises NotApplicableError where there is no face.
    """
    if not examination.faces:
        raise NotApplicableError("No face was found in the picture.")
    judged = examination.judged
    details = {
        "faces": [_described(picture, each) for each in examination.faces],
        "judged": len(judged),
        "examined_at_scale": round(picture.scale, 4),
    }
    if not judged:
        return _not_judged(picture, examination, details)
    score = of_several([each.score for each in judged if each.score is not None])
    label = MANIPULATED if score >= MANIPULATED_FROM else INCONCLUSIVE
    details["raw_score"] = round(score, 4)
    weight = round(math.log(score / (1.0 - score)), 2)
    where = {"box": list(box(picture, judged[0]))}
    return Finding(
        label=label,
        claim=CLAIM,
        score=round(score, 4) if label == MANIPULATED else None,
        confidence=0.5 if label == MANIPULATED else 0.1,
        evidence=(
            Evidence(text=_sentence(label, len(judged)), weight=weight, where=where),
            Evidence(text=_WITHIN),
            *_left_out(len(examination.faces) - len(judged)),
        ),
        details=details,
    )


def box(picture: Prepared, judged: JudgedFace) -> Box:
    """Where a face is in the upright picture of the file: x, y, width, height, inside it."""
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = judged.face.box
    x, y = max(round(left / picture.scale), 0), max(round(top / picture.scale), 0)
    wide = round(min(right, width) / picture.scale) - x
    tall = round(min(bottom, height) / picture.scale) - y
    return x, y, max(wide, 1), max(tall, 1)


def _sentence(label: str, judged: int) -> str:
    faces = "the face" if judged == 1 else f"one of {judged} faces"
    if label == MANIPULATED:
        return f"{faces.capitalize()} looks swapped or re-enacted: it has the traces of such a tool's blending."
    return "The networks that look for swapped or re-enacted faces do not tell" + (
        " anything of this face." if judged == 1 else f" anything of {judged} faces; this one is the most suspect."
    )


def _not_judged(picture: Prepared, examination: Examination, details: dict[str, Any]) -> Finding:
    where = {"box": list(box(picture, examination.faces[0]))}
    return Finding(
        label=INCONCLUSIVE,
        claim=CLAIM,
        score=None,
        confidence=0.0,
        evidence=(Evidence(text=f"No face in the picture can be judged: each is {_UNFIT}.", where=where),),
        details=details,
    )


def _left_out(count: int) -> list[Evidence]:
    if not count:
        return []
    faces = "Another face is" if count == 1 else f"{count} other faces are"
    return [Evidence(text=f"{faces} {_UNFIT}, and not judged.")]


def _described(picture: Prepared, judged: JudgedFace) -> dict[str, Any]:
    """A face for the details. MesoNets as probabilities of their own, ClassNSeg as it is: over 0 is altered."""
    networks = {}
    for name, answer in zip(NAMES, judged.answers, strict=False):
        shown = 1.0 / (1.0 + math.exp(-max(min(answer, 50.0), -50.0))) if name in MESONETS else answer
        networks[name.rsplit(".", 1)[0].lower()] = round(shown, 4)
    described: dict[str, Any] = {
        "box": list(box(picture, judged)),
        "side": round(judged.face.side / picture.scale, 1),
        "ultralight": round(judged.face.ultralight, 4),
        "blazeface": round(judged.face.blazeface, 4),
    }
    if judged.score is not None:
        described |= {"networks": networks, "score": round(judged.score, 4)}
    return described
