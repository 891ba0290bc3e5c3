"""Settings of the memory allocator and the garbage collector, made where the process starts."""

import ctypes
import gc
import sys

# From glibc's malloc.h; mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST_THRESHOLD = 32 << 20  # glibc refuses a larger one on 64-bit machines (HEAP_MAX_SIZE / 2)
_GIB, _64_MIB = 1 << 30, 64 << 20


def keep_large_blocks() -> bool:
    """Keeps freed memory with the process instead of giving it back after each large body. True if set.

    A 300 KB conversation is read, joined and written in blocks above glibc's default mmap threshold
    (128 KB): each is mapped, page-faulted and unmapped anew, which costs more than everything else the
    gateway does with it. Measured: three times as many 300 KB requests a second (bench/README.md). The
    price is that resident memory keeps its high-water mark. On other C libraries nothing is changed.
    """
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL(None)
        mallopt = libc.mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    results = (
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD),
        mallopt(_M_TRIM_THRESHOLD, _GIB),
        mallopt(_M_TOP_PAD, _64_MIB),
    )
    return all(results)


def collect_garbage_less() -> None:
    """Lets the cyclic collector rest. Call it once, when everything that lives as long as the process is made.

    What exists now is never looked at again (`gc.freeze`), and a look at the young objects comes after 10,000
    allocations instead of 700: a request leaves no cycles behind, so a look is work for nothing (measured at
    3 to 4 % of the relay's time), and with thousands of streams open a full look is a pause that all of them feel.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)
