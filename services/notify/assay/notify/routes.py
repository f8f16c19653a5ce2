"""HTTP entry points."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from assay.notify.domain import Audience
from assay.notify.service import StreamService
from assay.notify.sse import MEDIA_TYPE, EventStream
from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import InvalidRequestError

LastEventId = Annotated[
    str | None, Header(description="The id of the last event that was seen. The stream goes on after it.")
]
Until = Annotated[
    Literal["completed"] | None,
    Query(
        description="`completed`: the stream ends with the report of the current run. Artifacts may follow later; "
        "a stream without `until` has them, too"
    ),
]

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `snapshot` with the state, then each event as on the Kafka topics. "
        "`event` is the ce_type, `id` a position for `Last-Event-ID`, `data` the JSON body.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
}
FINISHED: dict[int | str, dict[str, Any]] = {204: {"description": "The stream was ended by `until` before: stay away"}}


def build_router(service: StreamService, authenticator: Authenticator) -> APIRouter:
    """The two streams."""
    router = APIRouter(prefix="/api/v1", tags=["events"])

    async def answer(caller: Principal, audience: Audience, last_event_id: str | None, *, until: bool) -> Response:
        stream = await service.open(caller, audience, last_event_id=last_event_id, until_completed=until)
        return Response(status_code=204) if stream is None else EventStream(stream, service.close)

    @router.get(
        "/files/{file_id}/events", status_code=200, response_class=EventStream, responses={**STREAM, **FINISHED}
    )
    async def file_events(
        file_id: UUID,
        caller: Annotated[Principal, Depends(authenticator.user)],
        until: Until = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        """What happens to one file."""
        return await answer(caller, Audience(caller.owner_id, file_id), last_event_id, until=until is not None)

    @router.get("/events", status_code=200, response_class=EventStream, responses=STREAM)
    async def owner_events(
        request: Request, caller: Annotated[Principal, Depends(authenticator.user)], last_event_id: LastEventId = None
    ) -> Response:
        """What happens to all files of the caller."""
        if "until" in request.query_params:
            raise InvalidRequestError("until: this stream has no end. It is for /api/v1/files/{file_id}/events.")
        return await answer(caller, Audience(caller.owner_id), last_event_id, until=False)

    return router
