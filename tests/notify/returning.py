"""A reader that comes back by itself, as a browser does: with the last id, after a while. Hundreds fit into a test."""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from notify.logged import Key, key_of
from notify.playing import RUN_COMPLETED

# A browser waits for as long as `retry:` says. Sooner is harder for a service that has just come up.
PAUSE_S = 0.3
LIMIT = 4 * 1024 * 1024


class ReturningReader:
    """Listens to an owner's files until each of them has a report, and there were so many events."""

    def __init__(self, url: str, token: str, files: int, events: int) -> None:
        self._address = urlsplit(url)
        self._token = token
        self._files = files
        self._events = events
        self.last_id = ""
        self.snapshots = 0
        self.connections = 0
        self.is_connected = False
        # What it was sent after its first snapshot, and what it makes of it all.
        self.keys: list[Key] = []
        self.labels: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        return len(self.labels) >= self._files and len(self.keys) >= self._events

    async def listen(self) -> None:
        """Come back until there is nothing to wait for."""
        while not self.is_done:
            with suppress(OSError, EOFError, ValueError):
                await self._connect()
            if not self.is_done:
                await asyncio.sleep(random.uniform(0, PAUSE_S))

    async def _connect(self) -> None:
        """One connection, to its end. Raises EOFError, OSError or ValueError where it breaks or is refused."""
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port, limit=LIMIT)
        try:
            last_id = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            writer.write(
                f"GET /api/v1/events HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
                f"Authorization: Bearer {self._token}\r\n{last_id}\r\n".encode()
            )
            status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
            if status != b"200":
                raise ValueError(status)
            self.connections += 1
            self.is_connected = True
            await self._read(reader)
        finally:
            self.is_connected = False
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        text = b""
        while not self.is_done and (size := int(await reader.readline(), 16)):
            text += await reader.readexactly(size)
            await reader.readexactly(2)
            *blocks, text = text.split(b"\n\n")
            for block in blocks:
                self._take(block.decode())

    def _take(self, block: str) -> None:
        fields: dict[str, str] = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            self._hear(fields["event"], json.loads(fields["data"]))
        # The id counts once the event is whole.
        self.last_id = fields.get("id", self.last_id)

    def _hear(self, event: str, data: dict[str, Any]) -> None:
        if event == "snapshot":
            self.snapshots += 1
            ended = {each["file_id"]: each["run"]["report"] for each in data["files"] if each["run"]}
            self.labels |= {file_id: report["label"] for file_id, report in ended.items() if report}
            return
        self.keys.append(key_of(event, data))
        if event == RUN_COMPLETED:
            self.labels[data["file_id"]] = data["report"]["label"]
