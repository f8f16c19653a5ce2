"""All event types, by the name that travels as `ce_type`."""

from assay.contracts.analyses import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    FeedbackRecorded,
    FeedbackWithdrawn,
)
from assay.contracts.analyzers import AnalyzerRegistered
from assay.contracts.base import Event
from assay.contracts.files import FileDeleted, FileDerived, FileUploaded, RunRequested
from assay.contracts.runs import RunCompleted

EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in (
        FileUploaded,
        FileDerived,
        RunRequested,
        FileDeleted,
        AnalysisStarted,
        AnalysisProgressed,
        AnalysisCompleted,
        AnalysisExplained,
        AnalysisFailed,
        RunCompleted,
        FeedbackRecorded,
        FeedbackWithdrawn,
        AnalyzerRegistered,
    )
}
