"""Errors of the results service and their codes."""

from assay.shared.problems import Problem


class UnknownRunError(Problem):
    code, status, title = "run_not_found", 404, "This file has no such run"


class UnknownArtifactError(Problem):
    code, status, title = "artifact_not_found", 404, "This analysis made no such artifact"


class UnknownAnalysisError(Problem):
    code, status, title = "analysis_not_found", 404, "This run has no verdict of that analyzer"


class UnknownAnalyzerError(Problem):
    code, status, title = "analyzer_not_found", 404, "No such analyzer is at work"


class NoFeedbackError(Problem):
    code, status, title = "feedback_not_found", 404, "There is no feedback of yours on this file"


class BadCursorError(Problem):
    code, status, title = "bad_cursor", 422, "The cursor is none that this service gave"


class ForeignCursorError(Problem):
    code, status, title = "cursor_of_another_query", 422, "The cursor belongs to a query with other filters or order"


class UnknownDeadLetterError(Problem):
    code, status, title = "dead_letter_not_found", 404, "There is no such dead letter"


class NotReplayableError(Problem):
    code, status, title = "not_replayable", 409, "This dead letter cannot be replayed"


class BeingReplayedError(Problem):
    code, status, title = "being_replayed", 409, "This dead letter is being replayed at this moment"


class BearerNeededError(Problem):
    code, status, title = "bearer_needed", 401, "A session is opened with a token, not with another session"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="assay"'})
