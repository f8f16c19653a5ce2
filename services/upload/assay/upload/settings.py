"""What the upload service reads from the environment."""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from assay.shared.settings import AuthSettings, Block, DatabaseSettings, S3Settings, ServiceSettings

GIB = 1024**3
# What a form has around its files: boundaries, headers, fields. The gateway grants as much.
FORM_ALLOWANCE_BYTES = 1024**2


def _seconds(value: object) -> object:
    """A bare number is seconds; anything else is left to pydantic, which reads ISO 8601."""
    if isinstance(value, str):
        try:
            return timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            return value
    return value


Duration = Annotated[timedelta, BeforeValidator(_seconds)]


class LimitsSettings(Block):
    """How much is taken. All of it is told at `GET /api/v1/limits`."""

    max_file_bytes: int = Field(
        default=5 * GIB, ge=1, description="Bytes of a file, and of all files of one request together"
    )
    max_files_per_request: int = Field(default=100, ge=1, le=1000, description="Files in one request")
    max_metadata_bytes: int = Field(
        default=16 * 1024, ge=2, le=64 * 1024, description="Bytes of the JSON object in the field `metadata`"
    )
    idle_timeout: Duration = Field(
        default=timedelta(seconds=60), description="A request that sends nothing for so long is given up; s or ISO 8601"
    )
    queue_age: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(0),
        description="While work that people wait for is older, nothing is taken in; seconds or ISO 8601; 0: any age",
    )
    bulk_queue_age: Duration = Field(
        default=timedelta(hours=12),
        ge=timedelta(0),
        description="The same for the lane `bulk`, which then takes no more; seconds or ISO 8601; 0: any age",
    )


class QuotaSettings(Block):
    """What each owner may have and do. All of it is told at `GET /api/v1/limits`. 0: as much as they like."""

    bytes: int = Field(default=0, ge=0, description="Bytes that an owner may have stored; 0: any number")
    files_per_day: int = Field(default=0, ge=0, description="Files that an owner may upload a day (UTC); 0: any number")
    files_in_flight: int = Field(
        default=0, ge=0, description="Files that an owner may have under examination at a time; 0: any number"
    )
    requests_per_minute: int = Field(
        default=0, ge=0, description="Uploads and further runs that an owner may request a minute; 0: any number"
    )


class UploadsSettings(Block):
    """Uploads that take many requests: tus, and parts that clients send straight to storage."""

    expire_after: Duration = Field(
        default=timedelta(hours=24),
        ge=timedelta(seconds=1),
        le=timedelta(days=6),
        description="An unfinished upload that is silent for so long is thrown away; seconds or ISO 8601",
    )
    lease: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(seconds=1),
        description="After so long another process goes on with an upload whose process died; seconds or ISO 8601",
    )
    lock_wait: Duration = Field(
        default=timedelta(seconds=5),
        description="A request waits so long for another one at the same upload; seconds or ISO 8601",
    )


class Settings(ServiceSettings):
    """Settings of one upload process."""

    s3: S3Settings
    database: DatabaseSettings
    auth: AuthSettings
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    quota: QuotaSettings = Field(default_factory=QuotaSettings)
    uploads: UploadsSettings = Field(default_factory=UploadsSettings)
    public_url: str = Field(default="http://localhost:8080", description="Origin that people use; all links begin so")
    run_deadline: Duration = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="From request to given up; seconds or ISO 8601"
    )
    retention: Duration | None = Field(
        default=None,
        gt=timedelta(0),
        description="Files that came longer ago are erased, with all that is known of them; seconds or ISO 8601; "
        "empty: none",
    )
    intent_lease: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(seconds=1),
        description="An upload whose process was silent for so long is swept; seconds or ISO 8601",
    )
