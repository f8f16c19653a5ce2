"""All that was asked for, one analyzer after the other: what each part took is said on standard error."""

import sys

from evaluation.analyzers import EVALUATED, Evaluated
from evaluation.figures import is_accused
from evaluation.fusing import NAME as FUSION
from evaluation.fusing import rows_of_fusion
from evaluation.judging import Judge, LeftOutError, opened
from evaluation.library import Library
from evaluation.measuring import Judged, judged_sets, own_sets, rows_in_conditions, rows_of_work, rows_on_sets, timed
from evaluation.options import Options
from evaluation.plots import draw
from evaluation.rows import Row
from evaluation.sets import DataMissingError
from evaluation.training import rows_of_training


class Evaluation:
    """Collects the rows.

    weights    the sha256 of the weights of what was measured in full, None without weights; `fusion` is one of them
    missing    a line for each thing that was left out, and why
    """

    def __init__(self, options: Options, library: Library) -> None:
        self._options = options
        self._library = library
        self._judged: dict[str, Judged] = {}
        self._claims: dict[str, tuple[str, ...]] = {}
        self._left_out: list[str] = []
        self.rows: list[Row] = []
        self.weights: dict[str, str | None] = {}

    @property
    def missing(self) -> list[str]:
        return [*self._left_out, *self._library.missing]

    def run(self) -> None:
        """Measure."""
        only = self._options.only
        for name, evaluated in EVALUATED.items():
            if only in ("", name, FUSION):
                try:
                    with timed(name):
                        self._measure(name, evaluated)
                except (LeftOutError, DataMissingError) as missing:
                    self._left_out.append(str(missing))
        if only in ("", FUSION) and self._judged:
            with timed(FUSION):
                self.rows += rows_of_fusion(self._judged, self._claims)
            if not self._left_out:
                self.weights[FUSION] = None

    def _measure(self, name: str, evaluated: Evaluated) -> None:
        for_fusion = self._options.only != name
        with opened(name) as judge:
            judged = judged_sets(judge, self._library, evaluated, whole=for_fusion)
            self._judged[name], self._claims[name] = judged, judge.manifest.claims
            if self._options.only == FUSION:
                return
            self.rows += rows_on_sets(judge, evaluated, judged)
            _name_accused(judged)
            everything = [each for judgements in judged.values() for each in judgements]
            self.rows += rows_of_work(name, judge.pace, everything)
            self.rows += rows_of_training(name, [each.picture for each in everything], self._library)
            self._draw(judge, evaluated, judged)
            if self._options.robust:
                self.rows += rows_in_conditions(judge, evaluated, judged, self._library)
            self.weights[name] = judge.weights_sha256
        if evaluated.more and self._options.per_class is None:
            with timed(f"  {name}, figures of its own"):
                self.rows += evaluated.rows_of_its_own(self._library.data)

    def _draw(self, judge: Judge, evaluated: Evaluated, judged: Judged) -> None:
        for each in own_sets(judge, evaluated):
            if each.name in judged:
                draw(f"{judge.manifest.name}/{each.name}", judged[each.name], self._options.home / "eval")


def _name_accused(judged: Judged) -> None:
    """Say which real pictures were called something else: these are what to look at first."""
    for name, judgements in judged.items():
        for each in judgements:
            if is_accused(each) and not each.picture.truth:
                print(f"  false alarm: {name}, {each.picture.source}: {each.label} {each.score}", file=sys.stderr)
