"""What every body on a topic has in common."""

from abc import abstractmethod
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Body(BaseModel):
    """A frozen value. Readers ignore fields that they do not know, so optional fields can be added freely.

    Numbers are finite: JSON knows no others.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Event(Body):
    """Something that happened: the JSON body of a CloudEvent in Kafka binary mode.

    The envelope (`ce_id`, `ce_type`, `ce_source`, `ce_time`, `traceparent`) travels in the record's headers.
    """

    type: ClassVar[str]
    topics: ClassVar[tuple[str, ...]]

    occurred_at: AwareDatetime = Field(description="When it happened, by the clock of whoever says so; `ce_time`")

    @property
    @abstractmethod
    def event_id(self) -> UUID:
        """The same for every redelivery, so that readers can drop repeats."""

    @property
    @abstractmethod
    def key(self) -> str:
        """The Kafka key: records of one key keep their order within a topic."""


class FileEvent(Event):
    """An event about one file."""

    file_id: UUID = Field(description="UUIDv7 of the file; the Kafka key")
    owner_id: str = Field(min_length=1, max_length=200, description="Whose file it is")

    @property
    def key(self) -> str:
        return str(self.file_id)
