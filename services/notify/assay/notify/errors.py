"""What can keep a stream from starting, and why a replay ends early."""

from assay.shared.problems import Problem


class StreamNotReadyError(Problem):
    """notify still reads up, or results is too far behind: soon it works."""

    code, status, title = "stream_not_ready", 503, "The stream cannot start at this moment"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "3"})


class ForeignPositionError(ValueError):
    """An id that this service did not make, or made for other topics or another stream."""


class ReplayRefusedError(Exception):
    """A replay would read too much, takes too long, or begins where the log has ended already."""
