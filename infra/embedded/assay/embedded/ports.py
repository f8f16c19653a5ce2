"""The ports of the parts: chosen free at the first start, kept, and chosen again where one was taken.

Seconds pass between choosing a port and a server's listening on it, and another stack of this machine chooses
meanwhile. So a port is claimed: its namesake in UDP, which none of our servers uses, stays bound for as long as the
stack runs. The system lets one process have it, and takes it back however that process ends.
"""

import random
import socket
from collections.abc import Sequence

from assay.embedded.errors import StackError
from assay.embedded.home import Home

HOST = "127.0.0.1"
CHOICES = range(20000, 32768)
"""Below the range from which Linux and macOS take ports for outgoing connections, so none is taken by chance."""

_FILE = "ports.json"


class Ports:
    """Ports by name, kept in `ports.json` of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._ports = {name: port for name, port in home.read_json(_FILE).items() if isinstance(port, int)}
        self._claims: dict[str, socket.socket] = {}

    def __getitem__(self, name: str) -> int:
        return self._ports[name]

    def secure(self, names: Sequence[str]) -> None:
        """Claim for each name a port that is free now, the same as last time where possible."""
        for name in names:
            if name not in self._claims:
                port = self._ports.get(name)
                claim = None if port is None else _claim(port)
                if claim is None:
                    self._ports[name], claim = claim_any()
                self._claims[name] = claim
        self._home.write_json(_FILE, dict(self._ports))

    def release(self) -> None:
        """Leave the ports to others; the next `secure` asks for the same again."""
        for claim in self._claims.values():
            claim.close()
        self._claims.clear()


def claim_any() -> tuple[int, socket.socket]:
    """A port that nobody has, and what keeps it from others until closed. Raises StackError where none is left."""
    for port in random.sample(CHOICES, 500):
        claim = _claim(port)
        if claim is not None:
            return port, claim
    raise StackError(f"no free port found between {CHOICES.start} and {CHOICES.stop - 1} on {HOST}; stop some servers")


def is_free(port: int) -> bool:
    """True if a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def next_free(port: int) -> int:
    """The first free port after this one, to suggest to a person."""
    return next(other for other in range(port + 1, 65536) if is_free(other))


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind((HOST, port))
    except OSError:
        claim.close()
        return None
    if is_free(port):
        return claim
    claim.close()
    return None
