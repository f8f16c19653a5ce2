"""What the gateway asks on behalf of the whole stack: is everything healthy and ready, and how is it used."""

import asyncio
import json
import time
from collections.abc import Sequence
from importlib import resources
from typing import Any, cast

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from assay.results import documentation
from assay.results.openapi import Document, merge
from assay.shared.health import Health

ASK_TIMEOUT_S = 4.0
KEPT_S = 300.0


class Peers:
    """The other services' processes, by their internal addresses."""

    def __init__(self, addresses: dict[str, list[str]]) -> None:
        self._addresses = {name: [each.rstrip("/") for each in urls] for name, urls in addresses.items()}
        self._client = httpx.AsyncClient(timeout=ASK_TIMEOUT_S)

    async def close(self) -> None:
        await self._client.aclose()

    async def ask_all(self, path: str) -> list[dict[str, Any]]:
        """What every process answers at `path`: `{service, replica, ok, latency_ms, …}`, its own JSON included."""
        asked = [
            self._ask(service, replica, url + path)
            for service, urls in sorted(self._addresses.items())
            for replica, url in enumerate(urls)
        ]
        return await asyncio.gather(*asked)

    async def _ask(self, service: str, replica: int, url: str) -> dict[str, Any]:
        started = time.perf_counter()
        said: dict[str, Any] = {}
        try:
            answer = await self._client.get(url)
            ok = answer.status_code == httpx.codes.OK
            body = answer.json()
            said = {name: body[name] for name in ("dependencies", "stalled") if name in body}
        except (httpx.HTTPError, ValueError) as error:
            ok, said = False, {"error": str(error) or type(error).__name__}
        latency = round((time.perf_counter() - started) * 1000, 2)
        return {"service": service, "replica": replica, "ok": ok, "latency_ms": latency, **said}

    async def documents(self) -> tuple[dict[str, Document], list[str]]:
        """The OpenAPI of each service, from the first of its processes that answers; and who did not."""
        found: dict[str, Document] = {}
        for service, urls in self._addresses.items():
            for url in urls:
                try:
                    answer = await self._client.get(f"{url}/openapi.json")
                    found[service] = cast("Document", answer.raise_for_status().json())
                    break
                except (httpx.HTTPError, ValueError):
                    continue
        return found, sorted(set(self._addresses) - set(found))


class Handbook:
    """The merged documents, kept for five minutes once every service has answered."""

    def __init__(self, peers: Peers, *, public_url: str) -> None:
        self._peers = peers
        self._public_url = public_url
        self._kept: tuple[float, dict[str, Document]] | None = None

    async def _documents(self, own: FastAPI) -> dict[str, Document]:
        if self._kept is not None and time.monotonic() - self._kept[0] < KEPT_S:
            return self._kept[1]
        documents, silent = await self._peers.documents()
        documents["results"] = own.openapi()
        if not silent:
            self._kept = (time.monotonic(), documents)
        return documents

    async def openapi(self, own: FastAPI) -> Document:
        """All services' OpenAPI in one."""
        return merge(await self._documents(own), server=self._public_url)

    async def page(self, own: FastAPI) -> str:
        """Everything that a person needs to use Assay, on one page."""
        documents = await self._documents(own)
        return documentation.page(merge(documents, server=self._public_url), documents)


def asyncapi() -> Document:
    """The AsyncAPI 3 document that is generated from the contract and checked in."""
    file = resources.files("assay.contracts") / "schemas" / "asyncapi.json"
    return cast("Document", json.loads(file.read_text(encoding="utf-8")))


def build_router(*, health: Health, peers: Peers, handbook: Handbook) -> APIRouter:
    """`/stack/…`, `/api/openapi.json`, `/api/asyncapi.json`, `/docs`; none tells anything about anybody's files."""
    router = APIRouter(include_in_schema=False)

    @router.get("/stack/readyz")
    async def readyz() -> JSONResponse:
        started = time.perf_counter()
        dependencies, others = await asyncio.gather(health.readiness(), peers.ask_all("/readyz"))
        own = {
            "service": "results",
            "ok": all(each["ok"] for each in dependencies.values()),
            "latency_ms": round((time.perf_counter() - started) * 1000, 2),
            "dependencies": dependencies,
        }
        return _together([own, *others], "ready", "not ready")

    @router.get("/stack/healthz")
    async def healthz() -> JSONResponse:
        stalled = health.stalled()
        own = {"service": "results", "ok": not stalled, "stalled": stalled}
        return _together([own, *await peers.ask_all("/healthz")], "ok", "stalled")

    @router.get("/api/openapi.json")
    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(await handbook.openapi(request.app))

    document = asyncapi()

    @router.get("/api/asyncapi.json")
    async def events() -> JSONResponse:
        return JSONResponse(document)

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
        return HTMLResponse(await handbook.page(request.app), headers={"Content-Security-Policy": policy})

    return router


def _together(services: Sequence[dict[str, Any]], good: str, bad: str) -> JSONResponse:
    ok = all(each["ok"] for each in services)
    return JSONResponse({"status": good if ok else bad, "services": services}, 200 if ok else 503)
