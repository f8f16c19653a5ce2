"""What the portrait expert's log-odds add to a probability, and what may be said.

The numbers lie in portraits.json, written by `training calibrate-portraits` from portraits kept out of training.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

PATH = Path(__file__).with_name("portraits.json")


@dataclass(frozen=True)
class PortraitCalibration:
    """How to read the log-odds of a portrait.

    slope, intercept  of the logistic curve to calibrated log-odds at even prior odds
    synthetic_from    log-odds from which a portrait is called synthetic
    clear_to          log-odds up to which nothing was found
    photos            scores of real portraits that were never trained on, sorted, for the p-value
    """

    slope: float
    intercept: float
    synthetic_from: float
    clear_to: float
    photos: tuple[float, ...]

    def raised(self, probability: float, log_odds: float) -> float:
        """A picture's probability of `synthetic`, raised by what its face says, never surer than 1 in 100.

        It is never lowered: the expert knows one generator, and a face that is not of its making may be of another's.
        """
        odds = probability / (1 - probability) * float(np.exp(max(0.0, self.slope * log_odds + self.intercept)))
        return min(odds / (1 + odds), 0.99)

    def p_value(self, log_odds: float) -> float:
        """Share of real portraits that score as high as this (conformal, so never 0)."""
        above = len(self.photos) - int(np.searchsorted(self.photos, log_odds))
        return (above + 1) / (len(self.photos) + 1)


@cache
def portrait_calibration() -> PortraitCalibration:
    """As measured."""
    return TypeAdapter(PortraitCalibration).validate_json(PATH.read_bytes())
