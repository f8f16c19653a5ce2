"""Fixtures for the embedded stack: a stack of its own, run by a supervisor in another process."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.services import free_port

from assay.embedded.stack import Stack

DRIVER = Path(__file__).with_name("driver.py")
SERVICES: dict[str, list[str]] = {"upload": [], "inference": ["child"], "results": [], "notify": []}


class RunningDriver:
    """`assay up` in another process."""

    def __init__(self, home: Path, services: dict[str, list[str]] = SERVICES, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self._output = home.with_name(f"{home.name}.out")
        self._services = json.dumps(services)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        self._environment = {**inherited, **environment}
        self.process: subprocess.Popen[bytes]

    def start(self) -> float:
        """Start it; returns the seconds until it is ready, or has ended."""
        began = time.monotonic()
        self._output.write_text("")
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(DRIVER), str(self.home), str(self.port), self._services],
                stdout=output,
                stderr=output,
                env=self._environment,
            )
        wait_for(lambda: " ready after " in self.printed or self.process.poll() is not None, 60)
        return time.monotonic() - began

    @property
    def printed(self) -> str:
        return self._output.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Stop it; its exit status and how long that took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(30), time.monotonic() - began

    def family(self) -> list[psutil.Process]:
        """All processes that run for it, itself included, and their children."""
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def pid(self, name: str) -> int:
        """The process of a part or a service, found by its command line; 0 where it does not run."""
        marks = {"postgres": "postgres/data", "kafka": "server.properties", "s3": "-volume.id=embedded"}
        slots = {"upload-0": "upload", "notify-0": "notify"}
        for process in psutil.Process(self.process.pid).children():
            try:
                words, environment = process.cmdline(), process.environ()
            except psutil.NoSuchProcess:  # it ended just now
                continue
            if name in marks and any(marks[name] in word for word in words):
                return process.pid
            if name in slots and words[-1] == slots[name] and environment.get("ASSAY_SLOT") == "0":
                return process.pid
        return 0

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
        """A request at the gateway: status and JSON body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, headers={"Host": f"localhost:{self.port}", **headers})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body) if body.startswith(b"{") else {}

    def said(self, pattern: str) -> bool:
        """True if a line of this form was printed."""
        return re.search(pattern, self.printed, re.MULTILINE) is not None


def wait_for(fact: Callable[[], bool], seconds: float) -> None:
    """Wait until it is so. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.05)


def gone(processes: list[psutil.Process]) -> bool:
    """True if none of them runs any more; one that its new parent has not collected yet has ended."""
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDriver]:
    """A stack with stand-in services, once for all tests: whether it runs is as the last one left it."""
    driver = RunningDriver(tmp_path_factory.mktemp("embedded") / "home", ASSAY_LOG__LEVEL="debug")
    driver.start()
    yield driver
    if driver.process.poll() is None:
        driver.stop()


@pytest.fixture
def driver(installed: RunningDriver) -> RunningDriver:
    """The same, running."""
    if installed.process.poll() is not None:
        installed.start()
    assert installed.said(r"^assay: ready after"), installed.printed
    return installed


@pytest.fixture
def stopped(installed: RunningDriver) -> RunningDriver:
    """The same, not running."""
    if installed.process.poll() is None:
        installed.stop()
    return installed


@pytest.fixture
def stack(driver: RunningDriver) -> Stack:
    """The addresses and credentials of the driver's parts, whatever other tests run on."""
    return Stack(driver.home)
