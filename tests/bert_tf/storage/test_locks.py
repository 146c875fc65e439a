import errno
import fcntl
import os
import subprocess
import sys

import pytest

from bert_tf.errors import InputError
from bert_tf.storage.locks import FolderLock

HOLDER = """
import sys
from bert_tf.storage.locks import FolderLock

lock = FolderLock(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_which_the_first_is(tmp_path, holder):
    with pytest.raises(InputError) as error:
        FolderLock(tmp_path)
    assert f"{tmp_path}: another run is at work here (process {holder.pid} on " in str(
        error.value
    )


def test_the_lock_dies_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    FolderLock(tmp_path).close()


def test_closing_lets_others_in_and_leaves_the_folder(tmp_path):
    with FolderLock(tmp_path / "new") as lock:
        with pytest.raises(InputError, match=f"process {os.getpid()} on"):
            FolderLock(tmp_path / "new")
    lock.close()
    with FolderLock(tmp_path / "new"):
        pass


def test_a_url_makes_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="must be a path of this machine"):
        FolderLock("gs://bucket/workdir")
    assert not list(tmp_path.iterdir())


def test_children_do_not_inherit_it(tmp_path):
    """A worker or a pager that outlives the run must not keep the next one out."""
    with FolderLock(tmp_path) as lock:
        child = subprocess.Popen(
            [sys.executable, "-c", "print('begun', flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        with child:
            assert child.stdout.readline() == b"begun\n"
            lock.close()
            FolderLock(tmp_path).close()
            child.communicate(b"\n")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_costs_a_warning(
    tmp_path, monkeypatch, caplog, code
):
    """As NFS without a lock service, or an object store, answers."""

    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with FolderLock(tmp_path):
        pass
    assert f"{tmp_path}: its file system keeps no locks" in caplog.text


def test_another_error_is_raised(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"):
        FolderLock(tmp_path)
