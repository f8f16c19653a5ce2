"""New runs are made by upload, which knows the files: results asks it by HTTP."""

from typing import Any, NamedTuple
from uuid import UUID

import httpx

from assay.results.errors import NotReplayableError
from assay.results.letters import Analysis
from assay.shared.auth import Principal
from assay.shared.problems import UnavailableError

TIMEOUT_S = 20.0
AWAY = "The upload service, which makes runs, does not answer. Try again in a minute."


class NewRun(NamedTuple):
    """A run that upload has made."""

    run_id: UUID
    run_number: int


class RunRequests:
    """Asks upload, in the name of whoever asks us."""

    def __init__(self, addresses: list[str]) -> None:
        """addresses: of upload's processes; one that does not answer is passed over."""
        self._addresses = [each.rstrip("/") for each in addresses]
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S)

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def run(self, operator: Principal, analysis: Analysis, request_id: UUID) -> NewRun:
        """A new run of the file with this analyzer only, in the bulk lane; with the same request_id the same run.

        Raises NotReplayableError where upload refuses it, UnavailableError where it does not answer.
        """
        wish = {
            "file_id": str(analysis.file_id),
            "analyzers": [analysis.analyzer],
            "priority": "bulk",
            "request_id": str(request_id),
        }
        for address in self._addresses:
            try:
                answer = await self._client.post(f"{address}/internal/v1/runs", json=wish, headers=operator.forward)
            except httpx.TransportError:
                continue
            if answer.is_server_error:
                continue
            return _made(answer)
        raise UnavailableError(AWAY)


def _made(answer: httpx.Response) -> NewRun:
    try:
        body: dict[str, Any] = answer.json()
        if answer.is_success:
            return NewRun(UUID(body["run_id"]), int(body["run_number"]))
        raise NotReplayableError(f"No new run can be made: {body['detail']}", cause=body["code"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnavailableError(AWAY) from error
