"""The constants of `fusion.py` from measured faces."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation.calibration.measuring import Measured
from assay.inference.analyzers.face_manipulation.fusion import Constants, reenacted, swapped

SWAPS = "mesonet"
"""The source whose fakes are what the DF networks were made for."""

_REACHED = 0.5  # share of re-enacted faces that reach any strength in question; the authors report more
_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02)  # of the real faces of the worst source that reach a strength

Floats = NDArray[np.float64]


def fit(measured: Sequence[Measured]) -> Constants:
    """Lines through the log likelihood ratios where real faces of the worst source are rarer and rarer."""
    real = real_answers(measured)
    swaps = np.array([each.answers for each in measured if each.answers and each.manipulated and each.source == SWAPS])
    return Constants(
        swapped=_line([swapped(answers) for answers in real.values()], swapped(swaps)),
        reenacted=_line([reenacted(answers) for answers in real.values()], None),
    )


def real_answers(measured: Sequence[Measured]) -> dict[str, Floats]:
    """(N, 6) of each source of real faces, and of its worsened copies."""
    found: dict[str, Floats] = {}
    for source in sorted({each.source for each in measured if not each.manipulated}):
        some = [each for each in measured if each.source == source and each.answers and not each.manipulated]
        found[source] = np.array([each.answers for each in some])
        found[f"{source}, worsened"] = np.array([each.worsened for each in some])
    return found


def _line(real: Sequence[Floats], fake: Floats | None) -> tuple[float, float, float]:
    """Intercept, slope and largest value of the log likelihood ratio over the strength.

    real: the strengths of real faces, source by source.  fake: those of manipulated ones, None if there are none.
    """
    strengths, logs = [], []
    for share in _SHARES:
        strength = max(float(np.quantile(each, 1.0 - share)) for each in real)
        reached = _REACHED if fake is None else (float((fake >= strength).sum()) + 1.0) / (len(fake) + 2.0)
        strengths.append(strength)
        logs.append(math.log(reached / share))
    slope, start = np.polyfit(strengths, logs, 1)
    # No strength says more than if one more real face had reached it: so many were seen.
    fewest = 1.0 / (sum(len(each) for each in real) / 2.0)
    return float(start), float(slope), math.log(_REACHED / fewest) if fake is None else max(*logs, 0.0)
