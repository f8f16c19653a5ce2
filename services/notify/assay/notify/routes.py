"""HTTP entry points."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from assay.contracts.registry import EVENTS
from assay.notify.domain import Audience
from assay.notify.heartbeats import Heartbeats
from assay.notify.position import TOPICS
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
Types = Annotated[
    str | None,
    Query(
        description="The events to send, by `ce_type`, separated by commas: "
        "`types=assay.run.completed.v1,assay.analysis.failed.v1`. The snapshot comes in any case, and so does the end "
        "of a stream that ends. Positions move on as without it",
        max_length=2000,
        examples=["assay.run.completed.v1"],
    ),
]
# What a stream can carry.
STREAMED = frozenset(name for name, event in EVENTS.items() if {topic.name for topic in TOPICS} & set(event.topics))

STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `snapshot` with the state, then each event as on the Kafka topics. "
        "`event` is the ce_type, `id` a position for `Last-Event-ID`, `data` the JSON body.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
}
FINISHED: dict[int | str, dict[str, Any]] = {204: {"description": "The stream was ended by `until` before: stay away"}}


def build_router(service: StreamService, authenticator: Authenticator, heartbeats: Heartbeats) -> APIRouter:
    """The two streams."""
    router = APIRouter(prefix="/api/v1", tags=["events"])

    async def answer(
        caller: Principal, audience: Audience, last_event_id: str | None, types: str | None, *, until: bool
    ) -> Response:
        wanted = _wanted(types)
        stream = await service.open(caller, audience, last_event_id=last_event_id, until_completed=until, types=wanted)
        return Response(status_code=204) if stream is None else EventStream(stream, heartbeats, service.close)

    @router.get(
        "/files/{file_id}/events", status_code=200, response_class=EventStream, responses={**STREAM, **FINISHED}
    )
    async def file_events(
        file_id: UUID,
        caller: Annotated[Principal, Depends(authenticator.user)],
        until: Until = None,
        types: Types = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        """What happens to one file."""
        return await answer(caller, Audience(caller.owner_id, file_id), last_event_id, types, until=until is not None)

    @router.get("/events", status_code=200, response_class=EventStream, responses=STREAM)
    async def owner_events(
        request: Request,
        caller: Annotated[Principal, Depends(authenticator.user)],
        types: Types = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        """What happens to all files of the caller."""
        if "until" in request.query_params:
            raise InvalidRequestError("until: this stream has no end. It is for /api/v1/files/{file_id}/events.")
        return await answer(caller, Audience(caller.owner_id), last_event_id, types, until=False)

    return router


def _wanted(types: str | None) -> frozenset[str] | None:
    """The types that a client asks for; None: all. Raises InvalidRequestError for one that no stream carries."""
    if types is None:
        return None
    named = frozenset(each.strip() for each in types.split(",") if each.strip())
    unknown = sorted(named - STREAMED)
    if unknown or not named:
        said = f"there is no {unknown[0]!r}" if unknown else "none is named"
        raise InvalidRequestError(f"types: {said}. There are: {', '.join(sorted(STREAMED))}.")
    return named
