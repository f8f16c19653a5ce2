"""What the C library does with large blocks: keeps them from one batch to the next, gives them back when all rests.

glibc maps a block of 32 MiB or more anew each time and unmaps it when it is freed. A network's activations for a batch
are such blocks, and having the kernel clear their pages for each of them took a quarter of ResNet-18's processor time
in batches of 16, and 2,200 faults a picture of one megapixel a third of its child's. docs/decisions/0014 has the
figures.
"""

import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
MEGABYTE = 1 << 20
KEPT_BYTES = 1024 * MEGABYTE
"""Free memory at the end of the heap that is kept while there is work."""
MAPPED_FROM = 256 * MEGABYTE
"""Such blocks are few, and would leave holes in the heap."""
KEPT_BY_CHILD, MAPPED_BY_CHILD = 128 * MEGABYTE, 64 * MEGABYTE
"""The same for a child, which has a memory limit and brothers."""
RESTS_S = 5.0
"""After so long without work memory is given back."""


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None)
    return library if sys.platform == "linux" and hasattr(library, "malloc_trim") else None


def keep_large_blocks(*, kept: int = KEPT_BYTES, mapped_from: int = MAPPED_FROM) -> None:
    """For the whole process; to be called before it has threads. Does nothing where the C library is not glibc."""
    if (library := _glibc()) is None:
        return
    # One arena: those of threads are made of heaps of 64 MiB, which hold no large block.
    for parameter, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, mapped_from), (M_TRIM_THRESHOLD, kept)):
        library.mallopt(parameter, value)


def give_back() -> None:
    """Let the kernel have what is free. Takes milliseconds, in which no other thread gets memory."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)
