"""Caddy as the gateway: one origin for people, in front of the services, the object store and the page.

Its routes are in `infra/caddy/Caddyfile`, which `compose.yaml` uses too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from assay.embedded import executables
from assay.embedded.home import Home
from assay.embedded.part import Part, Say, plain_environment
from assay.embedded.ports import HOST
from assay.embedded.process import Program
from assay.embedded.waiting import http_status

CADDYFILE = Path(__file__).parents[3] / "caddy" / "Caddyfile"


class Gateway(Part):
    """The only listener that people use."""

    name = "gateway"
    port_names = ()  # the user's choice: ASSAY_PORT

    def __init__(
        self,
        home: Home,
        *,
        port: int,
        s3: str,
        bucket: str,
        web: Path,
        upstreams: Mapping[str, Sequence[str]],
        max_file_bytes: int,
    ) -> None:
        """s3: address of the object store.  web: folder of the page.  upstreams: addresses of each service.
        max_file_bytes: as upload has it.
        """
        self._folder = home.folder("gateway")
        self._port = port
        self._settings = {
            "GATEWAY_BIND": HOST,
            "GATEWAY_PORT": str(port),
            "STORAGE": _dial([s3]),
            "STORAGE_BUCKET": bucket,
            "WEB_ROOT": str(web),
            "MAX_FILE_BYTES": str(max_file_bytes),
            **{name.upper(): _dial(addresses) for name, addresses in upstreams.items()},
        }

    def prepare(self, say: Say) -> None:
        """Nothing: all that changes is in its environment."""

    def program(self) -> Program:
        return Program(
            name=self.name,
            command=[executables.find("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            environment=plain_environment(
                self._folder,
                XDG_DATA_HOME=str(self._folder),
                XDG_CONFIG_HOME=str(self._folder),
                GOMEMLIMIT="256MiB",
                **self._settings,
            ),
            folder=self._folder,
            stop_seconds=4.0,
        )

    def is_ready(self) -> bool:
        """True when the whole stack says so, through the gateway."""
        return http_status(self._port, "/readyz") == 200

    def environment(self) -> Mapping[str, str]:
        return {}


def _dial(addresses: Sequence[str]) -> str:
    """As the Caddyfile wants them: without a scheme, spaces between."""
    return " ".join(address.removeprefix("http://") for address in addresses)
