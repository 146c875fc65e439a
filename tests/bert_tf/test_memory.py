import os
import subprocess
import sys

PROGRAM = """
import os, resource, sys
from bert_tf.memory import restart_keeping_memory
restart_keeping_memory()
for _ in range(30):
    bytearray(64 * 2**20)  # Cleared, so that every page is touched.
print(sys.argv[1], resource.getrusage(resource.RUSAGE_SELF).ru_minflt, os.getpid())
"""


def run(**environment):
    inherited = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "an argument"],
        stdout=subprocess.PIPE,
        text=True,
        env={**inherited, **environment},
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    *argument, faults, pid = output.split()
    assert argument == ["an", "argument"]
    assert int(pid) == process.pid
    return int(faults)


def test_freed_memory_is_not_taken_anew():
    # A user's own setting stays; this one changes nothing.
    usual = run(GLIBC_TUNABLES="glibc.malloc.check=0")
    assert usual > 30 * 64 * 2**20 / 4096 / 2
    assert run() < usual / 5
