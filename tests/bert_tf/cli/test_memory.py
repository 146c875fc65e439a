import os
import subprocess
import sys

from bert_tf.cli import memory

PROGRAM = """
import resource
from bert_tf.cli.memory import keep_memory
keep_memory()
import tensorflow as tf
def take_and_free():
    tf.ones([2**24]).numpy()  # 64 MiB, of which every page is touched.
take_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(30):
    take_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(**environment):
    inherited = {k: v for k, v in os.environ.items() if k not in memory.settings()}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
        env={**inherited, **environment},
    )
    return int(process.stdout)


def test_freed_memory_is_not_taken_anew():
    # A user's own setting stays.
    usual = page_faults(TF_CPU_ALLOCATOR_USE_BFC="false")
    assert usual > 30 * 64 * 2**20 / 4096 / 2
    assert page_faults() < usual / 5
