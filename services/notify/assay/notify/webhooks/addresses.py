"""Which addresses a webhook may lead to.

Our own table, not `ipaddress.is_global`: that has changed from one Python to the next. Sources: IANA's special-purpose
address registries for IPv4 and IPv6, and what clouds document for their metadata services.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

RESOLVE_TIMEOUT_S = 5.0
# Threads of their own: a name server that does not answer holds up nobody but webhooks.
RESOLVER_THREADS = 16

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""From a host and a port to addresses, as text. Raises OSError."""

NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own (CGNAT); some clouds have their metadata there
            "127.0.0.0/8",
            "168.63.129.16/32",  # a cloud's own service inside every machine, at a public address
            "169.254.0.0/16",  # link-local, metadata services
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
PUBLIC_6 = IPv6Network("2000::/3")
"""Nothing else is public: not loopback, mapped and embedded IPv4 (::ffff:0:0/96), NAT64 (64:ff9b::/96), fc00::/7, …"""
NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # Teredo, ORCHID, benchmarks
            "2001:db8::/32",
            "2002::/16",  # 6to4: has an IPv4 address inside
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)


class RefusedAddressError(Exception):
    """A host leads to no address that webhooks may lead to. Says the same whatever it is: names inside stay secret."""

    def __init__(self) -> None:
        super().__init__("The host has no public address, or there is no such host")


def is_public(address: Address) -> bool:
    """True for an address on the open internet."""
    if isinstance(address, IPv4Address):
        return not any(address in each for each in NOT_PUBLIC_4)
    return address.scope_id is None and address in PUBLIC_6 and not any(address in each for each in NOT_PUBLIC_6)


class SystemResolver:
    """The names that this machine knows."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return [str(each[4][0]) for each in found]

    def close(self) -> None:
        """No more questions."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Addresses:
    """Turns a host into the addresses that may be connected to."""

    def __init__(self, resolve: Resolver, *, is_allowed: Callable[[Address], bool] = is_public) -> None:
        self._resolve = resolve
        self._is_allowed = is_allowed

    async def of(self, host: str, port: int) -> list[str]:
        """Ask once, and leave out what is refused. Raises RefusedAddressError where nothing is left."""
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:  # TimeoutError is one, too
            raise RefusedAddressError from error
        allowed = [each for each in dict.fromkeys(found) if self._is_allowed(ip_address(each))]
        if not allowed:
            raise RefusedAddressError
        return allowed
