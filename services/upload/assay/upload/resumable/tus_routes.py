"""tus 1.0.0 over HTTP: core, creation, creation-with-upload, expiration, checksum, termination."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Request, Response

from assay.shared.auth import Authenticator, Principal
from assay.shared.ids import new_id
from assay.shared.problems import InvalidRequestError, MethodNotAllowedError, Problem, answers
from assay.upload import metrics
from assay.upload.resumable import headers
from assay.upload.resumable.body import Draining, chunks_of
from assay.upload.resumable.outcomes import Progress, check_open
from assay.upload.resumable.presigning import PresignedUploads
from assay.upload.resumable.schemas import UploadState
from assay.upload.resumable.service import ResumableUploads
from assay.upload.settings import LimitsSettings

log = structlog.get_logger(__name__)

PATH = "/api/v1/uploads"


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """An upload that was refused tells of its refusal again, and one that is whole of what keeps it from its end."""
    return answers(401, 403, 412, 413, 415, 422, 429, 503, *statuses)


def _header(name: str, description: str, *, required: bool = True, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string", **schema},
    }


def _bytes(name: str, description: str) -> dict[str, Any]:
    return _header(name, description, pattern=rf"^[0-9]{{1,{headers.MAX_DIGITS}}}$")


_VERSION = _header("Tus-Resumable", "The version of the protocol", enum=[headers.VERSION])
_CHECKSUM = _header(
    "Upload-Checksum",
    "Algorithm and digest of the body in Base64",
    required=False,
    pattern=rf"^({'|'.join(headers.ALGORITHMS)}) [A-Za-z0-9+/]+={{0,2}}$",
)
# Bytes are of no type: OpenAPI 3.1 describes them by saying nothing more.
_CHUNK: dict[str, Any] = {"content": {headers.CHUNK_TYPE: {}}}


@contextmanager
def _spoken() -> Iterator[None]:
    """A problem is said in the protocol's version, and counted."""
    try:
        yield
    except Problem as problem:
        problem.headers.setdefault("Tus-Resumable", headers.VERSION)
        metrics.REFUSED.labels(code=problem.code).inc()
        raise


def _told(progress: Progress) -> dict[str, str]:
    """The headers that say how far an upload is, and what it became."""
    upload = progress.upload
    told = {
        "Tus-Resumable": headers.VERSION,
        "Upload-Offset": str(upload.length if upload.status == "finished" else upload.offset),
        "Cache-Control": "no-store",
    }
    if upload.status == "receiving":
        told["Upload-Expires"] = format_datetime(upload.expires_at, usegmt=True)
    if progress.accepted is not None:
        told["Assay-File-Id"] = str(progress.accepted.file.file_id)
        told["Assay-Run-Id"] = str(progress.accepted.run_id)
    return told


def build_router(
    *,
    uploads: ResumableUploads,
    presigned: PresignedUploads,
    draining: Draining,
    authenticator: Authenticator,
    limits: LimitsSettings,
    public_url: str,
) -> APIRouter:
    """The routes of tus."""
    router = APIRouter(prefix=PATH, tags=["resumable uploads"])
    public_url = public_url.rstrip("/")
    user = Depends(authenticator.user)
    idle_s = limits.idle_timeout.total_seconds()

    @router.options("", status_code=204, summary="What of tus is spoken here")
    @router.options("/{upload_id}", status_code=204, include_in_schema=False)
    async def describe() -> Response:
        """Versions, extensions and the size limit. Needs no token."""
        return Response(
            status_code=204,
            headers={
                "Tus-Resumable": headers.VERSION,
                "Tus-Version": headers.VERSION,
                "Tus-Extension": headers.EXTENSIONS,
                "Tus-Checksum-Algorithm": ",".join(headers.ALGORITHMS),
                "Tus-Max-Size": str(limits.max_file_bytes),
                # What a page of another origin may send; that it may read the answers, the gateway says.
                "Access-Control-Allow-Methods": "POST, GET, HEAD, PATCH, DELETE, OPTIONS",
                "Access-Control-Allow-Headers": headers.SENT,
                "Access-Control-Max-Age": "86400",
            },
        )

    async def append(
        request: Request, principal: Principal, upload_id: UUID, offset: int, checksum: headers.Checksum | None
    ) -> Progress:
        return await uploads.append(
            upload_id, principal.owner_id, offset, chunks_of(request, idle_s, draining), checksum
        )

    @router.post(
        "",
        status_code=201,
        response_class=Response,
        responses=_problems(400, 408, 460),
        openapi_extra={
            "parameters": [
                _VERSION,
                _bytes("Upload-Length", "Of the whole file"),
                _header(
                    "Upload-Metadata",
                    "`filename`, `filetype`, `analyzers`, `metadata`, `priority`, `force`: as the fields of a form, "
                    "each value in Base64",
                    required=False,
                ),
                _CHECKSUM,
            ],
            "requestBody": _CHUNK,
        },
        summary="Begin a resumable upload",
    )
    async def create(request: Request, principal: Annotated[Principal, user]) -> Response:
        """Answers with the upload's address in `Location`. A body is taken as the first bytes of the file."""
        with _spoken():
            headers.check_version(request.headers.get("tus-resumable"))
            if "upload-defer-length" in request.headers:
                raise InvalidRequestError(
                    "`Upload-Defer-Length` is not taken: say with `Upload-Length` how many bytes the file has.",
                    place="Upload-Defer-Length",
                )
            length = headers.number("Upload-Length", request.headers.get("upload-length"))
            brings_bytes = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
            if brings_bytes:
                headers.check_chunk_type(request.headers.get("content-type"))
            checksum = headers.checksum(request.headers)
            upload = await uploads.create(
                new_id(), principal.owner_id, length, request.headers.get("upload-metadata", "")
            )
            progress = Progress(upload)
            if brings_bytes:
                try:
                    progress = await append(request, principal, upload.upload_id, 0, checksum)
                except BaseException:
                    # Nobody knows its address.
                    await uploads.give_up(upload.upload_id, principal.owner_id)
                    raise
        location = f"{public_url}{PATH}/{upload.upload_id}"
        return Response(status_code=201, headers={"Location": location, **_told(progress)})

    @router.patch(
        "/{upload_id}",
        status_code=204,
        responses=_problems(400, 404, 408, 409, 410, 423, 460),
        openapi_extra={
            "parameters": [_VERSION, _bytes("Upload-Offset", "Where these bytes begin"), _CHECKSUM],
            "requestBody": {"required": True, **_CHUNK},
        },
        summary="Send bytes of a resumable upload",
    )
    async def patch(request: Request, upload_id: UUID, principal: Annotated[Principal, user]) -> Response:
        """The last bytes make a file of it: `Assay-File-Id` and `Assay-Run-Id` then name the file and its run."""
        with _spoken():
            headers.check_version(request.headers.get("tus-resumable"))
            headers.check_chunk_type(request.headers.get("content-type"))
            offset = headers.number("Upload-Offset", request.headers.get("upload-offset"))
            checksum = headers.checksum(request.headers)
            progress = await append(request, principal, upload_id, offset, checksum)
        return Response(status_code=204, headers=_told(progress))

    @router.head(
        "/{upload_id}",
        response_class=Response,
        responses=_problems(404, 410, 423),
        openapi_extra={"parameters": [_VERSION]},
        summary="Where a resumable upload goes on",
    )
    async def head(request: Request, upload_id: UUID, principal: Annotated[Principal, user]) -> Response:
        """`Upload-Offset` says how many bytes are accepted. An upload that was refused answers with its refusal."""
        with _spoken():
            headers.check_version(request.headers.get("tus-resumable"))
            progress = await uploads.tell(upload_id, principal.owner_id)
            if progress.upload.status != "finished":
                check_open(progress.upload)
        told = {**_told(progress), "Upload-Length": str(progress.upload.length)}
        if progress.upload.raw_metadata:
            told["Upload-Metadata"] = progress.upload.raw_metadata
        return Response(status_code=200, headers=told)

    @router.get("/{upload_id}", responses=_problems(404, 423), summary="What became of an upload")
    async def get(upload_id: UUID, principal: Annotated[Principal, user]) -> UploadState:
        """Of uploads by tus, and of those straight to storage. Not of tus itself, so it needs no `Tus-Resumable`.

        Of one that goes straight to storage, it tells which parts are there, and gives new addresses for the others.
        """
        progress = await uploads.tell(upload_id, principal.owner_id)
        return UploadState.of(progress, await presigned.parts(progress.upload), public_url)

    @router.delete(
        "/{upload_id}",
        status_code=204,
        responses=_problems(404, 409, 410, 423),
        openapi_extra={"parameters": [{**_VERSION, "required": False}]},
        summary="Give an upload up",
    )
    async def delete(request: Request, upload_id: UUID, principal: Annotated[Principal, user]) -> Response:
        """Throws away what has arrived. Once it is a file, delete the file."""
        with _spoken():
            if "tus-resumable" in request.headers:
                headers.check_version(request.headers["tus-resumable"])
            await uploads.terminate(upload_id, principal.owner_id)
        return Response(status_code=204, headers={"Tus-Resumable": headers.VERSION})

    @router.post("/{upload_id}", include_in_schema=False)
    async def override(request: Request, upload_id: UUID, principal: Annotated[Principal, user]) -> Response:
        """For clients that cannot send PATCH or DELETE: tus says which header names the real method."""
        method = request.headers.get("x-http-method-override", "").upper()
        named = {"PATCH": patch, "DELETE": delete, "HEAD": head}.get(method)
        if named is None:
            raise MethodNotAllowedError(
                "POST is taken here with `X-HTTP-Method-Override: PATCH`, DELETE or HEAD only.",
                headers={"Allow": "GET, HEAD, PATCH, DELETE, OPTIONS"},
            )
        return await named(request, upload_id, principal)

    return router
