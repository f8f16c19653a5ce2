"""What constants do to measured faces."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation.calibration.fitting import real_answers
from assay.inference.analyzers.face_manipulation.calibration.measuring import Measured
from assay.inference.analyzers.face_manipulation.fusion import MANIPULATED_FROM, Constants, fused

_PERCENTILES = (1, 50, 99)


def rows(constants: Constants, measured: Sequence[Measured]) -> Iterator[str]:
    """A line for each source and label, then for all real faces together."""
    yield f"{'source':<20} {'label':<5} {'n':>5} {'no face':>8} {'manipulated':>12} {'1 %':>6} {'50 %':>6} {'99 %':>6}"
    for source in sorted({each.source for each in measured if each.manipulated}):
        some = [each for each in measured if each.source == source and each.manipulated]
        yield _row(source, "fake", len(some), np.array([each.answers for each in some if each.answers]), constants)
    real = real_answers(measured)
    for name, answers in real.items():
        yield _row(name, "real", len(answers), answers, constants)
    together = np.concatenate(list(real.values()))
    yield _row("all", "real", len(together), together, constants)


def _row(source: str, label: str, count: int, answers: NDArray[np.float64], constants: Constants) -> str:
    """count: pictures, with a face that is judged or without."""
    scores = np.array([fused(each, constants) for each in answers])
    called = int((scores >= MANIPULATED_FROM).sum())
    spread = " ".join(f"{value:6.3f}" for value in np.percentile(scores, _PERCENTILES))
    share = f"{called} = {called / len(scores):.3f}"
    return f"{source:<20} {label:<5} {count:5d} {count - len(scores):8d} {share:>12} {spread}"
