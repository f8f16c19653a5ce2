"""Everything that an analyzer needs, without torch and without the services.

    from assay.sdk import Analyzer, AnalyzerManifest, Evidence, Finding, Media

An analyzer is a class found through the entry-point group `assay.analyzers`.
"""

from assay.contracts.analyzers import AnalyzerManifest, Weights
from assay.contracts.verdicts import INCONCLUSIVE, NO_FINDINGS, NOT_APPLICABLE, Evidence
from assay.sdk.analyzer import Analyzer, Finding, Media, NoSettings, Rendering
from assay.sdk.derived import NO_ROOM, TOO_LARGE, TOO_MANY, UNREADABLE, DerivedFile, Members, Room
from assay.sdk.errors import (
    AnalyzerError,
    DeviceMemoryError,
    MediaUnreadableError,
    NotApplicableError,
    PermanentAnalyzerError,
    TransientAnalyzerError,
)
from assay.sdk.packed import packed, packed_weights

__all__ = [
    "INCONCLUSIVE",
    "NOT_APPLICABLE",
    "NO_FINDINGS",
    "NO_ROOM",
    "TOO_LARGE",
    "TOO_MANY",
    "UNREADABLE",
    "Analyzer",
    "AnalyzerError",
    "AnalyzerManifest",
    "DerivedFile",
    "DeviceMemoryError",
    "Evidence",
    "Finding",
    "Media",
    "MediaUnreadableError",
    "Members",
    "NoSettings",
    "NotApplicableError",
    "PermanentAnalyzerError",
    "Rendering",
    "Room",
    "TransientAnalyzerError",
    "Weights",
    "packed",
    "packed_weights",
]
