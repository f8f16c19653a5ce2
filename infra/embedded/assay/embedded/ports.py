"""The ports of the parts: chosen free at the first start, kept, and chosen again where one was taken."""

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

    def __getitem__(self, name: str) -> int:
        return self._ports[name]

    def secure(self, names: Sequence[str]) -> None:
        """Give each name a port that is free now, the same as last time where possible."""
        for name in names:
            port = self._ports.get(name)
            others = {self._ports[other] for other in names if other != name and other in self._ports}
            if port is None or port in others or not is_free(port):
                self._ports[name] = _choose(set(self._ports.values()))
        self._home.write_json(_FILE, dict(self._ports))


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


def _choose(taken: set[int]) -> int:
    for port in random.sample(CHOICES, 500):
        if port not in taken and is_free(port):
            return port
    raise StackError(f"no free port found between {CHOICES.start} and {CHOICES.stop - 1} on {HOST}; stop some servers")
