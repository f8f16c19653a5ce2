"""Records that a consumer gave up on."""

from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import Field

from assay.contracts.base import Event

# The dead letter keeps the original record's value and headers; what is said about it travels in headers of its own.
GROUP_HEADER = "assay_dead_group"
ERROR_HEADER = "assay_dead_error"
ATTEMPTS_HEADER = "assay_dead_attempts"
ORIGIN_HEADER = "assay_dead_origin"
AT_HEADER = "assay_dead_at"
REDRIVE_GROUP_HEADER = "assay_redrive_group"


class DeadLetter(Event):
    """What is known about a dead letter; read from its headers, see `assay.contracts.dead_letters`.

    The record's own key, value and headers are the original ones.
    """

    type: ClassVar[str] = "assay.dead-letter.v1"
    topics: ClassVar[tuple[str, ...]] = ("assay.dead-letters",)

    group: str = Field(description="The consumer group that gave up")
    error: str = Field(description="The last error, one line")
    attempts: int = Field(ge=1)
    topic: str
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)

    @property
    def event_id(self) -> UUID:
        return uuid5(NAMESPACE_URL, f"assay:dead-letter/{self.group}/{self.key}")

    @property
    def key(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers to add to the original ones."""
        return [
            (GROUP_HEADER, self.group.encode()),
            (ERROR_HEADER, self.error.encode()),
            (ATTEMPTS_HEADER, str(self.attempts).encode()),
            (ORIGIN_HEADER, self.key.encode()),
            (AT_HEADER, self.occurred_at.isoformat().encode()),
        ]
