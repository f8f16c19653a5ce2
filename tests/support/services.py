"""Service processes as a stack runs them, started and stopped by tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx

from assay.embedded.ports import claim_any

READY_S = 100.0
STOP_S = 20.0


_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is given while these tests run."""
    port, claim = claim_any()
    _claims.append(claim)
    return port


class ServiceProcess:
    """One `python -m assay.<name>.main`."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        """environment: ASSAY_… lines. The port is chosen where they name none."""
        self.name = name
        self.log = log
        self.environment = {"ASSAY_HTTP__PORT": str(free_port()), **environment}
        self.url = f"http://127.0.0.1:{self.environment['ASSAY_HTTP__PORT']}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"assay.{self.name}.main"],
                env={**inherited, **self.environment},
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Raises AssertionError with the end of its log where it does not become ready."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{self.name} is not ready; its log ends with:\n{self.log.read_text()[-4000:]}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and its exit status; SIGKILL where it does not end."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


@contextmanager
def running_service(name: str, environment: dict[str, str], folder: Path) -> Iterator[ServiceProcess]:
    """A service that is ready; stopped at the end."""
    service = ServiceProcess(name, environment, folder / f"{name}-{uuid4()}.log")
    service.start()
    try:
        yield service
    finally:
        service.stop()
