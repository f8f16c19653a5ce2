"""HTTP bodies of `GET /api/v1/limits`."""

from pydantic import BaseModel, Field

from assay.upload.domain import Priority


class OwnerQuotas(BaseModel):
    """What you may have and do; null: as much as you like. More is answered with 429."""

    bytes: int | None = Field(description="Stored, files found inside others included")
    files_per_day: int | None = Field(description="Uploaded between midnight and midnight UTC")
    files_in_flight: int | None = Field(description="Runs that you have asked for and that are not completed")
    requests_per_minute: int | None = Field(description="Uploads and further runs; as many may come at once")


class OwnerUsage(BaseModel):
    """What you have at this moment, counted as the quotas are."""

    files: int = Field(description="Those found inside others included")
    bytes: int
    files_today: int = Field(description="Those deleted since included")
    files_in_flight: int


class Lane(BaseModel):
    """How long work waits. Where the oldest has waited for longer than the limit, new work is answered with 429."""

    priority: Priority
    age_s: float | None = Field(description="Of the oldest work not done; null where that is not known")
    limit_s: float | None = Field(description="Null: any age")


class Limits(BaseModel):
    """How much is taken, and of what."""

    max_file_bytes: int = Field(description="Of a file, and of all files of one request together")
    max_files_per_request: int
    max_metadata_bytes: int
    idle_timeout_s: float = Field(description="A request that sends nothing for so long is given up")
    deadline_s: float = Field(description="A run ends at the latest so long after its request")
    media_types: list[str] = Field(description="What the analyzers take: exact media types, or image/*")
    analyzers: list[str]
    priorities: list[str]
    quotas: OwnerQuotas
    usage: OwnerUsage
    queue: list[Lane]
