"""The analyzers that `make eval` measures: one line each.

An analyzer with this line is run over every labelled set (`sets.py`) of one of its manifest's claims, over the real
pictures of all other sets, and over worsened copies (`conditions.py`). What else there is to measure of it alone
(masks, another program's figures beside) is a function from the data root to rows.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from evaluation.rows import Row


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How an analyzer is measured beyond what all have in common.

    sets     names of the sets on which it gets all figures; None: all of its claims. Real photos are those of all sets
    robust   names of those whose pictures are also judged in worsened copies; None: all with both classes
    more     `module:function` that gives rows of its own, named `<analyzer>/…`, from the data root. Imported when it is
             called: what is wrong with one analyzer is not in the way of the others
    """

    sets: tuple[str, ...] | None = None
    robust: tuple[str, ...] | None = None
    more: str = ""

    def rows_of_its_own(self, data: Path) -> list[Row]:
        """Measure what only this analyzer has."""
        if not self.more:
            return []
        module, _, function = self.more.partition(":")
        rows: list[Row] = getattr(import_module(module), function)(data)
        return rows


EVALUATED: dict[str, Evaluated] = {
    # It reads what files declare; a worsened copy declares nothing.
    "provenance": Evaluated(
        sets=("declared", "exif_camera"), robust=(), more="evaluation.provenance:evaluate_provenance"
    ),
    "jpeg-forensics": Evaluated(more="evaluation.jpeg_forensics:evaluate_jpeg_forensics"),
    "splicing": Evaluated(more="evaluation.splicing:evaluate_splicing"),
    "synthetic-image": Evaluated(),
    "face-manipulation": Evaluated(),
}
