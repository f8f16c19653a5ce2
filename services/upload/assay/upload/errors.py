"""Errors of the upload service, with their codes. Each says what to do; none leaves anything stored."""

from assay.shared.problems import Problem


class RefusedFileError(Problem):
    """One file is refused; the other files of the same request are not concerned."""


class EmptyFileError(RefusedFileError):
    code, status, title = "empty_file", 422, "The file has no bytes"

    def __init__(self, detail: str = "The file is empty: it has 0 bytes. Was it saved, or copied to its end?") -> None:
        super().__init__(detail)


class UnsupportedMediaTypeError(RefusedFileError):
    code, status, title = "unsupported_media_type", 415, "No analyzer takes files of this type"


class FileTooLargeError(RefusedFileError):
    code, status, title = "file_too_large", 413, "The file is larger than what is taken"


class RequestTooLargeError(Problem):
    code, status, title = "request_too_large", 413, "The request is larger than what is taken"


class UnsupportedContentTypeError(Problem):
    code, status, title = "unsupported_content_type", 415, "The request's body is of a type that is not taken here"


class MissingFileError(Problem):
    code, status, title = "missing_file", 422, "The request has no file"


class TooManyFilesError(Problem):
    code, status, title = "too_many_files", 422, "The request has more files than are taken at once"


class UnknownAnalyzersError(Problem):
    code, status, title = "unknown_analyzers", 422, "The request names analyzers that there are not"


class UnknownAnalyzerError(Problem):
    code, status, title = "analyzer_not_found", 404, "There is no such analyzer"


class InvalidMetadataError(Problem):
    code, status, title = "invalid_metadata", 422, "The metadata is not of the form that is taken"


class NoAnalyzersError(Problem):
    code, status, title = "no_analyzers", 503, "No analyzer is registered"


class UploadStalledError(Problem):
    code, status, title = "upload_stalled", 408, "The request stopped sending"
