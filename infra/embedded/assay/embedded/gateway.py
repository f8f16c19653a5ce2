"""Caddy as the gateway: one origin for people, in front of the services, the object store and the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.embedded import executables
from assay.embedded.home import Home
from assay.embedded.part import Part, Say, plain_environment
from assay.embedded.ports import HOST
from assay.embedded.process import Program
from assay.embedded.waiting import http_status

Route = dict[str, Any]


class Gateway(Part):
    """The only listener that people use."""

    name = "gateway"
    port_names = ()  # the user's choice: ASSAY_PORT

    def __init__(self, home: Home, *, port: int, s3: str, bucket: str, web: Path) -> None:
        """s3: address of the object store.  web: folder of the page."""
        self._home = home
        self._folder = home.folder("gateway")
        self._port = port
        self._s3 = s3
        self._bucket = bucket
        self._web = web
        self.upstreams: Mapping[str, Sequence[str]] = {}
        """Addresses of each service's processes; set before `prepare`."""

    def prepare(self, say: Say) -> None:
        self._home.write_private(self._folder / "caddy.json", json.dumps(self._configuration(), indent=2) + "\n")

    def program(self) -> Program:
        return Program(
            name=self.name,
            command=[executables.find("caddy"), "run", "--config", str(self._folder / "caddy.json")],
            environment=plain_environment(self._folder, XDG_DATA_HOME=str(self._folder), GOMEMLIMIT="256MiB"),
            folder=self._folder,
            stop_seconds=4.0,
        )

    def is_ready(self) -> bool:
        """True when the whole stack says so, through the gateway."""
        return http_status(self._port, "/readyz") == 200

    def environment(self) -> Mapping[str, str]:
        return {}

    def _configuration(self) -> dict[str, Any]:
        server = {
            "listen": [f"{HOST}:{self._port}"],
            "automatic_https": {"disable": True},
            "protocols": ["h1", "h2c"],
            "routes": self._routes(),
        }
        return {
            "admin": {"disabled": True, "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "WARN", "encoder": {"format": "json"}}}},
            "apps": {"http": {"grace_period": "2s", "servers": {"assay": server}}},
        }

    def _routes(self) -> list[Route]:
        """The first that matches answers."""
        upload, results, notify = (self.upstreams.get(name, []) for name in ("upload", "results", "notify"))
        api = "/api/v1"
        return [
            # Bytes of strangers come from here under the page's own origin: a browser must not run them.
            _route(
                [{"path": [f"/{self._bucket}/*"]}],
                _headers({"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}),
                _proxy([self._s3]),
            ),
            _route(
                [{"method": ["GET"], "path": [f"{api}/files/*/events", f"{api}/events"]}],
                _proxy(notify, flush_interval=-1),
            ),
            _route([{"path": [f"{api}/files/*/feedback"]}], _proxy(results)),
            _route(
                [
                    {"method": ["POST", "DELETE"], "path": [f"{api}/files", f"{api}/files/*"]},
                    {"path": [f"{api}/uploads", f"{api}/uploads/*"]},
                    {"method": ["GET"], "path": [f"{api}/limits"]},
                ],
                _proxy(upload),
            ),
            _route([{"path": ["/api/*", "/docs", "/docs/*"]}], _proxy(results)),
            _route(
                [{"path": ["/healthz", "/readyz"]}],
                {"handler": "rewrite", "uri": "/stack{http.request.uri}"},
                _proxy(results),
            ),
            *self._page(),
        ]

    def _page(self) -> list[Route]:
        root = str(self._web)
        headers = {
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        fall_back = {"file": {"root": root, "try_files": ["{http.request.uri.path}", "/index.html"]}}
        return [
            _route(
                [{"method": ["GET", "HEAD"], **fall_back}],
                _headers(headers),
                {"handler": "rewrite", "uri": "{http.matchers.file.relative}"},
                {"handler": "file_server", "root": root, "index_names": ["index.html"], "hide": [".*"]},
            ),
            _route([], {"handler": "static_response", "status_code": 404}),
        ]


def _route(match: list[dict[str, Any]], *handlers: dict[str, Any]) -> Route:
    return {"match": match, "handle": list(handlers), "terminal": True}


def _headers(values: dict[str, str]) -> dict[str, Any]:
    return {
        "handler": "headers",
        "response": {"deferred": True, "set": {name: [text] for name, text in values.items()}},
    }


def _proxy(addresses: Sequence[str], **options: Any) -> dict[str, Any]:
    """A reverse proxy that leaves Host and path as they are and passes over a process that is being restarted."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address.removeprefix("http://")} for address in addresses],
        "load_balancing": {
            "selection_policy": {"policy": "least_conn"},
            # Only connections that were refused are tried again, so no request is sent twice.
            "try_duration": "5s",
            "try_interval": "100ms",
        },
        "health_checks": {"passive": {"fail_duration": "2s"}} if len(addresses) > 1 else {},
        **options,
    }
