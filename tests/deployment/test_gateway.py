"""The gateway, one file for `assay up` and compose.yaml: a real Caddy in front of servers that say who they are."""

import json
import os
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from support.deployment import ROOT, read_compose
from support.services import free_port

from assay.embedded import gateway
from assay.embedded.home import Home
from assay.upload.errors import RequestTooLargeError
from assay.upload.settings import FORM_ALLOWANCE_BYTES, LimitsSettings

MAX_FILE_BYTES = 100_000
FILE = "/api/v1/files/0199d3a0-0000-7000-8000-000000000001"
ROUTES = [
    ("POST", "/api/v1/files", "upload"),
    ("DELETE", FILE, "upload"),
    ("POST", f"{FILE}/runs", "upload"),
    ("POST", "/api/v1/uploads", "upload"),
    ("POST", "/api/v1/files:presign", "upload"),
    ("POST", "/api/v1/files:complete", "upload"),
    ("PATCH", "/api/v1/uploads/abc", "upload"),
    ("HEAD", "/api/v1/uploads/abc", "upload"),
    ("OPTIONS", "/api/v1/uploads", "upload"),
    ("GET", "/api/v1/limits", "upload"),
    ("GET", f"{FILE}/events", "notify"),
    ("GET", "/api/v1/events", "notify"),
    ("POST", "/api/v1/webhooks", "notify"),
    ("PATCH", "/api/v1/webhooks/abc", "notify"),
    ("GET", "/api/v1/webhooks/abc/deliveries?limit=5", "notify"),
    ("GET", "/api/v1/files", "results"),
    ("GET", FILE, "results"),
    ("GET", f"{FILE}/runs/2", "results"),
    ("GET", f"{FILE}/artifacts/jpeg-forensics/events", "results"),
    ("POST", f"{FILE}/feedback", "results"),
    ("POST", "/api/v1/session", "results"),
    ("GET", "/api/v1/analyzers", "results"),
    ("DELETE", "/api/v1/analyzers/jpeg-forensics", "upload"),
    ("POST", "/api/v1/analyzers/jpeg-forensics/backfill?limit=5", "upload"),
    ("GET", "/api/v1/dead-letters/0/17", "results"),
    ("POST", "/api/v1/dead-letters/0/17/replay", "results"),
    ("GET", "/api/openapi.json", "results"),
    ("GET", "/docs", "results"),
    ("PUT", "/api/nothing", "results"),
    ("GET", "/readyz", "results"),
    ("GET", "/healthz", "results"),
    ("GET", "/assay/files/x/content?X-Amz-Signature=1", "storage"),
    ("PUT", "/assay/files/x/content?X-Amz-Signature=1", "storage"),
]


class Echo(BaseHTTPRequestHandler):
    """Answers with its name and what it was asked; `…/events` sends one line, then one more when it is let."""

    name: str
    go_on: threading.Event

    def answer(self) -> None:
        body = json.dumps({"server": self.name, "path": self.path, "headers": dict(self.headers.items())}).encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("X-Server", self.name)
        self.send_header("Server", "secret/1.0")
        streams = self.path.endswith("?stream")
        if not streams:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if streams:
            self.wfile.write(b"first\n")
            self.wfile.flush()
            assert self.go_on.wait(20)
            self.wfile.write(b"second\n")
        elif self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def echo(name: str, go_on: threading.Event) -> Iterator[str]:
    handler = type("Echo", (Echo,), {"name": name, "go_on": go_on})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def go_on() -> threading.Event:
    return threading.Event()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@contextmanager
def running(part: gateway.Gateway, port: int) -> Iterator[str]:
    program = part.program()
    process = subprocess.Popen(program.command, env=dict(program.environment), cwd=program.folder)
    try:
        url = f"http://localhost:{port}"
        for _ in range(200):
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                assert process.poll() is None
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def url(folder: Path, go_on: threading.Event) -> Iterator[str]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(echo(name, go_on)) for name in ("upload", "results", "notify", "storage")}
        storage = servers.pop("storage")
        port = free_port()
        # The first replica of upload is not there.
        upstreams = {name: [server] for name, server in servers.items()}
        upstreams["upload"].insert(0, f"http://127.0.0.1:{free_port()}")
        part = gateway.Gateway(
            Home(folder),
            port=port,
            s3=storage,
            bucket="assay",
            web=ROOT / "web",
            upstreams=upstreams,
            max_file_bytes=MAX_FILE_BYTES,
        )
        yield stack.enter_context(running(part, port))


@pytest.mark.parametrize(("method", "path", "server"), ROUTES, ids=[f"{each[0]} {each[1]}" for each in ROUTES])
def test_a_request_reaches_its_service(url: str, method: str, path: str, server: str) -> None:
    assert httpx.request(method, url + path, content=b"x" if method == "POST" else None).headers["x-server"] == server


def test_readiness_is_that_of_the_whole_stack(url: str) -> None:
    assert httpx.get(f"{url}/readyz?verbose=1").json()["path"] == "/stack/readyz?verbose=1"


def test_objects_keep_host_and_path_and_lose_what_is_not_theirs(url: str) -> None:
    path = "/assay/files/x/a%20b%2Fc+d?X-Amz-Signature=1&response-content-type=image%2Fpng"
    answer = httpx.get(url + path, headers={"Cookie": "assay_session=1", "Authorization": "Bearer t"})
    asked = answer.json()
    assert asked["path"] == path
    assert asked["headers"]["Host"] == url.removeprefix("http://")
    assert not {"Cookie", "Authorization"} & set(asked["headers"])
    assert answer.headers["content-security-policy"].startswith("sandbox")
    signed = httpx.get(f"{url}/assay/x", headers={"Authorization": "AWS4-HMAC-SHA256 x"}).json()
    assert signed["headers"]["Authorization"] == "AWS4-HMAC-SHA256 x"


def test_services_see_the_host_that_people_use(url: str) -> None:
    assert httpx.get(f"{url}/api/v1/files").json()["headers"]["Host"] == url.removeprefix("http://")


def test_an_event_is_passed_on_at_once(url: str, go_on: threading.Event) -> None:
    with httpx.stream("GET", f"{url}/api/v1/events?stream", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "first"
        assert not go_on.is_set()
        go_on.set()
        assert next(lines) == "second"


@pytest.mark.parametrize("path", ["/", "/files/0199d3a0-0000-7000-8000-000000000001", "/index.html"])
def test_the_page_answers_at_its_addresses(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert answer.status_code == 200
    assert answer.text == (ROOT / "web/index.html").read_text()
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/internal/v1/snapshot", "/stack/readyz", "/metrics"])
def test_what_is_for_services_only_is_not_reached(url: str, path: str) -> None:
    answer = httpx.get(url + path)
    assert answer.status_code == 404
    assert "x-server" not in answer.headers


def test_nobody_tells_what_software_answers(url: str) -> None:
    for path in ("/", "/api/v1/files", "/assay/x", "/api/v1/events"):
        assert "server" not in httpx.get(url + path).headers


@pytest.mark.parametrize("path", ["/api/v1/files", "/api/v1/uploads"])
def test_a_length_that_is_too_large_is_refused_before_the_body_is_sent(url: str, path: str) -> None:
    """At the edge: upload's own limit, and as much more as it grants a form."""
    edge = MAX_FILE_BYTES + FORM_ALLOWANCE_BYTES
    assert httpx.post(url + path, content=b"x" * edge).headers["x-server"] == "upload"
    told = httpx.post(url + path, content=b"x" * (edge + 1))
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {edge + 1}\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("localhost", int(url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert (told.status_code, told.headers["content-type"]) == (413, "application/problem+json")
    assert "x-server" not in told.headers
    body = told.json()
    assert (body["code"], body["status"], body["max_file_bytes"]) == ("request_too_large", 413, MAX_FILE_BYTES)
    assert body["title"] == RequestTooLargeError.title


def test_a_service_that_is_away_is_a_problem_that_says_what_to_do(folder: Path) -> None:
    port, nobody = free_port(), f"http://127.0.0.1:{free_port()}"
    upstreams = {name: [nobody] for name in ("upload", "results", "notify")}
    part = gateway.Gateway(
        Home(folder), port=port, s3=nobody, bucket="assay", web=ROOT / "web", upstreams=upstreams, max_file_bytes=1
    )
    with running(part, port) as url:
        answer = httpx.get(f"{url}/api/v1/files", timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["code"] == "unavailable"
    assert "Try again" in answer.json()["detail"]


def test_caddy_takes_the_configuration_of_compose(folder: Path) -> None:
    """With the environment of the container, but for the folder of the page."""
    service = read_compose()["services"]["gateway"]
    assert service["command"][:2] == ["caddy", "run"]
    mounted = dict(each.split(":")[:2] for each in service["volumes"])
    assert {place: (ROOT / source).resolve() for source, place in mounted.items()} == {
        "/etc/caddy/Caddyfile": gateway.CADDYFILE.resolve(),
        service["environment"]["WEB_ROOT"]: (ROOT / "web").resolve(),
    }
    arguments = [gateway.CADDYFILE if each == "/etc/caddy/Caddyfile" else each for each in service["command"][2:]]
    caddy = Path(sysconfig.get_path("scripts")) / ("caddy.exe" if os.name == "nt" else "caddy")
    environment = {**service["environment"], "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    done = subprocess.run(
        [str(caddy), "validate", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr
    adapted = subprocess.run(
        [str(caddy), "adapt", *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout
    # The default of compose, and of the file itself, is upload's own.
    assert service["environment"]["MAX_FILE_BYTES"] == str(LimitsSettings().max_file_bytes)
    assert f"{{$MAX_FILE_BYTES:{LimitsSettings().max_file_bytes}}} + {FORM_ALLOWANCE_BYTES}" in (
        gateway.CADDYFILE.read_text()
    )
    for address in ("upload:8000", "results:8000", "notify:8000", "minio:9000"):
        assert f'"dial":"{address}"' in adapted
    assert '"listen":["0.0.0.0:8080"]' in adapted
