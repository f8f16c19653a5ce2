"""HTTP entry points about feedback."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from assay.results.feedback import Feedback
from assay.results.parameters import Moment
from assay.results.reading import Library
from assay.results.schemas import Confusion, FeedbackBody, FeedbackView
from assay.shared import problems
from assay.shared.auth import Authenticator, Principal
from assay.shared.clock import now
from assay.shared.problems import InvalidRequestError

CONFUSION_OF = timedelta(days=90)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def build_router(authenticator: Authenticator, *, library: Library, feedback: Feedback) -> APIRouter:
    """What people say of files, and what comes of it."""
    router = APIRouter(prefix="/api/v1")
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type
    Operator = Annotated[Principal, Depends(authenticator.operator)]  # noqa: N806  # a type

    @router.post("/files/{file_id}/feedback", tags=["feedback"], status_code=201, responses=problems.answers(404))
    async def give_feedback(caller: Caller, file_id: UUID, body: FeedbackBody) -> FeedbackView:
        """Say what the file really is. It replaces what you said of it before, and changes no report.

        It is shown with the file, and published as `assay.feedback.recorded.v1`.
        """
        await library.wait_for_young(caller.owner_id, file_id)
        return await feedback.record(caller.owner_id, file_id, body)

    @router.delete("/files/{file_id}/feedback", tags=["feedback"], status_code=204, responses=problems.answers(404))
    async def withdraw_feedback(caller: Caller, file_id: UUID) -> None:
        """Take back what you said of the file; published as `assay.feedback.withdrawn.v1`."""
        await feedback.withdraw(caller.owner_id, file_id)

    @router.get("/feedback/confusion", tags=["feedback"], responses=problems.answers(403))
    async def show_confusion(
        caller: Operator,
        since: Annotated[Moment | None, Query(description="Default: 90 days before `until`")] = None,
        until: Annotated[Moment | None, Query(description="Default: now")] = None,
    ) -> Confusion:
        """How often reports and analyzers said what people say; for operators, over all owners.

        A file counts once for each person, with what was said when they said it.
        """
        # Kept where adding and subtracting stays among the years that there are.
        until = min(until or now(), LAST)
        since = max(since or max(until, FIRST) - CONFUSION_OF, FIRST)
        if since >= until:
            raise InvalidRequestError("`since` must be before `until`.", place="since")
        return await feedback.confusion(since, until)

    return router
