"""The whole product as a user has it: `assay up` in a folder of its own, the command line, the API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from assay.embedded.stack import Stack
from assay.embedded.tokens import OWNER
from assay.shared.auth import mint_token
from support import minio
from support.services import free_port

READY_S = 120.0
STOP_S = 20.0
EXPLAINED_S = 60.0
SAMPLES = Path(__file__).parents[2] / "examples" / "samples"


class Product:
    """A running `assay up`."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.printed = home.with_suffix(".out")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        self.environment = {**inherited, "ASSAY_HOME": str(home), "ASSAY_PORT": str(self.port), **settings}
        self.owner = OWNER
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start and wait for the gateway; returns the seconds that it took."""
        began = time.monotonic()
        environment, module = self.environment, ["assay.cli.main", "up"]
        if minio.is_wanted():
            path = [str(Path(__file__).parents[1]), *filter(None, [environment.get("PYTHONPATH")])]
            environment = {**environment, "PYTHONPATH": os.pathsep.join(path)}
            module = ["support.up_on_minio"]
        with self.printed.open("ab") as out:
            self.process = subprocess.Popen([sys.executable, "-m", *module], env=environment, stdout=out, stderr=out)
        while time.monotonic() < began + READY_S:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == httpx.codes.OK:
                    return time.monotonic() - began
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"`assay up` is not ready; it printed:\n{self.printed.read_text()[-4000:]}")

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def token(self) -> str:
        """Of the owner that the product was started for, or of the one that `becomes` named."""
        return self.environment.get("ASSAY_TOKEN") or (self.home / "token").read_text().strip()

    @contextmanager
    def of_owner(self, owner: str) -> Iterator[Self]:
        """For the block, it is used by another owner, who has no files yet and is an operator too."""
        secret = Stack(self.home).credentials.auth_secret
        self.owner = owner
        self.environment["ASSAY_TOKEN"] = mint_token(secret, owner, ["user", "operator"])
        try:
            yield self
        finally:
            self.owner = OWNER
            del self.environment["ASSAY_TOKEN"]

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client that asks as the first owner, or with another token."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token or self.token}"}, timeout=60.0)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `assay …` as a user would, in another folder."""
        return subprocess.run(
            [sys.executable, "-m", "assay.cli.main", *words],
            env=self.environment,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            check=check,
            timeout=90,
        )

    def submit(self, path: Path, token: str | None = None, *, force: bool = False) -> dict[str, Any]:
        """Upload a file; returns the answer. force: a new file, also where the owner has these bytes already."""
        with self.client(token) as client, path.open("rb") as file:
            answer = client.post(
                "/api/v1/files", files={"file": (path.name, file)}, data={"force": "true"} if force else {}
            )
        assert answer.status_code in (200, 202), answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def report(self, path: Path) -> dict[str, Any]:
        """Upload a file and follow its stream to the report; returns the file object."""
        accepted = self.submit(path)
        list(self.stream(f"/api/v1/files/{accepted['file_id']}/events?until=completed"))
        with self.client() as client:
            file: dict[str, Any] = client.get(f"/api/v1/files/{accepted['file_id']}").json()
        return file

    def explained(self, path: Path) -> dict[str, Any]:
        """As `report`, and then wait until the artifacts of all verdicts are there."""
        address = f"/api/v1/files/{self.report(path)['file_id']}"
        until = time.monotonic() + EXPLAINED_S
        with self.client() as client:
            while time.monotonic() < until:
                file: dict[str, Any] = client.get(address).json()
                if not any(each["verdict"] and each["verdict"]["artifacts_follow"] for each in file["run"]["analyses"]):
                    return file
                time.sleep(0.1)
        raise AssertionError(f"artifacts that were to follow did not come in {EXPLAINED_S:.0f} s: {address}")

    def stream(self, path: str, *, last_id: str | None = None, token: str | None = None) -> Iterator["Message"]:
        """The events of one SSE connection."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        with self.client(token) as client, client.stream("GET", path, headers=headers) as answer:
            assert answer.status_code in (200, 204), answer.read()
            yield from parse(answer.iter_lines())


class Message:
    """One SSE event."""

    def __init__(self, fields: dict[str, str]) -> None:
        self.event = fields.get("event", "message")
        self.id = fields.get("id", "")
        self.data: Any = json.loads(fields["data"])


def parse(lines: Iterator[str]) -> Iterator[Message]:
    """Events of an SSE stream, as the HTML standard reads them; blocks without data dispatch nothing."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in fields:
                yield Message(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name == "data" and "data" in fields:
            fields["data"] += "\n" + value.removeprefix(" ")
        elif name:
            fields[name] = value.removeprefix(" ")


@contextmanager
def running_product(home: Path, **settings: str) -> Iterator[Product]:
    """A ready product; stopped at the end, with status 0 and in time."""
    product = Product(home, **settings)
    product.start()
    try:
        yield product
    finally:
        status = product.stop()
    assert status == 0, product.printed.read_text()[-2000:]
