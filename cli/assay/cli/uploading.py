"""Large files go up by tus 1.0.0: what a broken connection interrupts goes on, also in a later run of the command."""

import base64
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from assay.cli.errors import CommandError

Json = dict[str, Any]
Tell = Callable[[int], None]
"""Is told how many bytes are on their way or there."""

LARGE_BYTES = 64 * 1024 * 1024
PIECE = 1024 * 1024
UPLOADS = "/api/v1/uploads"
HEADERS = {"Tus-Resumable": "1.0.0"}
# Behind the first failure, and those that follow it without a byte getting through: 80 s together.
WAITS_S = (0.2, 1, 2, 5, 10, 10, 10, 20, 20)
TRY_AGAIN = (409, 423, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Wish:
    """A file, and what is asked of it: the fields of a form, as text."""

    path: Path
    size: int
    fields: dict[str, str]


class UploadBrokenError(CommandError):
    """Nothing gets through any more; what was accepted waits on the server."""


def cache_folder() -> Path:
    """Where the user's programs keep what they can do without."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "assay"
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if named else Path.home() / ".cache") / "assay"


class Memory:
    """Which upload a file was on its way by, so that the same command goes on with it."""

    def __init__(self, wish: Wish, server: str, token: str) -> None:
        status = wish.path.stat()
        known = [server, token, str(wish.path.absolute()), status.st_size, status.st_mtime_ns, wish.fields]
        name = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
        self._path = cache_folder() / "uploads" / name

    def read(self) -> str | None:
        """The upload's id; None where there is none."""
        try:
            return self._path.read_text(encoding="ascii").strip() or None
        except (OSError, ValueError):
            return None

    def write(self, upload_id: str) -> None:
        """Remember. Where the folder cannot be written, a later run begins anew."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(upload_id, encoding="ascii")
        except OSError:
            return

    def forget(self) -> None:
        """The upload has ended."""
        self._path.unlink(missing_ok=True)


class Upload:
    """One file on its way."""

    def __init__(
        self, http: httpx.Client, wish: Wish, memory: Memory, decoded: Callable[[httpx.Response], Json], tell: Tell
    ) -> None:
        """decoded: an answer's body; raises CommandError with the words of a problem."""
        self._http = http
        self._wish = wish
        self._memory = memory
        self._decoded = decoded
        self._tell = tell

    def run(self, file: BinaryIO) -> Json:
        """Send the file; returns what it became. Raises CommandError where it is refused or nothing gets through."""
        failures, furthest = 0, -1
        while True:
            reason = ""
            try:
                state = self._state()
                if state["file"] is not None:
                    self._memory.forget()
                    accepted: Json = state["file"]
                    return accepted
                if state["offset"] > furthest:
                    failures, furthest = 0, state["offset"]
                answer = self._send(state["upload_id"], state["offset"], file)
                if answer.status_code in TRY_AGAIN:
                    reason = f"the server answered {answer.status_code}"
                elif answer.is_error:
                    self._memory.forget()
                    self._decoded(answer)
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
            if reason:
                if failures == len(WAITS_S):
                    raise UploadBrokenError(f"the upload broke off ({reason}). Submit the file again, and it goes on")
                time.sleep(WAITS_S[failures])
                failures += 1

    def _state(self) -> Json:
        """How far it is; a new upload where there is none to go on with."""
        remembered = self._memory.read()
        if remembered is not None:
            answer = self._http.get(f"{UPLOADS}/{remembered}")
            if answer.is_success:
                state: Json = answer.json()
                if state["status"] == "receiving" or state["file"] is not None:
                    return state
            elif answer.status_code in TRY_AGAIN:
                raise httpx.RemoteProtocolError(f"the server answered {answer.status_code}")
            self._memory.forget()
        return {"upload_id": self._create(), "offset": 0, "file": None}

    def _create(self) -> str:
        described = {"filename": self._wish.path.name, **self._wish.fields}
        pairs = [f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in described.items()]
        answer = self._http.post(
            UPLOADS,
            headers={**HEADERS, "Upload-Length": str(self._wish.size), "Upload-Metadata": ",".join(pairs)},
        )
        if answer.status_code in TRY_AGAIN and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            raise httpx.RemoteProtocolError(f"the server answered {answer.status_code}")
        if answer.status_code != httpx.codes.CREATED:
            self._decoded(answer)
        upload_id = answer.headers["location"].rpartition("/")[2]
        self._memory.write(upload_id)
        return str(upload_id)

    def _send(self, upload_id: str, offset: int, file: BinaryIO) -> httpx.Response:
        return self._http.patch(
            f"{UPLOADS}/{upload_id}",
            content=self._pieces(offset, file),
            headers={
                **HEADERS,
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(self._wish.size - offset),
                "Upload-Offset": str(offset),
            },
        )

    def _pieces(self, offset: int, file: BinaryIO) -> Iterator[bytes]:
        file.seek(offset)
        self._tell(offset)
        while offset < self._wish.size:
            piece = file.read(min(PIECE, self._wish.size - offset))
            if not piece:
                raise CommandError("the file became shorter while it was sent. Submit it again")
            offset += len(piece)
            yield piece
            self._tell(offset)
