"""The bytes of a request as they arrive, for as long as they do."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request

from assay.shared.problems import MalformedBodyError, UnavailableError
from assay.upload.errors import UploadStalledError
from assay.upload.resumable.errors import UploadBusyError

# So long may a request be quiet while another one waits for its upload: its client is gone, and TCP does not know yet.
QUIET_S = 2.0

Chunks = Callable[[Callable[[], bool]], AsyncIterator[bytes]]
"""Gives the bytes of a request. It is told how to learn whether another request waits."""


class Draining:
    """Whether this process was told to end: its requests then stop hearing, so that what they have heard is kept."""

    def __init__(self) -> None:
        self.is_on = False

    def begin(self) -> None:
        """End all requests within seconds."""
        self.is_on = True


def chunks_of(request: Request, idle_s: float, draining: Draining) -> Chunks:
    """idle_s: a request that is silent for so long ends.

    Iterating raises UploadStalledError, UploadBusyError where it gives way, MalformedBodyError where the client went,
    UnavailableError where the process is to end.
    """

    async def chunks(is_wanted: Callable[[], bool]) -> AsyncIterator[bytes]:
        stream = request.stream()
        silent = 0.0
        while True:
            if draining.is_on:
                raise UnavailableError(
                    "This replica is being stopped. Ask for the offset, and go on from there.",
                    headers={"Retry-After": "1"},
                )
            wait = min(QUIET_S, idle_s - silent)
            try:
                async with asyncio.timeout(wait):
                    chunk = await anext(stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                silent += wait
                if silent >= idle_s:
                    raise UploadStalledError(
                        f"Nothing arrived for {idle_s:.0f} s. Ask for the offset and go on from there."
                    ) from None
                if is_wanted():
                    raise UploadBusyError("This request was quiet, and another one goes on with the upload.") from None
                stream = request.stream()
                continue
            except ClientDisconnect:
                raise MalformedBodyError(
                    "The connection ended before the body did. Ask for the offset and go on from there."
                ) from None
            silent = 0.0
            if chunk:
                yield chunk

    return chunks
