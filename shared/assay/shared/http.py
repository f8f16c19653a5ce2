"""An HTTP service: problems, traces, metrics, health, and a server that drains on SIGTERM."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.shared import metrics, problems, tracing
from assay.shared.health import Health
from assay.shared.reference import reference
from assay.shared.settings import HttpSettings

log = structlog.get_logger(__name__)

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
UNTRACED = ("/healthz", "/readyz", "/metrics", "/stack/")
# As uvicorn itself exits where the port is taken or the lifespan fails.
STARTUP_FAILED = 3

__all__ = ["AsyncIterator", "build_app", "serve"]


class Observed:
    """ASGI middleware: one span and one measurement for a request, none for each chunk of its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED):
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
        started = time.perf_counter()
        method: str = scope["method"]
        with tracing.span(
            f"{method} {scope['path']}", kind=SpanKind.SERVER, context=tracing.context_of(headers)
        ) as current:

            async def observed_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", "unmatched")
                    current.update_name(f"{method} {route}")
                    current.set_attribute("http.route", route)
                    current.set_attribute("http.response.status_code", message["status"])
                    metrics.HTTP_REQUESTS.labels(method=method, route=route, status=message["status"]).inc()
                    metrics.HTTP_SECONDS.labels(method=method, route=route).observe(time.perf_counter() - started)
                    trace_id = tracing.current_trace_id()
                    if trace_id is not None:
                        message.setdefault("headers", [])
                        message["headers"] = [*message["headers"], (b"trace-id", trace_id.encode())]
                await send(message)

            await self._app(scope, receive, observed_send)


class App(FastAPI):
    """A FastAPI app whose OpenAPI also lists error codes, settings and metrics, as `x-assay`."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["x-assay"] = reference()
            problems.describe(document)
        return super().openapi()


def build_app(*, title: str, routers: Sequence[APIRouter], health: Health, lifespan: Lifespan) -> FastAPI:
    """A FastAPI app with everything that all services have."""
    app = App(
        title=title,
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        telemetry={"tracing": False, "metrics": False, "logs": False},  # that is what `Observed` is for
    )
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.include_router(health.router())
    app.add_middleware(Observed)
    return app


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it begins to drain: it waits for open answers, so long ones must be told."""

    def __init__(self, config: uvicorn.Config, before_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_drain = before_drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_drain()
        await super().shutdown(sockets)


def _nothing() -> None:
    """Most services have no answer that lasts."""


def _exit(*_: object) -> None:
    sys.exit(0)


def serve(
    app: FastAPI,
    settings: HttpSettings,
    *,
    drain_s: int = 8,
    before_drain: Callable[[], None] = _nothing,
    protocol: type[asyncio.Protocol] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, let requests end within `drain_s`, and exit with status 0.

    before_drain: called first, on the event loop: ends what would not end by itself.
    protocol: uvicorn's HTTP protocol class, where a service needs one of its own.
    """
    # uvicorn raises a signal that it caught again once it has drained; by default that would look like a death.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol or "auto",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=drain_s,
        timeout_keep_alive=75,
        server_header=False,
    )
    server = _Server(config, before_drain)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILED)
