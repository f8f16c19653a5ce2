"""Connections that lead only where webhooks may lead.

A name is resolved once for a connection, the addresses are judged, and the connection is made to exactly one of those:
what the name server says a moment later changes nothing (DNS rebinding). TLS is still verified against the name.
"""

import time
from collections.abc import Iterable

import httpcore

from assay.notify.webhooks.addresses import Addresses, RefusedAddressError

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class RefusedConnectionError(httpcore.ConnectError):
    """There is no address that may be connected to."""


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """httpcore's network, with the choice of addresses made here."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Raises httpcore.ConnectError, httpcore.ConnectTimeout."""
        ends = None if timeout is None else time.monotonic() + timeout
        try:
            found = await self._addresses.of(host, port)
        except RefusedAddressError as error:
            raise RefusedConnectionError(str(error)) from error
        failure: Exception | None = None
        for address in found:
            left = None if ends is None else max(0.1, ends - time.monotonic())
            try:
                return await self._network.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never: raises RefusedConnectionError."""
        raise RefusedConnectionError("a webhook leads to no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """As the other network does."""
        await self._network.sleep(seconds)
