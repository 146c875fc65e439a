"""Memory that TensorFlow keeps for itself once the system gave it.

On a CPU, TensorFlow takes every tensor from malloc, and glibc's hands a large block
back to the system when it is freed. A training step frees and takes hundreds of
megabytes, and the system clears each page anew: measured, that was more than half of a
BERT-tiny step. TensorFlow's own pool, its allocator for GPUs, also serves CPUs: it
keeps its pages, and packs them better than a heap. See `benchmarks/LOG.md`.
"""

import os


def keep_memory() -> None:
    """Has TensorFlow keep the memory of its tensors; call before importing it.

    A user's own setting stays. The pool may grow to the machine's memory.
    """
    for name, value in settings().items():
        os.environ.setdefault(name, value)


def settings() -> dict[str, str]:
    """Returns the variables of the environment that TensorFlow reads."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "TF_CPU_ALLOCATOR_USE_BFC": "true",
        "TF_CPU_BFC_MEM_LIMIT_IN_MB": str(machine // 2**20),
    }
