"""Mercure, a hub for server-sent events written in Go, as one process; its binary is what ASSAY_BENCH_MERCURE names."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from support.services import free_port

PATH = "/.well-known/mercure"
KEY = "a key of the benchmark only, of 32 characters or more"
TOPIC = "https://bench.invalid/owner"
START_S = 20.0

CADDYFILE = """\
{
	admin off
	auto_https off
	persist_config off
	log {
		level ERROR
	}
}
http://127.0.0.1:%d {
	route {
		mercure {
			publisher_jwt "%s"
			subscriber_jwt "%s"
			anonymous
			transport %s
		}
	}
}
"""


def binary() -> str | None:
    """Where it is; None where nobody says so."""
    return os.environ.get("ASSAY_BENCH_MERCURE") or None


def publisher_headers() -> dict[str, str]:
    """With these anything can be published."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"mercure": {"publish": ["*"]}}]
    signed = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
    signature = _encoded(hmac.new(KEY.encode(), signed, hashlib.sha256).digest())
    return {"Authorization": f"Bearer {(signed + b'.' + signature).decode()}"}


@contextmanager
def running_mercure(program: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process id of a hub that answers. It keeps nothing on the disk, as notify does."""
    port = free_port()
    path = folder / "Caddyfile"
    path.write_text(CADDYFILE % (port, KEY, KEY, "local"))
    with (folder / "mercure.log").open("wb") as log:
        hub = subprocess.Popen([program, "run", "--config", str(path)], cwd=folder, stdout=log, stderr=log)
        try:
            _wait(port, folder / "mercure.log")
            yield port, hub.pid
        finally:
            hub.terminate()
            hub.wait()


def _wait(port: int, log: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            httpx.post(
                f"http://127.0.0.1:{port}{PATH}", headers=publisher_headers(), data={"topic": TOPIC, "data": "x"}
            )
            return
        except httpx.TransportError as error:
            if time.monotonic() > until:
                raise RuntimeError(f"Mercure does not answer; its log ends with {log.read_text()[-500:]}") from error
            time.sleep(0.05)


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
