"""Messages between a worker and its sandbox: pickles on a socket pair, large buffers beside them in shared memory.

Pickle protocol 5 hands the buffers of arrays out separately. From 64 KiB on they are written once to an anonymous
file, whose descriptor travels with the message, and are mapped by the receiver: not copied through the socket.
"""

import fcntl
import mmap
import os
import pickle
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.sdk import Media

HEADER = struct.Struct("!QI")  # bytes of the pickle, number of buffers
SIZE = struct.Struct("!Q")
ALIGNMENT = 64
SHARED_FROM = 64 * 1024
MAX_BUFFERS = 100_000
MAX_DESCRIPTORS = 4


@dataclass(frozen=True, slots=True)
class Begin:
    """To the first process: which analyzer it is for. `settings` as the environment has them."""

    name: str
    entry: str
    settings: dict[str, Any]
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The analyzer's module is imported."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Make a child; its socket and its standard error travel along."""


@dataclass(frozen=True, slots=True)
class Forked:
    """The child's process id."""

    pid: int


@dataclass(frozen=True, slots=True)
class Reap:
    """Wait for the end of a child that is dead or about to be."""

    pid: int


@dataclass(frozen=True, slots=True)
class Reaped:
    """How it ended: a status as `os.waitstatus_to_exitcode` gives it, negative for a signal."""

    status: int


@dataclass(frozen=True, slots=True)
class Task:
    """Prepare this file, with that much CPU time."""

    media: Media
    cpu_s: int


@dataclass(frozen=True, slots=True)
class Done:
    """What `prepare` returned."""

    prepared: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """`prepare` raised: `kind` is not_applicable, permanent, transient, memory or defect."""

    kind: str
    code: str
    text: str
    trace: str = ""


class TooLargeError(Exception):
    """A message is larger than the receiver takes."""


def send(channel: socket.socket, message: object, descriptors: Sequence[int] = ()) -> None:
    """Send a message, and descriptors with it."""
    buffers: list[pickle.PickleBuffer] = []
    data = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    raw = [buffer.raw() for buffer in buffers]
    if sum(len(each) for each in raw) < SHARED_FROM:
        data, raw = pickle.dumps(message, protocol=5), []
    header = HEADER.pack(len(data), len(raw)) + b"".join(SIZE.pack(len(each)) for each in raw)
    if not raw:
        _send_head(channel, header, descriptors)
    else:
        shared = _written(raw)
        try:
            _send_head(channel, header, [*descriptors, shared])
        finally:
            os.close(shared)
    channel.sendall(data)


def receive(channel: socket.socket, *, until: float | None = None, at_most: int = 1 << 40) -> tuple[Any, list[int]]:
    """The next message and the descriptors that came with it.

    until: by `time.monotonic()`. Raises EOFError where the other side has gone, TimeoutError, TooLargeError.
    """
    _limit(channel, until)
    head, descriptors, _, _ = socket.recv_fds(channel, HEADER.size, MAX_DESCRIPTORS)
    length, count = HEADER.unpack(head + _exactly(channel, HEADER.size - len(head), until, ended=not head))
    if count > MAX_BUFFERS or length > at_most:
        raise TooLargeError(f"a message of {length} bytes and {count} buffers")
    sizes = [SIZE.unpack_from(_exactly(channel, SIZE.size, until))[0] for _ in range(count)]
    data = _exactly(channel, length, until)
    if not sizes:
        return pickle.loads(data), descriptors  # noqa: S301 - from a process of ours; see README, "The sandbox"
    shared = descriptors.pop()
    try:
        views = _mapped(shared, sizes, at_most)
    finally:
        os.close(shared)
    return pickle.loads(data, buffers=views), descriptors  # noqa: S301 - as above


def _send_head(channel: socket.socket, header: bytes, descriptors: Sequence[int]) -> None:
    sent = socket.send_fds(channel, [header], list(descriptors))
    channel.sendall(header[sent:])


def _limit(channel: socket.socket, until: float | None) -> None:
    if until is None:
        channel.settimeout(None)
        return
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    channel.settimeout(left)


def _exactly(channel: socket.socket, length: int, until: float | None, *, ended: bool = False) -> bytearray:
    if ended:
        raise EOFError
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        _limit(channel, until)
        got = channel.recv_into(view[at:])
        if got == 0:
            raise EOFError
        at += got
    return data


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _written(buffers: Sequence[memoryview]) -> int:
    """An anonymous file with the buffers, each at a multiple of 64 bytes. The caller closes it."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("assay", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        at = 0
        os.ftruncate(descriptor, sum(_aligned(len(buffer)) for buffer in buffers))
        for buffer in buffers:
            done = 0
            while done < len(buffer):
                done += os.pwrite(descriptor, buffer[done : done + (1 << 30)], at + done)
            at += _aligned(len(buffer))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _mapped(descriptor: int, sizes: Sequence[int], at_most: int) -> list[memoryview]:
    """Views of the buffers, writable and private to this process; they keep the memory alive."""
    total = sum(_aligned(size) for size in sizes)
    if total > at_most:
        raise TooLargeError(f"{total} bytes of buffers")
    if sys.platform == "linux":
        # A sender that shortened the file later would kill this process with SIGBUS.
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    if os.fstat(descriptor).st_size < total:
        raise EOFError("the shared memory is shorter than announced")
    view = memoryview(mmap.mmap(descriptor, max(total, 1), mmap.MAP_PRIVATE))
    views, at = [], 0
    for size in sizes:
        views.append(view[at : at + size])
        at += _aligned(size)
    return views
