"""What an analyzer may raise. The class says what happens next."""


class AnalyzerError(Exception):
    """Base of all. `code` is stable and becomes the failed analysis' code; the text is for people."""

    code = "analyzer_error"


class PermanentAnalyzerError(AnalyzerError):
    """Trying again cannot help: the analysis fails at once."""


class MediaUnreadableError(PermanentAnalyzerError):
    """The bytes are not what their media type promises, or are damaged beyond what this analyzer needs."""

    code = "media_unreadable"


class NotApplicableError(AnalyzerError):
    """The analyzer has nothing to say about such a file (too small, no such traces). Not a failure.

    The analysis completes with the label `not_applicable` and this text as its evidence.
    """

    code = "not_applicable"


class TransientAnalyzerError(AnalyzerError):
    """It may work the next time: the engine tries again with backoff."""

    code = "temporarily_unavailable"


class DeviceMemoryError(TransientAnalyzerError):
    """The device has no memory left for this batch."""

    code = "device_memory"
