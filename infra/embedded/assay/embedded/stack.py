"""The stack's parts as one thing with a start and an end: what `assay up` and the tests use."""

import functools
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from assay.embedded import credentials
from assay.embedded.errors import StackError
from assay.embedded.home import Home
from assay.embedded.kafka import Kafka
from assay.embedded.logfile import LogFile
from assay.embedded.part import Part, Say
from assay.embedded.ports import Ports
from assay.embedded.postgres import ROLES, Postgres
from assay.embedded.process import Process, Program, Watchdog, describe_status
from assay.embedded.seaweedfs import SeaweedFS
from assay.embedded.waiting import wait_until

READY_SECONDS = 60.0


def silence(line: str) -> None:
    """Say nothing."""


class Stack:
    """Kafka, S3 and PostgreSQL with the data of one home. Use it as a context manager, or `start()` and `stop()`.

    Started from any thread. The processes end with this process, however it ends.
    """

    def __init__(self, home: Path, *, say: Say = silence) -> None:
        self.home = Home(home)
        self._say = say
        self._processes: dict[str, Process] = {}
        self._started: dict[str, Part] = {}
        self._watchdog: Watchdog | None = None

    def start(self) -> None:
        """Start the parts and return when all are ready.

        Raises AlreadyRunningError if another process runs this home, StackError for anything else.
        """
        try:
            self.open()
            self.start_parts()
        except BaseException:
            self.stop()
            raise

    def open(self) -> None:
        """Take the home and the ports; nothing runs yet. Raises AlreadyRunningError, StackError."""
        self._watchdog = Watchdog(self.home.open())
        self._watchdog.start()
        self.ports.secure([name for part in self.parts for name in part.port_names])

    def start_parts(self) -> None:
        """Start the parts and return when all are ready."""
        pool = ThreadPoolExecutor(max_workers=len(self.parts))
        try:
            for _ in pool.map(lambda part: part.prepare(self._say), self.parts):
                pass
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an interrupt does not wait for a download
        for part in self.parts:
            self._run_part(part)
        for part in self.parts:
            self.wait_ready(part)

    def stop(self) -> None:
        """Stop the parts, all at the same time; nothing of them is left."""
        self.stop_processes(list(self._processes))
        for part in self._started.values():
            part.tidy()
        if self._watchdog is not None:
            self._watchdog.stop()
        if "ports" in vars(self):  # else it never came so far as to have some
            self.ports.release()
        self.home.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @functools.cached_property
    def credentials(self) -> credentials.Credentials:
        """The secrets of this home, made where they are missing."""
        self.home.folder(".")
        return credentials.load(self.home)

    @functools.cached_property
    def ports(self) -> Ports:
        self.home.folder(".")
        return Ports(self.home)

    @functools.cached_property
    def postgres(self) -> Postgres:
        return Postgres(self.home, self.ports, self.credentials)

    @functools.cached_property
    def parts(self) -> Sequence[Part]:
        """In the order in which they start."""
        kafka = Kafka(self.home, self.ports, self.credentials)
        s3 = SeaweedFS(self.home, self.ports, self.credentials)
        return [kafka, self.postgres, s3]

    def environment(self, service: str | None = None) -> dict[str, str]:
        """The `ASSAY_…` lines with which a service reaches the parts, its own PostgreSQL role included.

        Without a service: those of an operator, whose PostgreSQL role is the superuser. The key that signs tokens is
        for services only: these lines are sourced by other systems' programs.
        """
        lines: dict[str, str] = {}
        for part in self.parts:
            lines.update(part.environment())
        if service is not None:
            lines["ASSAY_AUTH__SECRET"] = self.credentials.auth_secret
        if service in ROLES:
            lines["ASSAY_DATABASE__URL"] = self.postgres.url(service)
        elif service is not None:
            del lines["ASSAY_DATABASE__URL"]
        return lines

    @property
    def processes(self) -> Mapping[str, Process]:
        """What runs, by name."""
        return self._processes

    def run(self, program: Program) -> Process:
        """Start a program of this stack, its log put aside before."""
        assert self._watchdog is not None
        log = LogFile(self.home.logs / f"{program.name}.log")
        log.begin()
        process = Process(program, log, self._watchdog)
        self._processes[program.name] = process
        process.start()
        return process

    def stop_processes(self, names: Sequence[str]) -> None:
        """Stop some, all at the same time, and kill what has not ended in its time."""
        going = [self._processes.pop(name) for name in names if name in self._processes]
        for process in going:
            process.signal_stop()
        with ThreadPoolExecutor(max_workers=max(len(going), 1)) as pool:
            ended = list(pool.map(Process.wait_stopped, going))
        for process, in_time in zip(going, ended, strict=True):
            if not in_time and process.program.tell_when_killed:
                self._say(
                    f"{process.name} did not end within {process.program.stop_seconds:g} s and was killed;"
                    f" its log is {process.log.path}"
                )

    @property
    def part_names(self) -> Collection[str]:
        """The parts that were started, the gateway among them where it runs."""
        return self._started.keys()

    def start_part(self, part: Part) -> None:
        """Start one more part; `wait_ready` then waits for it."""
        part.prepare(self._say)
        self._run_part(part)

    def start_again(self, process: Process) -> None:
        """Start a process that ended; its log goes on."""
        part = self._started.get(process.name)
        if part is not None:
            part.tidy()
            part.prepare(self._say)
        process.start()

    def wait_ready(self, part: Part) -> None:
        """Wait for one part and have it finish. Raises ProcessFailedError with its log's path."""
        process = self._processes[part.name]
        if not wait_until(lambda: not process.is_running or part.is_ready(), READY_SECONDS):
            raise process.failure(f"was not ready within {READY_SECONDS:.0f} s")
        if not process.is_running:
            raise process.failure(describe_status(process.status))
        try:
            part.finish()
        except StackError as error:
            raise process.failure(str(error)) from error

    def _run_part(self, part: Part) -> None:
        self._started[part.name] = part
        part.tidy()
        self.run(part.program())
