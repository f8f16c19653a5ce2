"""From log-odds to a probability, and to whether anything may be said at all.

The numbers lie in calibration.json, written by `training calibrate` from pictures whose sources the network never saw.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

PATH = Path(__file__).with_name("calibration.json")


@dataclass(frozen=True)
class Calibration:
    """How to read the network's log-odds on a whole picture.

    slope, intercept  of the logistic curve to a probability at even prior odds
    synthetic_from    log-odds from which a picture is called synthetic, for each band of detail
    clear_to          log-odds up to which nothing was found, for each band of detail
    bands             upper ends of all bands of detail but the last
    least_detail      below, a picture is too smooth to tell
    photos            scores of real photos that were never trained on, sorted, for the p-value
    """

    slope: float
    intercept: float
    synthetic_from: tuple[float, ...]
    clear_to: tuple[float, ...]
    bands: tuple[float, ...]
    least_detail: float
    photos: tuple[float, ...]

    def probability(self, log_odds: float) -> float:
        """Calibrated probability of `synthetic` at even prior odds, never surer than 1 in 100."""
        return float(np.clip(1 / (1 + np.exp(-(self.slope * log_odds + self.intercept))), 0.01, 0.99))

    def band(self, detail: float) -> int:
        """Which band of detail a picture is in."""
        return int(np.searchsorted(self.bands, detail))

    def p_value(self, log_odds: float) -> float:
        """Share of real photos that score as high as this (conformal, so never 0)."""
        above = len(self.photos) - int(np.searchsorted(self.photos, log_odds))
        return (above + 1) / (len(self.photos) + 1)


@cache
def calibration() -> Calibration:
    """As measured."""
    return TypeAdapter(Calibration).validate_json(PATH.read_bytes())
