"""A claim to a key, and what is remembered under it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from assay.shared.problems import Problem, catalogue
from assay.upload.domain import AcceptedFile

Outcome = AcceptedFile | Problem


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


def kept(problem: Problem) -> dict[str, Any]:
    """A problem, to be kept as JSON."""
    return {"code": problem.code, "detail": problem.detail, "members": problem.members}


def told_again(problem: dict[str, Any]) -> Problem:
    """The problem that was kept."""
    (kind,) = (each for each in catalogue() if each.code == problem["code"])
    return kind(problem["detail"], **problem["members"])
