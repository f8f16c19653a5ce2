"""How much a pair of equal parts speaks for a copy."""

import math

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies.verification import Copy

FEATURES = 6

_FLOOR = 1e-3
# In the order of `features`; fitted as README.md says.
_COEFFICIENTS = np.array([0.889, 2.811, 0.974, -1.362, -5.135, -1.476])
_INTERCEPT = -3.883

_BLOCK = 8
_FAINT = 0.6  # levels
_QUIET = 0.5
_DOUBT = 6.0


def likelihood(copy: Copy) -> float:
    """The fitted logit that a pair is a copy: 0 where copies and things that look alike are as frequent.

    JPEG leaves few different patterns in smooth parts, which are equal to the bit wherever they come again, mostly at
    whole blocks' distance: where there is hardly any detail, nothing counts, and such a shift is doubted (a copy lies
    so by chance once in 64 times). Nor does what is alike in its edges only, such as a frame.
    """
    fitted = float(features(copy) @ _COEFFICIENTS) + _INTERCEPT - _DOUBT * _by_whole_blocks(copy)
    return min(fitted, -_DOUBT) if copy.loud < _FAINT or copy.quiet < _QUIET else fitted


def _by_whole_blocks(copy: Copy) -> bool:
    shift = copy.matrix[:, 2]
    return bool(np.array_equal(copy.matrix[:, :2], np.eye(2)) and not (shift % _BLOCK).any())


def features(copy: Copy) -> NDArray[np.float64]:
    """What tells copies from things that merely look alike: (FEATURES,).

    Log-odds of `quiet` and of `exact`, logarithms of the area and of the difference in tone, whether the shift goes
    along a row or column, and how unevenly the transform stretches.
    """
    stretch = np.linalg.svd(copy.matrix[:, :2], compute_uv=False)
    along_axis = np.allclose(copy.matrix[:, :2], np.eye(2)) and bool(np.abs(copy.matrix[:, 2]).min() < 2.0)
    return np.array(
        [
            _log_odds(copy.quiet),
            _log_odds(copy.exact),
            math.log(copy.area / 1000.0),
            math.log(0.5 + copy.tone),
            float(along_axis),
            min(1.0, 10.0 * math.log(stretch[0] / stretch[1])),
        ]
    )


def _log_odds(share: float) -> float:
    bounded = min(max(share, _FLOOR), 1.0 - _FLOOR)
    return math.log(bounded / (1.0 - bounded))
