"""Why work is not taken in now, with codes. Each tells when to try again."""

import math
from typing import Any

from assay.shared.problems import Problem


class NotNowError(Problem):
    """The request is well formed; later the same is taken."""

    def __init__(self, detail: str, *, retry_after_s: float, **members: Any) -> None:
        """retry_after_s: from when on it may be of use to try again."""
        seconds = max(1, math.ceil(retry_after_s))
        super().__init__(detail, headers={"Retry-After": str(seconds)}, retry_after_s=seconds, **members)


class BytesQuotaError(NotNowError):
    code, status, title = "quota_bytes_exceeded", 429, "You have as many bytes stored as you may"


class FilesQuotaError(NotNowError):
    code, status, title = "quota_files_per_day_exceeded", 429, "You have uploaded as many files today as you may"


class InFlightQuotaError(NotNowError):
    code, status, title = "quota_files_in_flight_exceeded", 429, "As many of your files are being examined as may be"


class RateLimitedError(NotNowError):
    code, status, title = "rate_limited", 429, "You have sent as many requests as you may for now"


class QueueTooOldError(NotNowError):
    code, status, title = "queue_too_old", 429, "What waits already has waited for too long"
