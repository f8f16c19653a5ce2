"""Large blocks stay with the process while there is work, and go back to the kernel when the device rests."""

import platform
import subprocess
import sys

import pytest

SIZE = 64 << 20
# On a device's own thread, as networks run: threads have heaps of their own unless they are told otherwise.
SCRIPT = f"""
import asyncio, resource, sys
from pathlib import Path
from assay.inference import memory
from assay.inference.device import Lane

if sys.argv[1] == "kept":
    memory.keep_large_blocks()

def batch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"x" * {SIZE}
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

async def main():
    lane = Lane("device", rests_s=1.0)
    for _ in range(3):
        await lane.run(batch)
    working = resident()
    if sys.argv[1] == "kept":
        async with asyncio.timeout(20):
            while working - resident() < {SIZE} // 4096 // 2:
                await asyncio.sleep(0.05)
        print("given back")

asyncio.run(main())
"""
FEW = 16
"""Faults: fewer than a batch has where the kernel clears 2 MiB at a time."""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="glibc is told to keep memory; other C libraries are left as they are"
)


def run(how: str) -> list[str]:
    """Page faults of three batches, a line each, and what else the script says."""
    done = subprocess.run([sys.executable, "-P", "-c", SCRIPT, how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_pages_of_a_batch_serve_the_next_one_until_the_device_rests() -> None:
    first, second, third, end = run("kept")
    assert int(first) > FEW
    assert max(int(second), int(third)) < FEW
    assert end == "given back"


def test_without_it_each_batch_has_its_pages_cleared_anew() -> None:
    _, second, third = run("as it is")
    assert min(int(second), int(third)) > FEW
