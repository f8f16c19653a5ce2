"""The REST interface of webhooks, as an owner uses it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

PATH = "/api/v1/webhooks"
LIMIT_S = 60.0

Json = dict[str, Any]


class Hooks:
    """One owner's webhooks at one replica."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, path: str = "", body: Json | None = None, *, answers: int, **query: Any) -> Json:
        """A request, and its answer, which has this status."""
        answer = await self.client.request(method, PATH + path, json=body, params=query)
        assert answer.status_code == answers, answer.text
        return answer.json() if answer.content else {}

    async def register(self, url: str, *event_types: str, **more: Any) -> Json:
        wanted = {"url": url, **({"event_types": list(event_types)} if event_types else {}), **more}
        return await self.ask("POST", body=wanted, answers=201)

    async def show(self, webhook: Json) -> Json:
        return await self.ask("GET", f"/{webhook['webhook_id']}", answers=200)

    async def log(self, webhook: Json, **query: Any) -> list[Json]:
        """The newest page."""
        page = await self.ask("GET", f"/{webhook['webhook_id']}/deliveries", answers=200, **query)
        items: list[Json] = page["items"]
        return items

    async def delivery(self, webhook: Json, delivery_id: str) -> Json:
        return await self.ask("GET", f"/{webhook['webhook_id']}/deliveries/{delivery_id}", answers=200)

    async def ended(self, webhook: Json, delivery_id: str) -> Json:
        """A delivery, once it waits for nothing any more."""
        async with asyncio.timeout(LIMIT_S):
            while (found := await self.delivery(webhook, delivery_id))["status"] == "pending":  # noqa: ASYNC110  # asked of a process
                await asyncio.sleep(0.05)
        return found

    async def test(self, webhook: Json) -> Json:
        """A test that has ended."""
        sent = await self.ask("POST", f"/{webhook['webhook_id']}/test", answers=202)
        return await self.ended(webhook, sent["delivery_id"])

    async def disabled(self, webhook: Json) -> Json:
        """The webhook, once it is disabled."""
        async with asyncio.timeout(LIMIT_S):
            while (found := await self.show(webhook))["enabled"]:  # noqa: ASYNC110  # likewise
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def hooks_of(url: str, token: str) -> AsyncIterator[Hooks]:
    """With a client of its own."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield Hooks(client)
