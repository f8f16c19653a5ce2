"""The analyzers that `make eval` measures: one line each.

An analyzer with this line is run over every labelled set (`sets.py`) of one of its manifest's claims, over the real
pictures of all other sets, and over worsened copies (`conditions.py`). What else there is to measure of it alone
(masks, another program's figures beside) is a function from the data root to rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evaluation.jpeg_forensics import evaluate_jpeg_forensics
from evaluation.provenance import evaluate_provenance
from evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How an analyzer is measured beyond what all have in common.

    sets     names of the sets; None: all of its claims
    robust   names of those whose pictures are also judged in worsened copies; None: all with both classes
    more     rows of its own, named `<analyzer>/…`, from the data root
    """

    sets: tuple[str, ...] | None = None
    robust: tuple[str, ...] | None = None
    more: Callable[[Path], list[Row]] | None = None


EVALUATED: dict[str, Evaluated] = {
    # It reads what files declare; a worsened copy declares nothing.
    "provenance": Evaluated(sets=("declared", "exif_camera"), robust=(), more=evaluate_provenance),
    "jpeg-forensics": Evaluated(more=evaluate_jpeg_forensics),
    "splicing": Evaluated(),
    "synthetic-image": Evaluated(),
    "face-manipulation": Evaluated(),
}
