"""HTTP entry points: they translate, the service decides."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import MalformedBodyError, Problem, answers
from assay.upload import metrics
from assay.upload.admission.service import Admission
from assay.upload.domain import LANES, AcceptedFile, Outcome
from assay.upload.errors import RequestTooLargeError, UploadStalledError
from assay.upload.idempotency.headers import key_of
from assay.upload.multipart import Form, boundary_of
from assay.upload.schemas import UploadedFile, UploadedFiles, outcome_body
from assay.upload.service import UploadService
from assay.upload.settings import FORM_ALLOWANCE_BYTES, LimitsSettings

log = structlog.get_logger(__name__)

_FORM_SCHEMA: dict[str, Any] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "maxLength": 257},
            "description": "New for each request, such as a UUID in quotes. Sent again with its key within 24 hours, a "
            "request has no further effect and the same answer",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
                            "description": "The file. Sent again for more files, each with an outcome of its own; "
                            "a request ends early where a file is refused before any was taken and much of it is left",
                        },
                        "analyzers": {
                            "type": "string",
                            "description": "Names, comma separated; all that take the file where it is missing",
                        },
                        "force": {
                            "type": "boolean",
                            "default": False,
                            "description": "A file of its own, also where you have uploaded these bytes before",
                        },
                        "metadata": {"type": "string", "description": "A JSON object of your own, kept with the file"},
                        "priority": {"type": "string", "enum": list(LANES), "default": "interactive"},
                    },
                }
            }
        },
    },
}


async def _body(request: Request, limit: int, idle_s: float) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises RequestTooLargeError, UploadStalledError or ClientDisconnect."""
    chunks = request.stream()
    received = 0
    while True:
        try:
            async with asyncio.timeout(idle_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadStalledError(f"Nothing arrived for {idle_s:.0f} s. Send the file again.") from None
        received += len(chunk)
        _check_length(received, limit)
        if chunk:
            yield chunk


def _check_length(length: int, limit: int) -> None:
    if length > limit + FORM_ALLOWANCE_BYTES:
        raise RequestTooLargeError(
            f"The files of one request may have {limit} bytes together. Send fewer or smaller ones.",
            max_file_bytes=limit,
        )


def build_router(
    *,
    service: UploadService,
    admission: Admission,
    authenticator: Authenticator,
    limits: LimitsSettings,
    public_url: str,
) -> APIRouter:
    """The route of forms."""
    router = APIRouter(prefix="/api/v1", tags=["upload"])
    public_url = public_url.rstrip("/")
    user = Depends(authenticator.user)

    async def receive(request: Request, principal: Principal) -> list[Outcome]:
        boundary = boundary_of(request.headers.get("content-type", ""))
        length = request.headers.get("content-length", "")
        declared = int(length) if length.isdecimal() else 0
        _check_length(declared, limits.max_file_bytes)
        size = max(0, declared - FORM_ALLOWANCE_BYTES)
        await admission.pace(principal.owner_id)
        key = key_of(request.headers.getlist("idempotency-key"))
        body = _body(request, limits.max_file_bytes, limits.idle_timeout.total_seconds())
        try:
            form = Form(body, boundary, declared or None)
            if key is None:
                return await service.receive(principal.owner_id, form, size)
            return await service.receive_once(principal.owner_id, form, size, key)
        except ClientDisconnect:
            log.info("upload_broken_off")
            raise MalformedBodyError("The connection ended before the body did. Send it again.") from None

    @router.post(
        "/files",
        status_code=202,
        response_model=UploadedFile | UploadedFiles,
        responses={
            200: {"model": UploadedFile | UploadedFiles, "description": "Known content only"},
            **answers(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
        },
        openapi_extra=_FORM_SCHEMA,
        summary="Upload files to be examined",
    )
    async def upload(request: Request, principal: Annotated[Principal, user]) -> Response:
        """Takes one file, or several. Answers when the bytes are stored and the examination is on its way.

        Bytes that you have uploaded before are answered with 200 and that file, examined again where today's plan or
        the version of an analyzer in it differs from its newest run's. `force` makes a new file of them.
        """
        try:
            outcomes = await receive(request, principal)
        except Problem as problem:
            metrics.REFUSED.labels(code=problem.code).inc()
            raise
        problems = [each for each in outcomes if isinstance(each, Problem)]
        for each in problems:
            metrics.REFUSED.labels(code=each.code).inc()
        if len(problems) == len(outcomes):
            raise problems[0]
        taken = [each for each in outcomes if isinstance(each, AcceptedFile)]
        status = 200 if all(each.is_known for each in taken) else 202
        if len(outcomes) > 1:
            listed = UploadedFiles(files=[outcome_body(each, public_url) for each in outcomes])
            return JSONResponse(listed.model_dump(mode="json"), status)
        (accepted,) = taken
        uploaded = UploadedFile.of(accepted, public_url)
        return JSONResponse(uploaded.model_dump(mode="json"), status, headers={"Location": uploaded.links.self})

    return router
