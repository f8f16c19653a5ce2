"""Everything that `assay up` runs: the parts, the services, the gateway; and what happens when one of them dies."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from assay.embedded import seaweedfs, tokens
from assay.embedded import services as running
from assay.embedded.errors import StackError
from assay.embedded.gateway import Gateway
from assay.embedded.part import Say
from assay.embedded.ports import is_free, next_free
from assay.embedded.process import Process, Program, describe_status
from assay.embedded.restarts import Restarts
from assay.embedded.services import Replica, Service
from assay.embedded.settings import StackSettings
from assay.embedded.stack import Stack, silence
from assay.embedded.waiting import wait_until

READY_SECONDS = 180.0
"""A service may load a model before it is ready."""

MOST_PART_DEATHS = 5
"""A part that dies as often in a row stops the stack: its data or its disk needs a person."""

WATCH_SECONDS = 0.25
TRIM_EVERY = 40
"""Logs are looked at every so many rounds of watching: 10 s."""

WEB = Path(__file__).parents[4] / "web"
"""The page, in the checkout that this module lies in."""


class Supervisor:
    """The whole of Assay on this machine. A context manager: ready on entry, nothing left on exit.

    A process that dies is started again, after a wait that doubles each time. `failure` is set when that is hopeless.
    """

    def __init__(
        self,
        settings: StackSettings,
        *,
        services: Sequence[Service] | None = None,
        given: Mapping[str, str] | None = None,
        web: Path = WEB,
        say: Say = silence,
    ) -> None:
        """services: other ones than Assay's.  given: settings of the services; the environment where left out."""
        self.settings = settings
        self.stack = Stack(settings.home, say=say)
        self.failure: StackError | None = None
        self._services = running.services() if services is None else services
        self._given = dict(os.environ if given is None else given)
        self._web = web
        self._say = say
        self._replicas: list[Replica] = []
        self._restarts: dict[str, Restarts] = {}
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="assay-watcher", daemon=True)

    @property
    def address(self) -> str:
        """The origin that people use."""
        return self.settings.public_url or f"http://localhost:{self.settings.port}"

    @property
    def replicas(self) -> Sequence[Replica]:
        """The processes of the services."""
        return self._replicas

    def start(self) -> None:
        """Start everything; returns when the gateway's /readyz answers 200. Raises StackError."""
        self._check_port()
        try:
            self.stack.open()
            # Before the gateway: whoever sees it ready finds the token and the address.
            tokens.ensure(self.stack)
            home = self.stack.home
            home.write_private(home.path / "address", self.address + "\n")
            programs = self._plan_services()
            self.stack.start_parts()
            self._start_services(programs)
            self._start_gateway()
        except BaseException:
            self.stop()
            raise
        self._watcher.start()

    def stop(self) -> None:
        """Stop everything: the services, drained, then the gateway and the parts. Takes at most 15 s."""
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self.stack.stop_processes([replica.name for replica in self._replicas])
        self.stack.stop()

    def wait(self) -> None:
        """Return when `failure` is set or `stop` was called."""
        while not self._ended.wait(1.0):
            pass

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self, service: str | None = None) -> dict[str, str]:
        """The `ASSAY_…` lines of the parts, and the addresses that people and presigned links use."""
        public = {"ASSAY_PUBLIC_URL": self.address, "ASSAY_S3__PUBLIC_URL": self.address}
        return {**self.stack.environment(service), **public}

    def _check_port(self) -> None:
        port = self.settings.port
        if not is_free(port):
            raise StackError(
                f"port {port} is taken by another program; stop it, or choose another port:"
                f" ASSAY_PORT={next_free(port)} make up"
            )

    def _plan_services(self) -> list[Program]:
        """How to run each process. Raises StackError where the user's settings contradict the stack's."""
        self.stack.ports.secure(running.port_names(self._services, self.settings.scale))
        self._replicas = running.replicas(self._services, self.settings.scale, self.stack.ports)
        self.stack.home.folder("traces")
        return [
            running.program(
                replica,
                all_replicas=self._replicas,
                parts=self.environment(replica.service.name),
                home=self.stack.home,
                given=self._given,
            )
            for replica in self._replicas
        ]

    def _start_services(self, programs: Sequence[Program]) -> None:
        self._say(f"starting {', '.join(program.name for program in programs)}")
        for program in programs:
            self.stack.run(program)
        for replica in self._replicas:
            self._wait_ready(replica)

    def _wait_ready(self, replica: Replica) -> None:
        process = self.stack.processes[replica.name]
        if not wait_until(lambda: not process.is_running or replica.is_ready(), READY_SECONDS, pause=0.1):
            raise process.failure(f"was not ready within {READY_SECONDS:.0f} s")
        if not process.is_running:
            raise process.failure(describe_status(process.status))

    def _start_gateway(self) -> None:
        gateway = Gateway(
            self.stack.home,
            port=self.settings.port,
            s3=self.stack.environment()["ASSAY_S3__ENDPOINT_URL"],
            bucket=seaweedfs.BUCKET,
            web=self._web.absolute(),
            upstreams=running.addresses(self._replicas),
            max_file_bytes=running.max_file_bytes(self._given),
        )
        self.stack.start_part(gateway)
        self.stack.wait_ready(gateway)

    def _watch(self) -> None:
        rounds = 0
        while not self._ended.wait(WATCH_SECONDS):
            rounds += 1
            for process in list(self.stack.processes.values()):
                try:
                    self._look_after(process)
                except StackError as error:
                    self.failure = error
                    self._ended.set()
                    return
                if rounds % TRIM_EVERY == 0:
                    process.log.trim()

    def _look_after(self, process: Process) -> None:
        """Start a process again that died, when its time has come."""
        if process.is_running:
            return
        restarts = self._restarts.setdefault(process.name, Restarts())
        if restarts.due is None:
            process.clear()
            is_part = process.name in self.stack.part_names
            if is_part and restarts.deaths >= MOST_PART_DEATHS:
                raise process.failure(f"{describe_status(process.status)}, again and again")
            wait = restarts.record_death(process.started_at)
            what = describe_status(process.status)
            self._say(f"{process.name} {what}; starting it again in {wait:g} s; its log is {process.log.path}")
        if restarts.is_due():
            restarts.due = None
            self.stack.start_again(process)
