"""Untrusted bytes are decoded in child processes with limits: what kills its decoder fails one analysis.

One sandbox belongs to one analyzer. See `child.py` for what runs inside.
"""

import asyncio
import contextlib
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from assay.inference import metrics, wire
from assay.inference.errors import AnalyzerBrokenError, AnalyzerCrashedError, OutOfMemoryError, TimedOutError
from assay.inference.plugins import Plugin
from assay.inference.pool import Pool
from assay.sdk import Media, NotApplicableError, PermanentAnalyzerError, TransientAnalyzerError

log = structlog.get_logger(__name__)

START_S = 120.0
FORK_S = 20.0
MEGABYTE = 1 << 20
KEPT_ERRORS = 4000
KEPT_FOR_PEOPLE = 1
"""Children that bulk work never takes, so that a person's file does not wait for the end of such a file's decoding."""

# One thread each: the cores are shared out by the number of children.
QUIET = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE")


class SandboxError(OSError):
    """No child can be had now: the first process does not answer."""


class Child:
    """A process that prepares one file at a time. Its methods block."""

    def __init__(self, channel: socket.socket, pid: int, errors: BinaryIO) -> None:
        self.pid = pid
        self._channel = channel
        self._errors = errors
        self._over = threading.Lock()
        self.is_over = False

    def run(self, task: wire.Task, until: float, at_most: int) -> wire.Done | wire.Raised:
        """Have a file prepared. Raises EOFError where the child died, TimeoutError, TooLargeError."""
        self._errors.seek(0)
        self._errors.truncate()
        try:
            wire.send(self._channel, task)
            answer, _ = wire.receive(self._channel, until=until, at_most=at_most)
        except ConnectionError as error:
            raise EOFError from error
        assert isinstance(answer, (wire.Done, wire.Raised))
        return answer

    def kill(self) -> None:
        """End it now. Its process id stays its own until it is reaped, so nobody else can be hit."""
        with self._over:
            if not self.is_over:
                self.is_over = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    def close(self) -> str:
        """Give its socket back; returns the end of what it wrote to standard error."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - KEPT_ERRORS))
        said = self._errors.read().decode("utf-8", errors="replace")
        self._errors.close()
        self._channel.close()
        return said


class Sandbox:
    """The children of one analyzer."""

    def __init__(self, plugin: Plugin, *, folder: Path, processes: int, memory_mb: int) -> None:
        """Starts the first process at once: it imports the analyzer's module beside whatever else goes on.

        folder: its working folder, which is made, and removed at the end.
        processes: children that prepare files at the same time; there is one more, for people's files alone.
        """
        self._plugin = plugin
        self._memory_mb = memory_mb
        self._folder = folder
        folder.mkdir(parents=True, mode=0o700)
        self.processes = processes + KEPT_FOR_PEOPLE
        self._idle: Pool[Child | None] = Pool(reserved=KEPT_FOR_PEOPLE)
        self._orders = threading.Lock()
        self._threads = ThreadPoolExecutor(self.processes + 1, thread_name_prefix=f"sandbox {plugin.name}")
        self._children: set[Child] = set()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= QUIET | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "assay.inference.child", str(theirs.fileno()), str(os.getpid())],
                env=environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._control = ours
        plugin = self._plugin
        begin = wire.Begin(plugin.name, plugin.entry, dict(plugin.settings), self._memory_mb * MEGABYTE)
        # Before anything reads it, so the socket's buffer must take it, which it does.
        wire.send(self._control, begin)
        self._is_ready = False

    async def open(self) -> None:
        """Wait for the analyzer's module and make the children. Raises ImportError where it cannot be imported."""
        loop = asyncio.get_running_loop()
        for _ in range(self.processes):
            self._idle.give(await loop.run_in_executor(self._threads, self._fork))

    def close(self) -> None:
        """End all of its processes. What waits for them ends with an error."""
        self._closed = True
        for child in list(self._children):
            child.kill()
        self._process.kill()
        self._process.wait()
        self._control.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @asynccontextmanager
    async def child(self, *, urgent: bool) -> AsyncIterator[Child]:
        """A child for the block alone; waits until one is free. Raises SandboxError."""
        child = await self._idle.take(urgent=urgent)
        try:
            if child is None:
                child = await asyncio.get_running_loop().run_in_executor(self._threads, self._fork)
            yield child
        finally:
            self._idle.give(None if child is None or child.is_over else child)

    async def prepare(self, child: Child, media: Media, seconds: float) -> Any:
        """Have `prepare` run there, with that much time. Raises what it raised, or why the child died.

        When this is cancelled the child is killed.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._prepare, child, media, seconds)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            child.kill()
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()
            raise

    def _prepare(self, child: Child, media: Media, seconds: float) -> Any:
        task = wire.Task(media, math.ceil(seconds))
        limit = self._memory_mb * MEGABYTE
        try:
            answer = child.run(task, time.monotonic() + seconds, limit)
        except (EOFError, ConnectionError) as error:
            raise self._how_it_ended(child, seconds) from error
        except TimeoutError as error:
            self._end(child)
            raise TimedOutError(seconds) from error
        except wire.TooLargeError as error:
            self._end(child)
            raise OutOfMemoryError(self._memory_mb) from error
        except Exception as error:  # unpickling runs the analyzer's own code
            self._end(child)
            raise AnalyzerBrokenError(f"what prepare returned cannot be read: {error!r}") from error
        if isinstance(answer, wire.Done):
            return answer.prepared
        if answer.kind == "memory":
            # What is left of such a child is not to be trusted with the next file.
            self._end(child)
        raise self._as_error(answer)

    def _as_error(self, answer: wire.Raised) -> Exception:
        if answer.kind == "memory":
            return OutOfMemoryError(self._memory_mb)
        if answer.kind == "defect":
            return AnalyzerBrokenError(f"prepare failed: {answer.text}\n{answer.trace}")
        kinds = {"not_applicable": NotApplicableError, "transient": TransientAnalyzerError}
        error = kinds.get(answer.kind, PermanentAnalyzerError)(answer.text)
        error.code = answer.code
        return error

    def _end(self, child: Child) -> tuple[int, str]:
        """Kill and reap a child. Returns its status and what it last wrote to standard error."""
        child.kill()
        self._children.discard(child)
        metrics.CHILDREN_LOST.labels(analyzer=self._plugin.name).inc()
        try:
            with self._orders:
                reaped = self._order(wire.Reap(child.pid))
        except SandboxError:
            return -signal.SIGKILL, child.close()
        return reaped.status, child.close()

    def _how_it_ended(self, child: Child, seconds: float) -> Exception:
        # Killed by us: a deletion, a time limit or the end of the service. Nobody waits for this error.
        by_us = child.is_over
        status, said = self._end(child)
        if not by_us:
            log.warning("sandbox_child_died", analyzer=self._plugin.name, status=status, stderr=said)
        if status == -signal.SIGXCPU:
            return TimedOutError(seconds)
        if status == -signal.SIGKILL and not by_us:
            return OutOfMemoryError(self._memory_mb)
        if status < 0:
            return AnalyzerCrashedError(f"was killed by {signal.Signals(-status).name}")
        return AnalyzerCrashedError(f"ended with status {status}")

    def _fork(self) -> Child:
        with self._orders:
            self._await_ready()
            ours, theirs = socket.socketpair()
            errors = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the child closes it
            with theirs:
                try:
                    forked = self._order(wire.Fork(), [theirs.fileno(), errors.fileno()])
                except SandboxError:
                    ours.close()
                    errors.close()
                    raise
        child = Child(ours, forked.pid, errors)
        self._children.add(child)
        if self._closed:
            child.kill()
        return child

    def _await_ready(self) -> None:
        if self._process.poll() is not None and not self._closed:
            log.warning("sandbox_restarted", analyzer=self._plugin.name, status=self._process.returncode)
            self._control.close()
            self._begin()
        if not self._is_ready:
            try:
                answer, _ = wire.receive(self._control, until=time.monotonic() + START_S)
            except (EOFError, OSError) as error:
                self._process.kill()
                self._process.wait()
                raise SandboxError(f"the sandbox of {self._plugin.name} does not start") from error
            if isinstance(answer, wire.Raised):
                raise ImportError(answer.text)
            self._is_ready = True

    def _order(self, order: wire.Fork | wire.Reap, descriptors: list[int] | None = None) -> Any:
        try:
            wire.send(self._control, order, descriptors or [])
            answer, _ = wire.receive(self._control, until=time.monotonic() + FORK_S)
        except (EOFError, OSError) as error:
            self._process.kill()
            self._process.wait()
            raise SandboxError(f"the sandbox of {self._plugin.name} has gone") from error
        return answer
