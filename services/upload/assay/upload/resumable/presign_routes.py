"""HTTP entry points of uploads that go straight to storage."""

import json
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from assay.shared.auth import Authenticator, Principal
from assay.shared.ids import new_id
from assay.shared.problems import Problem, UnknownFileError, answers
from assay.upload import fields, metrics
from assay.upload.catalog import Catalog
from assay.upload.domain import Options
from assay.upload.resumable.presigning import PresignedUploads
from assay.upload.resumable.schemas import CompleteRequest, PresignedUpload, PresignRequest
from assay.upload.schemas import UploadedFile
from assay.upload.settings import LimitsSettings


def build_router(
    *,
    uploads: PresignedUploads,
    catalog: Catalog,
    authenticator: Authenticator,
    limits: LimitsSettings,
    public_url: str,
) -> APIRouter:
    """The routes of uploads that go straight to storage."""
    router = APIRouter(prefix="/api/v1", tags=["resumable uploads"])
    public_url = public_url.rstrip("/")
    user = Depends(authenticator.user)

    async def options_of(asked: PresignRequest) -> Options:
        known = frozenset(await catalog.analyzers())
        metadata = json.dumps(asked.metadata, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if len(metadata) > limits.max_metadata_bytes:
            raise fields.too_long("metadata", limits.max_metadata_bytes)
        return Options(
            analyzers=fields.parse_analyzers(",".join(asked.analyzers).encode(), known),
            metadata=fields.parse_metadata(metadata),
            priority=asked.priority,
            force=asked.force,
        )

    @router.post(
        "/files:presign",
        status_code=201,
        responses=answers(400, 401, 403, 413, 422, 429, 503),
        summary="Get addresses to send a file's parts to",
    )
    async def presign(asked: PresignRequest, principal: Annotated[Principal, user]) -> PresignedUpload:
        """For clients that send straight to storage. PUT each part to its address, then complete the upload."""
        try:
            upload = await uploads.presign(
                new_id(),
                principal.owner_id,
                size=asked.size,
                filename=asked.filename,
                media_type=asked.media_type,
                sha256=asked.sha256.lower() if asked.sha256 else None,
                options=await options_of(asked),
            )
        except Problem as problem:
            metrics.REFUSED.labels(code=problem.code).inc()
            raise
        return PresignedUpload.of(upload, uploads.links(upload), public_url)

    @router.post(
        "/files:complete",
        status_code=202,
        response_model=UploadedFile,
        responses={
            200: {"model": UploadedFile, "description": "Known content"},
            **answers(400, 401, 403, 404, 410, 413, 415, 422, 423, 429, 503),
        },
        summary="Make a file of the parts that were sent",
    )
    async def complete(asked: CompleteRequest, principal: Annotated[Principal, user]) -> JSONResponse:
        """Reads the whole once: its size, its hash and its type count, not what was said of them.

        Asked again, it answers the same. Where the file is refused, nothing of it stays stored.
        """
        try:
            progress = await uploads.complete(
                asked.upload_id, principal.owner_id, [(each.number, each.etag) for each in asked.parts]
            )
        except Problem as problem:
            metrics.REFUSED.labels(code=problem.code).inc()
            raise
        if progress.accepted is None:
            raise UnknownFileError("The upload became a file, and that was deleted since.")
        uploaded = UploadedFile.of(progress.accepted, public_url)
        status = 200 if progress.accepted.is_known else 202
        return JSONResponse(uploaded.model_dump(mode="json"), status, headers={"Location": uploaded.links.self})

    return router
