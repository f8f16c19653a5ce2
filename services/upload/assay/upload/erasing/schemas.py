"""HTTP bodies of erasing."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class ErasedFile(BaseModel):
    """A file that is erased."""

    file_id: UUID
    erased_at: datetime
    log_ends_at: datetime = Field(description="When the last copy of its events ends in Kafka's log")


class OwnersFiles(BaseModel):
    """What an owner has, or what was erased of it."""

    files: int = Field(description="Files that were uploaded")
    derived: int = Field(description="Files that were found inside them")
    bytes: int = Field(description="Of both together; 0 where it says what was erased")
    unfinished: int = Field(description="Uploads that have begun and are not files yet")
    more: bool = Field(description="There is more: ask again")
    log_ends_at: datetime | None = Field(description="When the last copy of their events ends in Kafka's log")
