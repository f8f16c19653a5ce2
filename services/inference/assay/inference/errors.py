"""Why an analysis ends without a verdict. `code` is stable and public; the text is for a person."""

from aiokafka.errors import KafkaError

from assay.sdk import AnalyzerError, MediaUnreadableError, TransientAnalyzerError
from assay.shared.objects import StorageError

MAX_MESSAGE = 1000
INTERNAL_ERROR = "internal_error"


class AnalysisError(Exception):
    """The analysis fails, and trying again cannot help."""

    code = INTERNAL_ERROR


class FileDeletedError(AnalysisError):
    """The file was deleted while its analysis waited or ran."""

    code = "file_deleted"

    def __init__(self) -> None:
        super().__init__("The file was deleted before its analysis was finished.")


class FileMissingError(AnalysisError):
    """Object storage does not have the bytes."""

    code = "file_missing"

    def __init__(self) -> None:
        super().__init__("The file's bytes are not in storage any more. Upload the file again.")


class FileTooLargeError(AnalysisError):
    """The plan names an analyzer that does not take files of this size."""

    code = "file_too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The file has {size} bytes and this analyzer takes {limit} at most.")


class TimedOutError(AnalysisError):
    """The analyzer's own time limit, counted from `started`, is over."""

    code = "timed_out"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The analysis took longer than the {seconds:g} s that it is allowed. A new run may succeed when the "
            "machine is less busy; if it does not, the file is beyond this analyzer."
        )


class AnalyzerCrashedError(AnalysisError):
    """The child process that decoded the file died."""

    code = "analyzer_crashed"

    def __init__(self, how: str) -> None:
        super().__init__(
            f"The process that read the file {how}. The file may be damaged, or made to do harm; other files are "
            "not affected."
        )


class OutOfMemoryError(AnalysisError):
    """Decoding the file needs more memory than one file may take."""

    code = "out_of_memory"

    def __init__(self, megabytes: int) -> None:
        super().__init__(
            f"Reading the file takes more than the {megabytes} MB that one file may take. Upload a smaller version, "
            "or ask the operator to raise ASSAY_SANDBOX__MEMORY_MB."
        )


class FileCorruptError(TransientAnalyzerError):
    """The bytes that came from object storage do not have the file's sha256. Asking again may help."""

    code = "file_corrupt"


class AnalyzerBrokenError(Exception):
    """The analyzer did what its contract forbids, or failed in a way that it did not foresee: a defect."""


STORAGE_UNAVAILABLE = "storage_unavailable"
CODES: dict[str, str] = {
    FileDeletedError.code: "The file was deleted while its analysis waited or ran",
    FileMissingError.code: "Object storage does not have the file's bytes",
    FileTooLargeError.code: "The file is larger than the analyzer takes",
    FileCorruptError.code: "The bytes in storage do not have the file's sha256, however often they are read",
    TimedOutError.code: "The analyzer's time limit, or the run's deadline, is over",
    AnalyzerCrashedError.code: "The process that decoded the file died",
    OutOfMemoryError.code: "Decoding the file takes more memory than one file may take",
    MediaUnreadableError.code: "The bytes are not what their media type promises, or are damaged",
    AnalyzerError.code: "The analyzer gave up on the file; its message says why",
    TransientAnalyzerError.code: "Something that the analyzer needs was not there, however often it was tried",
    "device_memory": "The device has not enough memory for this file alone",
    STORAGE_UNAVAILABLE: "Object storage did not answer, however often it was asked",
    INTERNAL_ERROR: "A defect in the analyzer or in Assay; the log says more under the run's trace id",
}


def is_transient(error: BaseException) -> bool:
    """True if trying again may help."""
    return isinstance(error, (TransientAnalyzerError, KafkaError, OSError, *StorageError))


def described(error: BaseException) -> tuple[str, str]:
    """Code and message of the `failed` event for an error."""
    if isinstance(error, (AnalysisError, AnalyzerError)):
        return error.code, (str(error) or type(error).__name__)[:MAX_MESSAGE]
    if isinstance(error, StorageError):
        return STORAGE_UNAVAILABLE, "The object store did not answer. Request a new run later."
    return INTERNAL_ERROR, (
        "Something failed that should not. Request a new run; if it fails too, give the operator this run's id: the "
        "log and the dead letter say what went wrong."
    )
