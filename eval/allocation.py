"""Freed memory is kept for the next forward pass instead of going back to the kernel.

With glibc's defaults every activation above 128 KiB to 32 MiB is a fresh mapping: each pass faults in tens of
thousands of pages, and on virtual machines a fault can cost more than the convolution that fills the page.
A pass of the six-stage teacher at 368x656 in PyTorch then faults 27,000 to 89,000 times, with this never.
benchmarks/allocation.py measures what it saves, beside the alternatives that were tried: the same settings as
environment variables need a second start of the interpreter (glibc reads them before Python runs) and fault no less
often, and PyTorch's THP_MEM_ALLOC_ENABLE still gives the memory back after every pass.
"""

import ctypes
import os
import sys
from functools import cache
from typing import NamedTuple

# malloc.h of glibc; part of its stable interface.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_MADV_HUGEPAGE = 14
_RESERVED_BYTES = 1 << 30
"""Address space, not memory: nothing is resident before it is used. The pages of a pass over a 736x1312 image fit."""
_HUGE_PAGE = 1 << 21
# By which a user decides what happens to freed memory. Not MALLOC_ARENA_MAX: it is often set in containers to hold
# memory down, and one arena is within it.
_VARIABLES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
_TUNABLES = ("mmap_threshold", "mmap_max", "trim_threshold", "top_pad", "hugetlb")


class Allocation(NamedTuple):
    """What was done; `reason` says why something was not."""

    kept: bool
    huge_pages: bool
    reason: str | None = None


@cache
def keep_freed_memory() -> Allocation:
    """Sets the allocator of this process, once, so that freed memory stays and the heap lies in huge pages.

    To be called first, before numpy or torch allocate anything. Only glibc on Linux is touched, and only where the
    user has not set its allocator already. Forked children inherit the settings, other child processes do not.
    """
    if sys.platform != "linux":
        return Allocation(False, False, "only Linux's glibc gives memory back so eagerly")
    if chosen := _chosen_by_user():
        return Allocation(False, False, f"{chosen} is set")
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "gnu_get_libc_version"):
        return Allocation(False, False, "the C library is not glibc")
    # No mappings: everything comes from the heap. -1 turns trimming off, so what is freed stays in the heap. One
    # arena: those of further threads would be mappings of 64 MiB, too small for the activations of a large image.
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_ARENA_MAX, 1))
    if not all(libc.mallopt(name, value) for name, value in settings):
        return Allocation(False, False, "glibc refused mallopt")
    if not _back_with_huge_pages(libc):
        return Allocation(True, False, "no huge pages for the heap")
    return Allocation(True, True)


def _chosen_by_user() -> str | None:
    """The environment variable by which the user has already set glibc's allocator."""
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if any(f"glibc.malloc.{name}=" in tunables for name in _TUNABLES):
        return "GLIBC_TUNABLES"
    return next((name for name in _VARIABLES if name in os.environ), None)


def _back_with_huge_pages(libc: ctypes.CDLL) -> bool:
    """Grows the heap by a block, asks the kernel for huge pages there, and frees the block for all later use.

    One fault then brings 2 MiB instead of 4 KiB, so even the first pass and every new image size cost little.
    """
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block: int | None = libc.malloc(_RESERVED_BYTES)
    if block is None:  # a limit on address space, or a kernel that never overcommits
        return False
    heap_end: int = libc.sbrk(0)
    try:
        # Elsewhere than at the end of the heap: another allocator is preloaded, or the heap could not grow.
        if not heap_end - 2 * _RESERVED_BYTES < block <= heap_end - _RESERVED_BYTES:
            return False
        start = -(-block // _HUGE_PAGE) * _HUGE_PAGE
        end = (block + _RESERVED_BYTES) // _HUGE_PAGE * _HUGE_PAGE
        return bool(libc.madvise(start, end - start, _MADV_HUGEPAGE) == 0)
    finally:
        libc.free(block)
