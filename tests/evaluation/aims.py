"""What the figures should reach, and what a plain baseline reaches on the same sets.

The baseline of `synthetic-image` is gradient boosting on residual spectrum, co-occurrence and NPR statistics, trained
on other pictures of the same sources.
"""

import re
from dataclasses import dataclass

from evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Aim:
    """aim: at least or at most, as `figures.DIRECTIONS` has it."""

    aim: float
    baseline: float | None = None


AIMS: dict[str, Aim] = {
    "synthetic-image/sg2_faces/auc": Aim(0.995, 0.99),
    "synthetic-image/sd_vs_photo/auc": Aim(0.96, 0.89),
    "synthetic-image/genimage_mini/auc": Aim(0.80),
    "synthetic-image/sg2_faces/recall_at_1pct": Aim(0.90),
    "synthetic-image/sd_vs_photo/recall_at_1pct": Aim(0.60),
    "synthetic-image/all_real/coverage": Aim(0.5),
}

FALSE_ALARMS = Aim(0.01)
"""Of every analyzer, and of the report, on the real pictures of all sets together, as they are and worsened."""

_OF_ALL_REAL = re.compile(r"/all_real(\+\w+)?/false_alarms$")


def with_aim(figure: Row) -> Row:
    """The row with its aim, where there is one."""
    name = figure["name"]
    aim = AIMS.get(name) or (FALSE_ALARMS if _OF_ALL_REAL.search(name) else None)
    if aim is None:
        return figure
    baseline = figure["baseline"] if aim.baseline is None else aim.baseline
    ratio = round(figure["value"] / baseline, 4) if baseline else figure["ratio"]
    return {**figure, "aim": aim.aim, "baseline": baseline, "ratio": ratio}
