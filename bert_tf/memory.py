"""Memory that a process keeps for itself once the system gave it.

TensorFlow's CPU allocator is malloc, and glibc's hands every large block back to the
system when it is freed. A training step frees and takes hundreds of megabytes, and the
system clears each page anew: measured, that was more than half of a BERT-tiny step. See
`benchmarks/LOG.md`.
"""

import os
import platform
import sys

TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in (
        ("mmap_threshold", 2**40),  # Blocks of any size come from the heap,
        ("trim_threshold", 2**62),  # which never shrinks,
        ("arena_max", 1),  # is one for all threads,
        ("hugetlb", 1),  # and has pages of 2 MiB where the system allows them.
    )
)
"""The value of `GLIBC_TUNABLES`, which glibc reads as a process starts."""


def restart_keeping_memory() -> None:
    """Starts this very process anew with a heap that keeps its memory.

    To be called first thing in a job: nothing done before survives. Returns at once
    where the C library is not glibc, and where `GLIBC_TUNABLES` is set: by an earlier
    call, or by a user, whose choice it is.
    """
    if platform.libc_ver()[0] != "glibc" or "GLIBC_TUNABLES" in os.environ:
        return
    environment = {**os.environ, "GLIBC_TUNABLES": TUNABLES}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
