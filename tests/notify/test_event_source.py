"""Standard EventSource: in Node, and in a browser with a page of another origin."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from support.services import running_service

from assay.notify.settings import CorsSettings
from assay.shared.auth import SESSION_LIFETIME, mint_token
from notify.browsers import Page, chromium, node, serving
from notify.conftest import Owner
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
Browser = Callable[[Page, str], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def in_chromium(page: Page, _: str) -> AsyncIterator[None]:
    async with chromium(page):
        yield


@pytest.mark.parametrize("browser", [node, pytest.param(in_chromium, marks=pytest.mark.proof)])
async def test_it_comes_back_by_itself_and_stays_away_in_the_end(
    browser: Browser,
    notify_environment: dict[str, str],
    owner: Owner,
    new_file: NewFile,
    tmp_path: Path,
) -> None:
    secret = notify_environment["ASSAY_AUTH__SECRET"]
    file = new_file()
    await file.upload()
    async with serving(mint_token(secret, owner.name, ["user"], SESSION_LIFETIME, use="session")) as page:
        settings = {"ASSAY_CORS__ORIGINS": f"https://desk.example, {page.origin}", "ASSAY_SLOT": "1"}
        with running_service("notify", notify_environment | settings, tmp_path) as notify:
            page.asks_for(f"{notify.url}{file.path}?until=completed")
            async with browser(page, owner.token):
                said = await page.until("snapshot")
                assert said[-1]["data"]["file_id"] == str(file.file_id)
                await file.start()
                said += await page.until("assay.analysis.started.v1")
                # Told to go, and killed the next time: it waits and comes back with its last id.
                assert notify.stop() == 0
                assert (await page.next())["event"] == "lost"
                await file.progress(1)
                notify.start(wait=False)
                said += await page.until("assay.analysis.progressed.v1")
                notify.kill()
                await page.until("lost")
                await file.progress(2)
                await file.complete()
                notify.start(wait=False)
                said += await page.until(RUN_COMPLETED)
                # The stream ended; 204 is the answer to who comes back, and an EventSource never asks again.
                said += await page.until("closed")
    heard = [each for each in said if "data" in each]
    about_it = [each for each in heard if each["event"].startswith("assay.analysis")]
    assert [each["event"] for each in about_it] == file.sent[2:]
    assert [each["event"] for each in heard].count("snapshot") == 1
    assert len({each["id"] for each in heard}) == len(heard)


async def test_only_named_origins_may_listen(notify_environment: dict[str, str], owner: Owner, tmp_path: Path) -> None:
    named, other = "https://desk.example", "https://other.example"
    settings = {"ASSAY_CORS__ORIGINS": named, "ASSAY_SLOT": "1"}
    with running_service("notify", notify_environment | settings, tmp_path) as notify:
        async with httpx.AsyncClient(base_url=notify.url) as client:

            async def allowed(origin: str, token: str) -> tuple[int, str | None, str | None]:
                headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
                async with client.stream("GET", "/api/v1/events", headers=headers) as answer:
                    found = answer.headers
                    name = "access-control-allow-"
                    return answer.status_code, found.get(f"{name}origin"), found.get(f"{name}credentials")

            assert await allowed(named, owner.token) == (200, named, "true")
            # A page must be able to read why it is refused.
            assert await allowed(named, "nonsense") == (401, named, "true")
            assert (await allowed(other, owner.token))[1] is None
            # A client that sends a token itself is asked for beforehand.
            asks = {
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization, last-event-id",
            }
            answers = [
                await client.options("/api/v1/events", headers={"Origin": origin, **asks}) for origin in (named, other)
            ]
            assert [each.status_code for each in answers] == [200, 400]


@pytest.mark.parametrize("origins", ["*", "desk.example", "https://desk.example/page", "https://desk.example/", "null"])
def test_what_is_no_origin_is_refused(origins: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        CorsSettings(origins=f"https://other.example,{origins}")
    assert CorsSettings(origins="https://a.example, http://b.example:81").allowed[1] == "http://b.example:81"
    assert CorsSettings().allowed == []
