"""What was found inside a file, and what of it counts in the file's own report. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from assay.contracts import MissingAnalysis, Report
from assay.results.domain import NOT_FINISHED
from assay.results.pooling import FINDING, NOTHING, PROVEN, Conclusion, rank

STRONG_SCORE, STRONG_CONFIDENCE = 0.9, 0.5
MISSING_SHOWN = 200
"""Of all files inside together, so that a report's event stays far below 256 KiB."""


@dataclass(frozen=True, slots=True)
class DerivedReport:
    """The report of a file that was found inside. `examined` is False where no analyzer takes such a file."""

    file_id: UUID
    media_type: str
    derived_by: str
    report: Report
    status: str = "analyzed"
    examined: bool = True

    @property
    def rank(self) -> int:
        return rank(self.report.label, self.report.score)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that was found inside, and whose examination did not end before the deadline."""

    file_id: UUID
    derived_by: str


class Inside:
    """All that was found in one file, one level down; each report speaks for what is further inside."""

    def __init__(self, reports: Iterable[DerivedReport] = (), unfinished: Iterable[Unfinished] = ()) -> None:
        self.reports: Sequence[DerivedReport] = sorted(reports, key=lambda each: each.file_id)
        self.unfinished: Sequence[Unfinished] = sorted(unfinished, key=lambda each: each.file_id)

    def __len__(self) -> int:
        return len(self.reports) + len(self.unfinished)

    @property
    def findings(self) -> Sequence[DerivedReport]:
        """The reports with a finding, the one with the highest score first."""
        found = [each for each in self.reports if each.rank == FINDING]
        return sorted(found, key=lambda each: (-(each.report.score or 0.0), each.file_id))

    @property
    def unexamined(self) -> Sequence[DerivedReport]:
        return [each for each in self.reports if not each.examined]

    @property
    def incomplete(self) -> Sequence[DerivedReport]:
        """The reports that lack a verdict that was asked for."""
        return [each for each in self.reports if each.status != "analyzed"]

    @property
    def clean(self) -> Sequence[DerivedReport]:
        return [each for each in self.reports if each.rank == NOTHING]

    def raising(self, own: Conclusion | None) -> Report | None:
        """The report of a file inside that becomes the whole file's conclusion, before `own`; None: there is none."""
        first = next(iter(self.findings), None)
        if first is None or (own is not None and own.rank == FINDING):
            return None
        if own is not None and own.rank == PROVEN and not is_strong(first.report.score, first.report.confidence):
            return None
        return first.report

    def all_clean(self) -> bool:
        """True where something was found, all of it was examined, and none of it shows anything."""
        return len(self) > 0 and len(self.clean) == len(self)

    def missing(self) -> Sequence[MissingAnalysis]:
        """What files inside lack, with the file's id."""
        late = [
            MissingAnalysis(analyzer=each.derived_by, code=NOT_FINISHED, derived_file_id=each.file_id)
            for each in self.unfinished
        ]
        lacking = [
            missing if missing.derived_file_id else missing.model_copy(update={"derived_file_id": each.file_id})
            for each in self.reports
            for missing in each.report.missing
        ]
        return [*late, *lacking][:MISSING_SHOWN]


def is_strong(score: float | None, confidence: float) -> bool:
    """True for a finding that even a proof of authenticity does not outweigh."""
    return (score or 0.0) >= STRONG_SCORE and confidence >= STRONG_CONFIDENCE
