"""One child process: how it is started, watched and stopped so that nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from assay.embedded.errors import ProcessFailedError
from assay.embedded.logfile import LogFile
from assay.embedded.privileges import User

LAUNCH = Path(__file__).with_name("launch.py")
WATCHDOG = Path(__file__).with_name("watchdog.py")

# Linux sends the death signal when the *thread* that made the child ends, so one thread that lives as long as
# this process makes them all.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="assay-spawner")


@dataclass(frozen=True)
class Program:
    """What to run, and as whom."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    user: User | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 5.0
    """How long it gets to end after that, before it is killed."""
    tell_when_killed: bool = True
    """False where that is the ordinary end."""
    death_signal: signal.Signals = signal.SIGKILL
    """What Linux sends it when the supervisor dies."""

    def launch_command(self) -> list[str]:
        """The command, wrapped in launch.py."""
        user = self.user or User(uid=-1, gid=-1, capability=-1)
        settings = (os.getpid(), int(self.death_signal), user.uid, user.gid, user.capability)
        return [sys.executable, "-I", "-S", str(LAUNCH), *(str(item) for item in settings), *self.command]


class Watchdog:
    """The process that kills what runs here when this process is killed."""

    def __init__(self, lock: int) -> None:
        """lock: descriptor of the home's lock, held by the watchdog until it is done."""
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = _spawner.submit(
            lambda: subprocess.Popen(
                [sys.executable, "-I", "-S", str(WATCHDOG)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[self._lock],
                start_new_session=True,
                env={},
            )
        ).result()

    def add(self, group: int) -> None:
        self._tell(f"+ {group}\n")

    def remove(self, group: int) -> None:
        self._tell(f"- {group}\n")

    def stop(self) -> None:
        """Let it go. Groups not removed before are killed by it."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(timeout=5)
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.poll() is None and self._process.stdin is not None:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


class Process:
    """A program that runs, or ran, with its log."""

    def __init__(self, program: Program, log: LogFile, watchdog: Watchdog) -> None:
        self.program = program
        self.log = log
        self._watchdog = watchdog
        self._popen: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        return None if self._popen is None else self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs or before it was started."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """Start it. Returns at once; the caller waits for what makes it ready."""
        _spawner.submit(self._spawn).result()

    def signal_stop(self) -> None:
        """Ask it to end."""
        if self._popen is not None and self.is_running:
            self._popen.send_signal(self.program.stop_signal)

    def wait_stopped(self) -> bool:
        """Wait for its end, then kill what is left of its process group. False if it had to be killed."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(timeout=self.program.stop_seconds)
            in_time = True
        except subprocess.TimeoutExpired:
            in_time = False
        self.clear()
        return in_time

    def clear(self) -> None:
        """Kill what is left of its process group."""
        if self._popen is None:
            return
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the usual case: all of it has ended
        except PermissionError:
            pass  # macOS says so of a group that has only dead members
        self._popen.wait()
        self._watchdog.remove(self._popen.pid)

    def failure(self, what: str) -> ProcessFailedError:
        """The error that says so, with the log's path."""
        return ProcessFailedError(self.name, what, self.log.path)

    def _spawn(self) -> None:
        output = self.log.open()
        try:
            self._popen = subprocess.Popen(
                self.program.launch_command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.program.folder,
                env=dict(self.program.environment),
                start_new_session=True,
            )
            self.started_at = time.monotonic()
            self._watchdog.add(self._popen.pid)
        finally:
            os.close(output)


def describe_status(status: int | None) -> str:
    """`ended with status 3`, or `was killed by SIGSEGV`."""
    if status is not None and status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
