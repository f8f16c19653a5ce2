"""Large blocks stay with the process while there is work, and go back to the kernel when it rests."""

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
# As the sandbox runs it: a process that prepares one file after the other, each of 16 MiB.
CHILD_SCRIPT = """
import os, resource, socket, sys, time
from pathlib import Path
from assay.inference import child, memory, wire
from assay.sdk import Media

class Reader:
    def prepare(self, media):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        bytes(bytearray(b"x") * (16 << 20))
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])

memory.keep_large_blocks(kept=memory.KEPT_BY_CHILD, mapped_from=memory.MAPPED_BY_CHILD)
child.RESTS_S = 1.0
ours, theirs = socket.socketpair()
if not (pid := os.fork()):
    ours.close()
    child.serve(theirs, Reader())
    os._exit(0)
theirs.close()
for _ in range(3):
    wire.send(ours, wire.Task(Media(Path("x"), "image/jpeg", 1, ""), 60))
    print(wire.receive(ours)[0].prepared)
working, until = resident(pid), time.monotonic() + 20
while working - resident(pid) < (16 << 20) // 4096:
    assert time.monotonic() < until, "nothing is given back"
    time.sleep(0.05)
print("given back")
"""
FEW = 16
"""Faults: fewer than a batch has where the kernel clears 2 MiB at a time."""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="glibc is told to keep memory; other C libraries are left as they are"
)


def run(*arguments: str, script: str = SCRIPT) -> list[str]:
    """Page faults of three batches or files, a line each, and what else the script says."""
    done = subprocess.run([sys.executable, "-P", "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_pages_of_a_batch_serve_the_next_one_until_the_device_rests() -> None:
    first, second, third, end = run("kept")
    assert int(first) > FEW
    assert max(int(second), int(third)) < FEW
    assert end == "given back"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_the_pages_of_a_file_serve_the_childs_next_one_until_it_rests() -> None:
    first, second, third, end = run(script=CHILD_SCRIPT)
    assert int(first) > FEW
    assert max(int(second), int(third)) < FEW
    assert end == "given back"


def test_without_it_each_batch_has_its_pages_cleared_anew() -> None:
    _, second, third = run("as it is")
    assert min(int(second), int(third)) > FEW
