"""Large blocks stay with the process while there is work, and go back to the kernel when it rests."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is changed")

SIZE = 64 << 20
# In a thread, as networks run: threads have heaps of their own unless they are told otherwise.
SCRIPT = f"""
import resource, sys, threading
from pathlib import Path
from assay.inference import memory

if sys.argv[1] == "kept":
    memory.keep_large_blocks()

def batch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * {SIZE}
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

def resident():
    print(int(Path("/proc/self/statm").read_text().split()[1]))

def batches():
    for _ in range(3):
        batch()

thread = threading.Thread(target=batches)
thread.start()
thread.join()
resident()
memory.give_back()
resident()
"""
PAGES = SIZE // 4096
FEW = 16
"""Faults: fewer than a batch has where the kernel clears 2 MiB at a time."""


def run(how: str) -> list[int]:
    """Page faults of three batches, and the resident pages before and after the memory was given back."""
    done = subprocess.run([sys.executable, "-P", "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_the_pages_of_a_batch_serve_the_next_one() -> None:
    first, second, third, working, resting = run("kept")
    assert first > FEW
    assert max(second, third) < FEW
    assert working - resting > PAGES // 2


def test_without_it_each_batch_has_its_pages_cleared_anew() -> None:
    _, second, third, _, _ = run("as it is")
    assert min(second, third) > FEW
