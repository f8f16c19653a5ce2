"""Errors that a client sees: `application/problem+json` (RFC 9457) with a stable `code` and the trace id."""

from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from assay.shared.tracing import current_trace_id

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable; `detail` is for a person.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "trace_id": {"type": ["string", "null"]},
    },
}
"""What OpenAPI documents have as `#/components/schemas/Problem`."""
ANSWER: dict[str, Any] = {
    "description": "A problem, with a stable `code`",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

# What `as_body` says of a problem besides its own members.
_COMMON = frozenset({"type", "title", "status", "code", "detail", "trace_id"})


class Problem(Exception):
    """Base of all errors that end a request. Subclasses name a stable code; the text says what to do.

    code    API: never changes
    status  HTTP status
    title   the same for every occurrence
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.members = members


class InvalidRequestError(Problem):
    code, status, title = "invalid_request", 422, "The request is not of the form that is documented"


class MalformedBodyError(Problem):
    code, status, title = "malformed_body", 400, "The request's body cannot be read"


class NotFoundError(Problem):
    code, status, title = "not_found", 404, "There is no such thing, or it is not yours"


class UnknownFileError(Problem):
    code, status, title = "file_not_found", 404, "There is no such file, or it is not yours"

    def __init__(self, detail: str = "There is no such file, or it is not yours, or it was deleted.") -> None:
        super().__init__(detail)


class MethodNotAllowedError(Problem):
    code, status, title = "method_not_allowed", 405, "This address does not take that method"


class UnauthenticatedError(Problem):
    code, status, title = "unauthenticated", 401, "The request says not, or not believably, whose it is"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="assay"'})


class ForbiddenError(Problem):
    code, status, title = "forbidden", 403, "This needs a scope that the token does not have"


class UnavailableError(Problem):
    code, status, title = "unavailable", 503, "A part that this needs is not there at the moment"


class InternalError(Problem):
    code, status, title = "internal_error", 500, "Something went wrong on our side"


def catalogue() -> list[type[Problem]]:
    """Every error there is in this process, by code."""

    def below(parent: type[Problem]) -> list[type[Problem]]:
        return [each for child in parent.__subclasses__() for each in (child, *below(child))]

    return sorted((each for each in below(Problem) if "code" in vars(each)), key=lambda each: each.code)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a route: the statuses with which it tells of problems."""
    return dict.fromkeys(statuses, ANSWER)


def describe(document: dict[str, Any]) -> None:
    """Let an OpenAPI document say what is answered to a request of another form than it describes: a problem.

    FastAPI writes an answer of its own there, which `install` has replaced.
    """
    for item in document.get("paths", {}).values():
        for operation in item.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                operation["responses"]["422"] = ANSWER
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = SCHEMA


def as_body(problem: Problem) -> dict[str, Any]:
    """The problem object, as an answer's body or as one of several outcomes."""
    return {
        "type": f"urn:assay:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "trace_id": current_trace_id(),
        **problem.members,
    }


def of_body(body: Mapping[str, Any]) -> Problem:
    """The problem that a body of `as_body` tells of, to be told again."""
    (kind,) = (each for each in catalogue() if each.code == body["code"])
    return kind(body["detail"], **{name: value for name, value in body.items() if name not in _COMMON})


def respond(problem: Problem) -> JSONResponse:
    """The answer that tells of a problem."""
    return JSONResponse(as_body(problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let every error of an app end as a problem."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return respond(error)

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return respond(MalformedBodyError("The body is not valid JSON. Send JSON as the documentation shows."))
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return respond(InvalidRequestError(f"{place}: {first['msg']}", place=place))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return respond(NotFoundError(f"There is nothing at {request.url.path}. See /docs for what there is."))
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            problem = MethodNotAllowedError(f"{request.url.path} takes {allowed or 'other methods'}.")
            problem.headers = dict(error.headers or {})
            return respond(problem)
        plain = MalformedBodyError if error.status_code < 500 else InternalError
        return respond(plain(str(error.detail)))

    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, exc_info=error)
        return respond(InternalError("The request failed. Try again; name the trace id if it stays so."))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)
