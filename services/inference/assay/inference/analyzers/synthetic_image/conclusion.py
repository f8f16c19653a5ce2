"""From scores to a finding, in words."""

from dataclasses import dataclass

import numpy as np

from assay.inference.analyzers.synthetic_image.calibration import Calibration, calibration
from assay.inference.analyzers.synthetic_image.crops import SIDE
from assay.inference.analyzers.synthetic_image.labels import CLAIM, SYNTHETIC
from assay.inference.analyzers.synthetic_image.portrait_calibration import portrait_calibration
from assay.inference.pictures import ENLARGED_FROM
from assay.sdk import INCONCLUSIVE, NO_FINDINGS, Evidence, Finding

FEWEST = 6
"""With fewer squares their mean varies more than in the pictures that the thresholds were set on: no accusation."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """What the networks for portraits say.

    chance    that it is a close-up portrait
    log_odds  that StyleGAN2 made it, not calibrated; None of what is no portrait
    """

    chance: float
    log_odds: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Scores of the deciding crops of one picture.

    size      (width, height)
    places    (left, top) of each crop
    log_odds  of each crop, not calibrated
    detail    see judging.detail_of
    period    see pictures.periodicity
    saved     mean log-odds of the crops after compression, of a picture that is stored without loss
    portrait  None of pictures that are not looked at whole
    """

    size: tuple[int, int]
    places: tuple[tuple[int, int], ...]
    log_odds: tuple[float, ...]
    detail: float
    period: float
    saved: float | None = None
    portrait: Portrait | None = None

    @property
    def accusing(self) -> float:
        """The mean log-odds; what is stored without loss must look generated after compression, too.

        The network was trained on compressed pictures: scans that never were score high as they are.
        """
        mean = float(np.mean(self.log_odds))
        return mean if self.saved is None else min(mean, self.saved)


def conclude(measured: Measured, by: Calibration | None = None) -> Finding:
    """The finding on one picture. by: as measured, if it is not given."""
    by = by or calibration()
    if not measured.log_odds:
        return _silent("The picture has no part with enough detail to look at.", {"crops": 0})
    log_odds = float(np.mean(measured.log_odds))
    probability = by.probability(log_odds)
    face = measured.portrait.log_odds if measured.portrait else None
    if face is not None:
        probability = portrait_calibration().raised(probability, face)
    details: dict[str, object] = {
        "raw_score": round(probability, 4),
        "log_odds": round(log_odds, 4),
        "photos_as_high": round(by.p_value(log_odds), 5),
        "crops": len(measured.log_odds),
        "crop_log_odds": list(measured.log_odds),
        "saved_log_odds": measured.saved,
        "detail": round(measured.detail, 3),
        "period": round(measured.period, 2),
        "portrait": round(measured.portrait.chance, 4) if measured.portrait else None,
        "portrait_log_odds": round(face, 4) if face is not None else None,
    }
    if measured.period >= ENLARGED_FROM:
        return _silent(
            "The picture was enlarged, as in a screenshot: what lies between its pixels is interpolated, and hides the "
            "traces looked for. Upload it as it was before.",
            details,
        )
    if measured.detail < by.least_detail:
        return _silent(
            "The picture is too smooth, through blur, shrinking or strong compression, to hold the traces looked for.",
            details,
        )
    band = by.band(measured.detail)
    if face is not None and face >= portrait_calibration().synthetic_from:
        return _synthetic_portrait(face, probability, details)
    if measured.accusing >= by.synthetic_from[band] and len(measured.log_odds) < FEWEST:
        return _silent(
            "It looks generated, but the picture is too small, or has too little detail, to be sure.", details
        )
    if measured.accusing >= by.synthetic_from[band]:
        return _synthetic(measured, probability, by.p_value(log_odds), details)
    if log_odds <= by.clear_to[band] and (face is None or face <= portrait_calibration().clear_to):
        return Finding(
            label=NO_FINDINGS,
            claim=CLAIM,
            score=probability,
            confidence=0.4,
            evidence=(
                Evidence(
                    text="Noise and neighbouring pixels look as in most real photos. This does not prove a photo: "
                    "newer generators and processed pictures can look the same.",
                ),
            ),
            details=details,
        )
    if log_odds >= by.synthetic_from[band]:
        return _silent(
            "It looks generated, but after a usual compression it does not: pictures that were never compressed, such "
            "as scans, may look so.",
            details,
        )
    also = (
        "" if face is None else f"; by the face, {_percent(portrait_calibration().p_value(face))} of real portraits do"
    )
    return _silent(
        f"The traces are ambiguous: {_percent(by.p_value(log_odds))} of the real photos that this was tried on look as "
        f"synthetic as this picture{also}.",
        details,
    )


def _synthetic_portrait(face: float, probability: float, details: dict[str, object]) -> Finding:
    as_high = portrait_calibration().p_value(face)
    text = (
        f"The face looks as StyleGAN2 makes them; {_percent(as_high)} of the real portraits that this was tried on "
        "look as synthetic."
    )
    return Finding(
        label=SYNTHETIC,
        claim=CLAIM,
        score=probability,
        confidence=0.7,
        evidence=(Evidence(text=text, weight=1.0),),
        details=details,
    )


def _synthetic(measured: Measured, probability: float, as_high: float, details: dict[str, object]) -> Finding:
    _, (left, top) = max(zip(measured.log_odds, measured.places, strict=True))
    texts = (
        Evidence(
            text="Noise and the relations of neighbouring pixels are those of generated pictures; "
            f"{_percent(as_high)} of the real photos that this was tried on look as synthetic.",
            weight=1.0,
        ),
        Evidence(
            text="This part looks most like a generator's; the heat map shows all.",
            weight=0.5,
            where={"box": [left, top, SIDE, SIDE]},
        ),
    )
    return Finding(
        label=SYNTHETIC,
        claim=CLAIM,
        score=probability,
        confidence=0.7,
        evidence=texts,
        details=details,
    )


def _silent(why: str, details: dict[str, object]) -> Finding:
    return Finding(
        label=INCONCLUSIVE, claim=CLAIM, score=None, confidence=0.0, evidence=(Evidence(text=why),), details=details
    )


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{share * 100:.0f} %"
