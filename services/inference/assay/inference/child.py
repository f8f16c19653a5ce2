"""Runs in the sandbox: `python -P -m assay.inference.child DESCRIPTOR PARENT_PID`.

The first process imports the analyzer's module once and then forks the children that read files: a new child costs
milliseconds, whatever the module imports, and shares its memory. None of them has the service's environment. All end
with the worker.
"""

import contextlib
import ctypes
import faulthandler
import gc
import os
import re
import resource
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

from assay.inference import wire
from assay.inference.memory import KEPT_BY_CHILD, MAPPED_BY_CHILD, RESTS_S, give_back, keep_large_blocks
from assay.inference.plugins import make
from assay.sdk import Analyzer, AnalyzerError, NotApplicableError, TransientAnalyzerError

PR_SET_PDEATHSIG = 1
LIBRARY_ROOM = 1 << 30
"""Address space beyond the memory limit: stacks of threads, arenas, files that libraries map."""


def main(descriptor: int, parent: int) -> None:
    """The first process."""
    die_with(parent)
    keep_large_blocks(kept=KEPT_BY_CHILD, mapped_from=MAPPED_BY_CHILD)
    # Ctrl-C reaches the whole process group; the worker drains and ends its children by itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=descriptor)
    # A worker that stops while this process starts is no error.
    with contextlib.suppress(EOFError, ConnectionError):
        obey(control)


def obey(control: socket.socket) -> None:
    """Import the analyzer, then make and reap children as the worker orders, until it has gone."""
    begin, _ = wire.receive(control)
    try:
        analyzer = make(begin.name, begin.entry, begin.settings)
    except Exception as error:  # a stranger's module may raise anything; the worker says it
        wire.send(control, wire.Raised("defect", "", f"{type(error).__name__}: {error}"))
        return
    gc.collect()
    gc.freeze()
    wire.send(control, wire.Ready())
    while True:
        order, descriptors = wire.receive(control)
        if isinstance(order, wire.Fork):
            wire.send(control, wire.Forked(_fork(control, analyzer, begin.memory_bytes, *descriptors)))
        elif isinstance(order, wire.Reap):
            _, status = os.waitpid(order.pid, 0)
            wire.send(control, wire.Reaped(os.waitstatus_to_exitcode(status)))


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (Linux; elsewhere the closed socket ends it)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _fork(control: socket.socket, analyzer: Analyzer[Any], memory_bytes: int, channel: int, errors: int) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(channel)
        os.close(errors)
        return pid
    status = 1
    try:
        die_with(parent)
        control.close()
        os.dup2(errors, 2)
        os.close(errors)
        faulthandler.enable()
        limit_memory(memory_bytes)
        serve(socket.socket(fileno=channel), analyzer)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def serve(channel: socket.socket, analyzer: Analyzer[Any]) -> None:
    """Prepare one file after the other until the worker closes the socket."""
    while True:
        if not select.select([channel], [], [], RESTS_S)[0]:
            give_back()
        try:
            task, _ = wire.receive(channel)
        except (EOFError, ConnectionError):
            return
        limit_cpu(task.cpu_s)
        answer = prepared(analyzer, task)
        try:
            wire.send(channel, answer)
        except (BrokenPipeError, ConnectionError):
            return
        except Exception as error:  # pickling calls the analyzer's own code
            wire.send(channel, wire.Raised("defect", "", f"what prepare returned cannot be sent: {error!r}"))
        del answer, task


def prepared(analyzer: Analyzer[Any], task: wire.Task) -> wire.Done | wire.Raised:
    """What `prepare` makes of the file, or how it failed."""
    try:
        return wire.Done(analyzer.prepare(task.media))
    except MemoryError:
        return wire.Raised("memory", "", "")
    except NotApplicableError as error:
        return wire.Raised("not_applicable", error.code, str(error))
    except TransientAnalyzerError as error:
        return wire.Raised("transient", error.code, str(error))
    except AnalyzerError as error:
        return wire.Raised("permanent", error.code, str(error))
    except Exception as error:
        return wire.Raised("defect", "", f"{type(error).__name__}: {error}", traceback.format_exc(limit=-20))


def limit_memory(memory_bytes: int) -> None:
    """Let this process take that much more than it has now. What imports took is not counted, so torch may be there."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory_bytes, memory_bytes))
    if sys.platform != "linux":
        return
    status = Path("/proc/self/status").read_text(encoding="ascii")
    sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"(VmSize|VmData):\s+(\d+) kB", status)}
    data = sizes["VmData"] + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    # Shared mappings are no data, but count here.
    space = sizes["VmSize"] + memory_bytes + LIBRARY_ROOM
    resource.setrlimit(resource.RLIMIT_AS, (space, space))


def limit_cpu(seconds: int) -> None:
    """Allow that much more CPU time. RLIMIT_CPU counts a process's whole life."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
