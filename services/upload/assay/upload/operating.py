"""HTTP entry points about runs and analyzers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime

from assay.contracts.analyzers import ANALYZER_NAME
from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import answers
from assay.upload.backfill import PAGE, Backfill, Selection
from assay.upload.catalog import Catalog
from assay.upload.retirement import Retirement
from assay.upload.runs import RunService, Wish
from assay.upload.schemas import BackfillPage, InternalRunRequest, RequestedRun, RetiredAnalyzer, RunRequest

Name = Annotated[str, Path(pattern=ANALYZER_NAME, max_length=64)]
MediaType = Annotated[
    str | None, Query(max_length=200, pattern=r"^[^/\x00]+/[^/\x00]+$", description="Exact, or `image/*`")
]


def build_router(
    *,
    runs: RunService,
    backfill: Backfill,
    retirement: Retirement,
    catalog: Catalog,
    authenticator: Authenticator,
    public_url: str,
) -> APIRouter:
    """The routes of this module, those for other services included."""
    router = APIRouter()
    origin = public_url.rstrip("/")
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type
    Operator = Annotated[Principal, Depends(authenticator.operator)]  # noqa: N806  # a type

    @router.post(
        "/api/v1/files/{file_id}/runs",
        tags=["upload"],
        status_code=202,
        responses=answers(400, 401, 403, 404, 413, 415, 422, 429, 503),
        summary="Have a file examined again",
    )
    async def request_run(
        caller: Caller, file_id: UUID, response: Response, body: RunRequest | None = None
    ) -> RequestedRun:
        """A new run, by today's analyzers or by those named. Earlier runs and their reports stay."""
        body = body or RunRequest()
        wish = Wish(file_id, body.analyzers, body.priority)
        requested = RequestedRun.of(*await runs.request(wish, owner_id=caller.owner_id), origin)
        response.headers["Location"] = requested.links.self
        return requested

    @router.post("/internal/v1/runs", status_code=202, include_in_schema=False)
    async def request_run_for_operator(caller: Operator, body: InternalRunRequest) -> RequestedRun:
        """What results asks for when an operator replays the dead letter of an analysis."""
        wish = Wish(body.file_id, body.analyzers, body.priority, body.request_id)
        return RequestedRun.of(*await runs.request(wish, owner_id=None), origin)

    @router.post(
        "/api/v1/analyzers/{name}/backfill",
        tags=["analyzers"],
        status_code=202,
        responses=answers(401, 403, 404, 422, 429, 503),
        summary="Have older files examined by an analyzer",
    )
    async def backfill_page(
        caller: Operator,
        name: Name,
        media_type: MediaType = None,
        since: Annotated[AwareDatetime | None, Query(description="Uploaded then or later; with its time zone")] = None,
        cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE, description="At most so many runs in this page")] = PAGE,
        dry_run: Annotated[bool, Query(description="Count only")] = False,
    ) -> BackfillPage:
        """One page: runs with this analyzer only, in the bulk lane, for files that its version has not had; operators.

        Send `next_cursor` until it is null. Repeating a page, or all of it, asks for nothing twice.
        """
        await catalog.check()
        version = catalog.of_name(name).version
        page = await backfill.page(name, Selection(media_type, since, cursor), limit=limit, dry_run=dry_run)
        return BackfillPage(
            analyzer=name,
            version=version,
            requested=page.requested,
            skipped=page.skipped,
            next_cursor=page.after,
        )

    @router.delete(
        "/api/v1/analyzers/{name}",
        tags=["analyzers"],
        responses=answers(401, 403, 404, 422, 503),
        summary="Retire an analyzer",
    )
    async def retire(caller: Operator, name: Name) -> RetiredAnalyzer:
        """New plans name it no more; for operators. A worker that starts with it registers it again."""
        await catalog.check()
        manifest = await retirement.retire(name, by=caller.owner_id)
        return RetiredAnalyzer(name=manifest.name, version=manifest.version)

    return router
