"""One attempt: a POST that follows nothing, reads little and ends in time."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import httpcore
import httpx

from assay.notify.webhooks import retrying, signing
from assay.notify.webhooks.addresses import Addresses
from assay.notify.webhooks.connecting import GuardedNetwork, RefusedConnectionError
from assay.notify.webhooks.domain import Outcome
from assay.shared import tracing

CONNECT_TIMEOUT_S = 5.0
# What is read of an answer; then the connection is closed. Of that, what the log keeps.
READ_BYTES = 16 * 1024
KEPT_CHARACTERS = 1000
IDLE_S = 20.0
USER_AGENT = "Assay-Webhooks/1"
MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whose certificates are believed: the public ones, and those of a CA file."""
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class Poster:
    """Posts signed bodies. Connections are kept for a few seconds, each to the address that was judged."""

    def __init__(self, addresses: Addresses, *, context: ssl.SSLContext, timeout_s: float, connections: int) -> None:
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=IDLE_S,
            network_backend=GuardedNetwork(addresses),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def post(self, url: str, *, message_id: str, body: bytes, secrets: Sequence[str]) -> Outcome:
        """Send it once. Never raises for what a receiver does: the outcome says it."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                code, after_s, text = await self._exchange(url, message_id, body, secrets)
        except (TimeoutError, httpcore.TimeoutException):
            return _failed(started, f"no answer in {self._timeout_s:g} s")
        except RefusedConnectionError as error:
            return _failed(started, str(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return _failed(started, _reason(error))
        return Outcome(
            status_code=code,
            error=_meaning(code),
            duration_ms=_ms_since(started),
            response=text,
            retry_after_s=after_s,
        )

    async def _exchange(
        self, url: str, message_id: str, body: bytes, secrets: Sequence[str]
    ) -> tuple[int, float | None, str]:
        timestamp = int(time.time())
        signature = signing.signatures(secrets, message_id=message_id, timestamp=timestamp, body=body)
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Host", httpx.URL(url).netloc),
            ("Content-Type", MEDIA_TYPE),
            ("Content-Length", str(len(body))),
            ("User-Agent", USER_AGENT),
            ("Accept-Encoding", "identity"),
            ("webhook-id", message_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", signature),
            *tracing.carrier().items(),
        ]
        timeouts = dict.fromkeys(("read", "write", "pool"), self._timeout_s)
        timeouts["connect"] = min(CONNECT_TIMEOUT_S, self._timeout_s)
        async with self._pool.stream(
            "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
        ) as answer:
            read = bytearray()
            async for chunk in answer.aiter_stream():
                read += chunk
                if len(read) >= READ_BYTES:
                    break
            after = next((value for name, value in answer.headers if name.lower() == b"retry-after"), None)
            text = (
                bytes(read[:KEPT_CHARACTERS])
                .decode("utf-8", errors="replace")
                .replace("\0", "\N{REPLACEMENT CHARACTER}")
            )
            return answer.status, retrying.retry_after_s(after), text


def _failed(started: float, reason: str) -> Outcome:
    return Outcome(status_code=None, error=reason, duration_ms=_ms_since(started), response=None, retry_after_s=None)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _reason(error: BaseException) -> str:
    """The innermost error, in its own words: httpcore wraps what the socket or TLS said."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # one of them is there
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not believed: {error.verify_message}"
    return str(error)[:300] or type(error).__name__


def _meaning(code: int) -> str | None:
    """What is wrong with a status; None for success."""
    if 200 <= code < 300:
        return None
    if 300 <= code < 400:
        return f"answered {code}: redirects are not followed"
    return f"answered {code}"
