"""The services as the stack runs them: how often, with which settings, and when one is ready."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from assay.embedded.errors import StackError
from assay.embedded.home import Home
from assay.embedded.ports import HOST, Ports
from assay.embedded.process import Program
from assay.embedded.settings import Scale
from assay.embedded.waiting import http_status
from assay.shared.settings import is_known, known_names
from assay.upload.settings import LimitsSettings

NAMES = ("upload", "inference", "results", "notify")
"""In the order in which they are told of; they start at the same time."""

STOP_SECONDS = 9.0
"""For draining. With what the parts take after it, all has ended 15 s after Ctrl-C."""

MODELS = "ASSAY_MODELS__PATH"
MAX_FILE_BYTES = "ASSAY_LIMITS__MAX_FILE_BYTES"


@dataclass(frozen=True)
class Service:
    """One service, and the variables that it reads."""

    name: str
    command: tuple[str, ...]
    known: frozenset[str]

    def knows(self, variable: str) -> bool:
        """True if it reads this variable."""
        return is_known(variable, set(self.known))


def services() -> tuple[Service, ...]:
    """The four services of Assay, with the names of their settings read from the code."""
    return tuple(
        Service(
            name=name,
            command=(sys.executable, "-P", "-m", f"assay.{name}.main"),
            known=frozenset(known_names(import_module(f"assay.{name}.settings").Settings)),
        )
        for name in NAMES
    )


@dataclass(frozen=True)
class Replica:
    """One process of a service."""

    service: Service
    slot: int
    port: int

    @property
    def name(self) -> str:
        """`upload-0`: the name of its process, its port and its log."""
        return f"{self.service.name}-{self.slot}"

    @property
    def address(self) -> str:
        """Where the gateway and its peers reach it."""
        return f"http://{HOST}:{self.port}"

    def is_ready(self) -> bool:
        """True when everything that it needs is reachable."""
        return http_status(self.port, "/readyz") == 200


def port_names(services: Iterable[Service], scale: Scale) -> list[str]:
    """A port for each process."""
    return [f"{service.name}-{slot}" for service in services for slot in range(_count(service, scale))]


def replicas(services: Iterable[Service], scale: Scale, ports: Ports) -> list[Replica]:
    """Every process of every service."""
    return [
        Replica(service, slot, ports[f"{service.name}-{slot}"])
        for service in services
        for slot in range(_count(service, scale))
    ]


def addresses(running: Iterable[Replica]) -> dict[str, list[str]]:
    """The addresses of each service's processes."""
    found: dict[str, list[str]] = {}
    for replica in running:
        found.setdefault(replica.service.name, []).append(replica.address)
    return found


def program(
    replica: Replica, *, all_replicas: Sequence[Replica], parts: Mapping[str, str], home: Home, given: Mapping[str, str]
) -> Program:
    """How to run one process.

    parts: the lines with which this service reaches the parts.  given: the environment that `up` was started in.
    Of all `ASSAY_…` variables it sees those that it knows, so a secret of one service is not in another's environment.
    Raises StackError where a given variable contradicts what the stack decides.
    """
    own = {**parts, **_own_settings(replica, all_replicas, home)}
    known = {name: value for name, value in own.items() if replica.service.knows(name)}
    passed = {name: value for name, value in given.items() if name.startswith("ASSAY_") and replica.service.knows(name)}
    if replica.service.knows(MODELS):
        # As the one who starts the stack means it: a service runs in another folder.
        passed[MODELS] = str(Path(passed.get(MODELS) or home.path / "models").absolute())
    refuse_contradictions(passed, known)
    return Program(
        name=replica.name,
        command=replica.service.command,
        environment={**_without_assay(given), "PYTHONUNBUFFERED": "1", **passed, **known},
        folder=home.path,
        stop_seconds=STOP_SECONDS,
    )


def max_file_bytes(given: Mapping[str, str]) -> int:
    """The size limit of upload, which the gateway holds too. given: the environment that `up` was started in."""
    return int(given.get(MAX_FILE_BYTES) or LimitsSettings().max_file_bytes)


def refuse_contradictions(given: Mapping[str, str], decided: Mapping[str, str]) -> None:
    """A variable that would silently be overruled stops the start instead."""
    for name in sorted(given):
        if given[name] and decided.get(name, given[name]) != given[name]:
            raise StackError(f"{name} is set, but the embedded stack decides it itself; unset it and start again")


def _own_settings(replica: Replica, all_replicas: Sequence[Replica], home: Home) -> dict[str, str]:
    peers = addresses(all_replicas)
    own = {
        "ASSAY_SLOT": str(replica.slot),
        "ASSAY_HTTP__HOST": HOST,
        "ASSAY_HTTP__PORT": str(replica.port),
        "ASSAY_TRACES__PATH": str(home.path / "traces" / f"{replica.name}.ndjson"),
        "ASSAY_CACHE__PATH": str(home.path / "cache" / replica.service.name),
        "ASSAY_PEERS": json.dumps({name: found for name, found in peers.items() if name != "results"}),
    }
    if "results" in peers:
        own["ASSAY_RESULTS_URL"] = peers["results"][0]
    return own


def _count(service: Service, scale: Scale) -> int:
    return int(getattr(scale, service.name, 1))


def _without_assay(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("ASSAY_")}
