"""Assay's public contract: the events on the Kafka topics, for whoever writes or reads them.

Importing this needs pydantic only. `assay.contracts.cloudevents` turns events into Kafka records and back.
"""

from assay.contracts.analyses import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    FeedbackRecorded,
    FeedbackWithdrawn,
)
from assay.contracts.analyzers import AnalyzerManifest, AnalyzerRegistered, Weights
from assay.contracts.base import Body, Event, FileEvent
from assay.contracts.cloudevents import MalformedEventError, Record, decode, encode, event_type
from assay.contracts.dead_letters import DeadLetter
from assay.contracts.files import FileDeleted, FileDerived, FileUploaded, RunRequested
from assay.contracts.registry import EVENTS
from assay.contracts.runs import RunCompleted
from assay.contracts.verdicts import Artifact, ClaimScore, Evidence, MissingAnalysis, Report, Verdict

__all__ = [
    "EVENTS",
    "AnalysisCompleted",
    "AnalysisExplained",
    "AnalysisFailed",
    "AnalysisProgressed",
    "AnalysisStarted",
    "AnalyzerManifest",
    "AnalyzerRegistered",
    "Artifact",
    "Body",
    "ClaimScore",
    "DeadLetter",
    "Event",
    "Evidence",
    "FeedbackRecorded",
    "FeedbackWithdrawn",
    "FileDeleted",
    "FileDerived",
    "FileEvent",
    "FileUploaded",
    "MalformedEventError",
    "MissingAnalysis",
    "Record",
    "Report",
    "RunCompleted",
    "RunRequested",
    "Verdict",
    "Weights",
    "decode",
    "encode",
    "event_type",
]
