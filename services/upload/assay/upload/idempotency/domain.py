"""A claim to a key, and what is remembered under it."""

from dataclasses import dataclass, field
from uuid import UUID

from assay.upload.domain import AcceptedFile, Outcome


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a request with this key.

    earlier: what an attempt that died had brought to an end, by the position of the file in the request.
    """

    owner_id: str
    key: str
    number: UUID
    earlier: dict[int, AcceptedFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a request with this key has come to."""

    fingerprint: str
    outcomes: list[Outcome]
