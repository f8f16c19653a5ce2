"""HTTP entry point: what is taken in, and what the caller has."""

from typing import Annotated

from fastapi import APIRouter, Depends

from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import answers
from assay.upload.admission.queue import Queue
from assay.upload.admission.quotas import Quotas
from assay.upload.admission.schemas import Lane, Limits, OwnerQuotas, OwnerUsage
from assay.upload.catalog import Catalog
from assay.upload.domain import LANES, media_types_taken
from assay.upload.outages import storage_errors
from assay.upload.settings import Settings


def build_router(
    *, quotas: Quotas, queue: Queue, catalog: Catalog, authenticator: Authenticator, settings: Settings
) -> APIRouter:
    """The route of this package."""
    router = APIRouter(prefix="/api/v1", tags=["upload"])
    limits = settings.limits
    user = Depends(authenticator.user)

    @router.get("/limits", responses=answers(401, 403, 503), summary="How much is taken, and of what")
    async def read_limits(principal: Annotated[Principal, user]) -> Limits:
        """Ask before a large upload; the same limits hold at every hop."""
        known = catalog.known
        quota = settings.quota
        with storage_errors("The database does not answer. Ask again in a minute."):
            usage = await quotas.usage(principal.owner_id)
        return Limits(
            max_file_bytes=limits.max_file_bytes,
            max_files_per_request=limits.max_files_per_request,
            max_metadata_bytes=limits.max_metadata_bytes,
            idle_timeout_s=limits.idle_timeout.total_seconds(),
            deadline_s=settings.run_deadline.total_seconds(),
            media_types=media_types_taken(known.values()),
            analyzers=sorted(known),
            priorities=list(LANES),
            quotas=OwnerQuotas(
                bytes=quota.bytes or None,
                files_per_day=quota.files_per_day or None,
                files_in_flight=quota.files_in_flight or None,
                requests_per_minute=quota.requests_per_minute or None,
            ),
            usage=OwnerUsage(
                files=usage.files,
                bytes=usage.bytes,
                files_today=usage.files_today,
                files_in_flight=usage.in_flight,
            ),
            queue=[
                Lane(priority=priority, age_s=queue.age_s(lane), limit_s=queue.limit_s(lane))
                for priority, lane in LANES.items()
            ],
        )

    return router
