"""Messages between worker and child."""

import os
import pickle
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from assay.inference import wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def through(pair: Pair, message: object) -> object:
    sender = threading.Thread(target=wire.send, args=(pair[0], message))
    sender.start()
    received, _ = wire.receive(pair[1], until=time.monotonic() + 10)
    sender.join()
    return received


def test_arrays_of_every_size_arrive_whole_and_writable(pair: Pair) -> None:
    arrays = [np.arange(size, dtype=np.float32) for size in (0, 1, 1000, 3_000_001)]
    received = through(pair, wire.Done(arrays))
    assert isinstance(received, wire.Done)
    for sent, got in zip(arrays, received.prepared, strict=True):
        assert np.array_equal(sent, got)
        assert got.flags.aligned
        got[:] = 1


def test_large_arrays_do_not_go_through_the_socket(pair: Pair) -> None:
    """All of it fits into the socket's buffer, so nobody has to read while it is sent."""
    pair[0].settimeout(5)
    wire.send(pair[0], wire.Done(np.zeros(50_000_000, np.uint8)))
    received, _ = wire.receive(pair[1], until=time.monotonic() + 10)
    assert received.prepared.shape == (50_000_000,)


def test_memory_is_given_back_with_the_array(pair: Pair) -> None:
    def mappings() -> int:
        with open("/proc/self/maps") as maps:  # noqa: PTH123 - a plain read
            return sum("memfd:assay" in line for line in maps)

    if not os.path.exists("/proc/self/maps"):  # noqa: PTH110
        return
    received = through(pair, wire.Done(np.ones(1_000_000)))
    assert mappings() == 1
    del received
    assert mappings() == 0


def test_descriptors_travel(pair: Pair) -> None:
    read, write = os.pipe()
    wire.send(pair[0], wire.Fork(), [write])
    os.close(write)
    order, (received,) = wire.receive(pair[1])
    assert order == wire.Fork()
    os.write(received, b"x")
    os.close(received)
    assert os.read(read, 2) == b"x"
    os.close(read)


def test_the_end_of_the_other_side_is_told_whenever_it_comes(pair: Pair) -> None:
    data = pickle.dumps("whole")
    pair[0].sendall(wire.HEADER.pack(len(data), 0) + data[:-1])
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1])
    with pytest.raises(EOFError):
        wire.receive(pair[1])


def test_what_is_too_large_or_too_late_is_refused(pair: Pair) -> None:
    wire.send(pair[0], wire.Done(b"x" * 1000))
    with pytest.raises(wire.TooLargeError):
        wire.receive(pair[1], at_most=500)
    other, silent = socket.socketpair()
    with other, silent, pytest.raises(TimeoutError):
        wire.receive(other, until=time.monotonic() + 0.05)


def test_memory_shorter_than_announced_does_not_kill_the_reader(pair: Pair) -> None:
    shared = os.memfd_create("assay", os.MFD_ALLOW_SEALING)
    os.ftruncate(shared, 100)
    header = wire.HEADER.pack(10, 1) + wire.SIZE.pack(1_000_000)
    socket.send_fds(pair[0], [header + b"0123456789"], [shared])
    os.close(shared)
    with pytest.raises(EOFError):
        wire.receive(pair[1])
