"""`/healthz` (is there progress), `/readyz` (each dependency, with its latency), `/metrics`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[None]]
Progress = Callable[[], float]

CHECK_TIMEOUT_S = 3.0
STALLED_AFTER_S = 60.0


class Health:
    """What a service needs, and what in it must keep moving."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._progress: dict[str, Progress] = {}

    def needs(self, name: str, check: Check) -> None:
        """The service is ready only while `check` returns; it raises where the dependency is not there."""
        self._checks[name] = check

    def needs_no_more(self, name: str) -> None:
        """The service does without it from now on."""
        self._checks.pop(name, None)

    def moves(self, name: str, seconds_stalled: Progress) -> None:
        """The service is healthy only while this says that it stalled for less than 60 s."""
        self._progress[name] = seconds_stalled

    async def readiness(self) -> dict[str, dict[str, object]]:
        """Each dependency: `{ok, latency_ms, error}`."""
        results = await asyncio.gather(*(self._try(check) for check in self._checks.values()))
        return dict(zip(self._checks, results, strict=True))

    async def _try(self, check: Check) -> dict[str, object]:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except Exception as error:  # whatever a client library raises, the answer is "not there"
            reason = str(error) or type(error).__name__
            return {"ok": False, "latency_ms": _ms_since(started), "error": reason[:300]}
        return {"ok": True, "latency_ms": _ms_since(started)}

    def stalled(self) -> dict[str, float]:
        """What has not moved for too long, with its seconds."""
        times = {name: seconds() for name, seconds in self._progress.items()}
        return {name: round(value, 1) for name, value in times.items() if value > STALLED_AFTER_S}

    def router(self) -> APIRouter:
        """The three addresses, without authentication: they say nothing about anybody's files."""
        router = APIRouter(tags=["operations"])

        @router.get("/healthz", include_in_schema=False)
        async def healthz() -> JSONResponse:
            stalled = self.stalled()
            return JSONResponse({"status": "stalled" if stalled else "ok", "stalled": stalled}, 503 if stalled else 200)

        @router.get("/readyz", include_in_schema=False)
        async def readyz() -> JSONResponse:
            dependencies = await self.readiness()
            ready = all(each["ok"] for each in dependencies.values())
            return JSONResponse(
                {"status": "ready" if ready else "not ready", "dependencies": dependencies}, 200 if ready else 503
            )

        @router.get("/metrics", include_in_schema=False)
        async def metrics() -> Response:
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

        return router


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
