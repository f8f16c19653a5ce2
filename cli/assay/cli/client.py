"""Assay's REST API, as far as the command line needs it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from httpx_sse import ServerSentEvent, connect_sse

from assay.cli.connection import Connection
from assay.cli.errors import CommandError
from assay.cli.uploading import LARGE_BYTES, Memory, Tell, Upload, Wish

# Uploads take as long as they take; only silence counts. The stream's heartbeats come every 15 s.
TIMEOUT = httpx.Timeout(60.0, connect=5.0, write=300.0)

Json = dict[str, Any]


class StreamEnded(Exception):
    """The server ended a stream that was not finished, or went away."""


class Client:
    """One connection; use as a context manager."""

    def __init__(self, connection: Connection) -> None:
        self._url = connection.url
        self._token = connection.token
        self._http = httpx.Client(
            base_url=connection.url, headers={"Authorization": f"Bearer {connection.token}"}, timeout=TIMEOUT
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str | int | None) -> Json:
        """GET, decoded. Raises CommandError with the problem's own words."""
        wanted = {name: value for name, value in parameters.items() if value is not None}
        with self._errors():
            return self._decoded(self._http.get(path, params=wanted))

    def post(self, path: str, **parameters: str | int | bool | None) -> Json:
        """POST without a body, decoded. Raises CommandError with the problem's own words."""
        wanted = {name: value for name, value in parameters.items() if value is not None}
        with self._errors():
            return self._decoded(self._http.post(path, params=wanted))

    def delete(self, path: str, **parameters: bool) -> Json:
        """DELETE, decoded. Raises CommandError with the problem's own words."""
        with self._errors():
            return self._decoded(self._http.delete(path, params=parameters))

    def send(self, method: str, path: str, body: Json) -> Json:
        """A request with a JSON body, decoded. Raises CommandError with the problem's own words."""
        with self._errors():
            return self._decoded(self._http.request(method, path, json=body))

    def download(self, path: str, to: BinaryIO, parameters: dict[str, str]) -> None:
        """Write an answer as it comes. Raises CommandError, also where it breaks off."""
        with self._errors(), self._http.stream("GET", path, params=parameters) as answer:
            if answer.is_error:
                answer.read()
                self._decoded(answer)
            for part in answer.iter_bytes():
                to.write(part)
            to.flush()

    def submit(
        self,
        path: Path,
        *,
        analyzers: str | None,
        metadata: Json | None,
        priority: str | None,
        force: bool = False,
        tell: Tell = lambda _: None,
    ) -> Json:
        """Upload one file, streamed; a large one so that it goes on after a break. Raises CommandError.

        tell: hears how many bytes of a large one are on their way.
        """
        fields: Json = {"analyzers": analyzers, "priority": priority, "force": "true" if force else None}
        fields["metadata"] = json.dumps(metadata) if metadata else None
        try:
            file: BinaryIO = path.open("rb")
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from error
        given = {name: value for name, value in fields.items() if value is not None}
        with file, self._errors():
            size = path.stat().st_size
            if size > LARGE_BYTES:
                wish = Wish(path, size, given)
                memory = Memory(wish, self._url, self._token)
                return Upload(self._http, wish, memory, self._decoded, tell).run(file)
            return self._decoded(
                self._http.post(
                    "/api/v1/files",
                    data=given,
                    files={"file": (path.name, file)},
                )
            )

    def events(self, path: str, *, until: str | None, last_id: str | None) -> Iterator[ServerSentEvent]:
        """One connection's events. Ends with the stream. Raises StreamEnded where the connection broke."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        parameters = {"until": until} if until else {}
        try:
            with connect_sse(self._http, "GET", path, headers=headers, params=parameters) as source:
                if source.response.status_code == httpx.codes.NO_CONTENT:
                    return
                if source.response.is_error:
                    source.response.read()
                    self._decoded(source.response)
                yield from source.iter_sse()
        except httpx.TransportError as error:
            raise StreamEnded(str(error)) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise CommandError(f"nothing answers at {self._url}. Start Assay with `make up`") from error
        except httpx.TransportError as error:
            raise CommandError(f"{self._url} broke off: {error}") from error

    @staticmethod
    def _decoded(answer: httpx.Response) -> Json:
        if answer.is_success:
            decoded: Json = answer.json() if answer.content else {}
            return decoded
        try:
            problem = answer.json()
            text = f"{problem['detail']} ({problem['code']}, trace {problem['trace_id']})"
        except (ValueError, KeyError, TypeError):
            text = f"the server answered {answer.status_code} {answer.reason_phrase}"
        raise CommandError(text)
