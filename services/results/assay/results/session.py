"""The page's session: a token is swapped once for a cookie that scripts cannot read (EventSource sends no token)."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response

from assay.results.errors import BearerNeededError
from assay.results.schemas import Who
from assay.shared.auth import SESSION_COOKIE, SESSION_LIFETIME, Authenticator, Principal


def build_router(authenticator: Authenticator, *, public_url: str) -> APIRouter:
    """`/api/v1/session`."""
    router = APIRouter(prefix="/api/v1/session", tags=["session"])
    secure = urlsplit(public_url).scheme == "https"
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type

    @router.post("")
    async def open_session(request: Request, response: Response, caller: Caller) -> Who:
        """Swap a bearer token for a session cookie of 12 hours."""
        if request.headers.get("authorization") is None:
            raise BearerNeededError("Send the token once more: Authorization: Bearer <token>")
        response.set_cookie(
            SESSION_COOKIE,
            authenticator.open_session(caller),
            max_age=int(SESSION_LIFETIME.total_seconds()),
            path="/",
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return _who(caller)

    @router.get("")
    async def who(caller: Caller) -> Who:
        """Who asks, by token or by cookie."""
        return _who(caller)

    @router.delete("", status_code=204)
    async def end_session(response: Response) -> None:
        """Forget the cookie. Works without one, too."""
        response.delete_cookie(SESSION_COOKIE, path="/", secure=secure, httponly=True, samesite="strict")

    return router


def _who(caller: Principal) -> Who:
    return Who(owner_id=caller.owner_id, scopes=sorted(caller.scopes))
