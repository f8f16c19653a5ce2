"""Errors of resumable uploads, with their codes."""

from assay.shared.problems import Problem
from assay.upload.errors import RefusedFileError


class UnknownUploadError(Problem):
    code, status, title = "upload_not_found", 404, "There is no such upload, or it is not yours"


class UploadGoneError(Problem):
    code, status, title = "upload_gone", 410, "The upload has ended without a file"


class UploadFinishedError(Problem):
    code, status, title = "upload_finished", 409, "The upload has become a file"


class OffsetMismatchError(Problem):
    code, status, title = "offset_mismatch", 409, "The upload goes on elsewhere than at this offset"


class UploadBusyError(Problem):
    code, status, title = "upload_busy", 423, "Another request is at this upload"


class TusVersionError(Problem):
    code, status, title = "tus_version", 412, "Another version of the tus protocol is spoken here"


class ChecksumMismatchError(Problem):
    code, status, title = "checksum_mismatch", 460, "The bytes are not those that the checksum is of"


class UnsupportedChecksumError(Problem):
    code, status, title = "unsupported_checksum", 400, "The checksum is not of a kind that is checked here"


class WrongContentError(RefusedFileError):
    code, status, title = "wrong_content", 422, "The bytes are not those that were announced"


class IncompletePartsError(Problem):
    code, status, title = "incomplete_parts", 422, "Not all parts are there as they are listed"
