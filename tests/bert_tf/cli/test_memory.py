import os
import subprocess
import sys

import pytest

from bert_tf.cli import memory

# More than the pool may hold: the system's own memory would do, the pool says no.
PROGRAM = """
import sys

import pytest
from bert_tf.cli.memory import keep_memory
keep_memory()
assert "tensorflow" not in sys.modules
import tensorflow as tf
with tf.device("CPU"):
    tf.ones([2**20])
    try:
        tf.ones([2**24])
    except tf.errors.ResourceExhaustedError:
        print("the pool is full")
"""


def without_settings():
    return {k: v for k, v in os.environ.items() if k not in memory.settings()}


def test_the_pool_is_asked_for_and_may_grow_to_the_machines_memory(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    memory.keep_memory()
    assert os.environ["TF_CPU_ALLOCATOR_USE_BFC"] == "true"
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert int(os.environ["TF_CPU_BFC_MEM_LIMIT_IN_MB"]) == machine // 2**20


def test_a_users_own_setting_stays(monkeypatch):
    monkeypatch.setattr(os, "environ", {"TF_CPU_ALLOCATOR_USE_BFC": "false"})
    memory.keep_memory()
    assert os.environ["TF_CPU_ALLOCATOR_USE_BFC"] == "false"


@pytest.mark.slow
def test_tensorflow_takes_its_tensors_from_the_pool():
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
        env=without_settings() | {"TF_CPU_BFC_MEM_LIMIT_IN_MB": "16"},
    )
    assert process.stdout == "the pool is full\n"
