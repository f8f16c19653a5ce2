"""Asks results for the state that a stream begins with, in the caller's own name."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from opentelemetry.trace import SpanKind

from assay.notify.domain import Audience
from assay.notify.position import TOPICS, Layout, Positions
from assay.shared import tracing
from assay.shared.auth import Principal
from assay.shared.problems import UnavailableError, UnknownFileError

PATH = "/internal/v1/snapshot"
# results itself waits up to 5 s for a young id.
TIMEOUT_S = 15.0
CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files as they were when everything before `positions` had happened, and nothing else."""

    files: list[dict[str, Any]]
    layout: Layout
    positions: Positions


class Snapshots:
    """A client of results."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            trust_env=False,
        )

    async def stop(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """Raise where results does not answer; for `/readyz`."""
        (await self._client.get("/healthz")).raise_for_status()

    async def of(self, audience: Audience, principal: Principal) -> Snapshot:
        """The state that an audience begins with.

        Raises UnknownFileError for a file that is not the caller's or that nobody knows, UnavailableError where results
        does not answer.
        """
        query = {} if audience.file_id is None else {"file_id": str(audience.file_id)}
        with tracing.span(f"GET {PATH}", kind=SpanKind.CLIENT):
            try:
                answer = await self._client.get(PATH, params=query, headers={**principal.forward, **tracing.carrier()})
            except httpx.HTTPError as error:
                raise _unavailable("does not answer") from error
        if answer.status_code == httpx.codes.NOT_FOUND and audience.file_id is not None:
            raise UnknownFileError(f"There is no file {audience.file_id}, or it is not yours.")
        if answer.status_code != httpx.codes.OK:
            raise _unavailable(f"answers {answer.status_code}")
        return _read(answer.json())


def _unavailable(what: str) -> UnavailableError:
    return UnavailableError(
        f"The service that knows the files {what}. Try again in a few seconds.", headers={"Retry-After": "3"}
    )


def _read(body: dict[str, Any]) -> Snapshot:
    topics = [body["topics"][topic.name] for topic in TOPICS]
    positions = tuple(
        # A partition of which results has seen nothing yet is not in its list.
        int(said["positions"].get(str(partition), 0))
        for topic, said in zip(TOPICS, topics, strict=True)
        for partition in range(topic.partitions)
    )
    return Snapshot(body["files"], Layout(tuple(UUID(said["id"]) for said in topics)), positions)
