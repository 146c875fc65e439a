"""Writes appear whole or not at all."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from bert_tf.errors import InputError
from bert_tf.storage import files, scratch
from bert_tf.storage.json_files import read_json
from bert_tf.storage.tfrecord import read_records
from bert_tf.text.vocabulary import Vocabulary, load_entries


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "vocab.txt"
    with files.atomic_path(path) as temporary:
        temporary.write_text("[PAD]\n")
        assert not path.exists()
    assert path.read_text() == "[PAD]\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "model"
    with files.atomic_path(path) as temporary:
        (temporary / "variables").mkdir(parents=True)
        (temporary / "variables" / "data").write_bytes(b"1")
    assert (path / "variables" / "data").read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "vocab.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyError), files.atomic_path(path) as temporary:
        temporary.write_text("half of the ne")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@contextlib.contextmanager
def killed_in_the_end(path):
    """A writer of the path that is in the middle of its work, and then dies."""
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from bert_tf.storage import files\n"
            "with files.atomic_path(sys.argv[1]) as temporary:\n"
            "    temporary.write_text('half of the ne')\n"
            "    print('writing', flush=True)\n"
            "    time.sleep(600)\n",
            path,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "writing\n"
    try:
        yield
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()


def test_a_killed_writer_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "vocab.txt"
    files.write_text(path, "old")
    with killed_in_the_end(path):
        pass
    assert path.read_text() == "old"
    assert len(scratch.leftovers(tmp_path)) == 1


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    path = tmp_path / "model[1]*"
    with killed_in_the_end(path):
        assert len(scratch.leftovers(tmp_path)) == 1
        # Another writer at work at the same time keeps what it has.
        files.write_text(path, "second")
        scratch.remove_leftovers(tmp_path)
        assert len(scratch.leftovers(tmp_path)) == 1
    files.write_text(tmp_path / "other", "")
    assert len(scratch.leftovers(tmp_path)) == 1
    files.write_text(path, "third")
    assert not scratch.leftovers(tmp_path)
    assert path.read_text() == "third"


def test_a_writer_killed_before_its_lock_leaves_an_empty_folder(tmp_path):
    (tmp_path / ".vocab.txt.tmp-abc").mkdir()
    scratch.remove_leftovers(tmp_path)
    assert not scratch.leftovers(tmp_path)


def test_a_writer_whose_folder_is_taken_for_a_leftover_makes_another(
    tmp_path, monkeypatch
):
    made, mkdtemp = [], tempfile.mkdtemp

    def taken(**place):
        made.append(mkdtemp(**place))
        if len(made) == 1:
            scratch.remove_leftovers(tmp_path)  # Between its creation and its lock.
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", taken)
    files.write_text(tmp_path / "vocab.txt", "new")
    assert len(made) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["vocab.txt"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    reached = False
    with pytest.raises(IsADirectoryError) as raised, files.atomic_file(tmp_path):
        reached = True
    assert not reached and raised.value.filename == str(tmp_path)


def test_a_full_disk_is_one_whoever_says_so(tmp_path):
    path = tmp_path / "model"
    words = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OSError) as raised, files.atomic_path(path):
        raise RuntimeError(words)
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    with pytest.raises(RuntimeError, match="unrelated"), files.atomic_path(path):
        raise RuntimeError("unrelated")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "vocab.txt"
    files.write_text(path, "old")
    # A limit on the file's size stands in for the disk's: the write fails half-way.
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import resource, signal, sys\n"
            "from bert_tf.storage import files\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "files.write_text(sys.argv[1], 'x' * 5000)\n",
            path,
        ],
        capture_output=True,
        text=True,
    )
    assert "File too large" in result.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "url", ["file:///x", "gs://bucket/x", "s3:/bucket", "hdfs://n"]
)
def test_a_url_is_no_path_to_write_to(tmp_path, monkeypatch, url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="must be a path of this machine"):
        files.write_text(url, "")
    assert not list(tmp_path.iterdir())
    files.write_text("a:b/c", "")
    assert (tmp_path / "a:b" / "c").is_file()


@pytest.mark.parametrize(
    "read",
    [
        files.read_bytes,
        read_json,
        load_entries,
        Vocabulary.load_file,
        lambda path: list(read_records(path)),
    ],
)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, read):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, kind in (
        (pipe, "a pipe"),
        (tmp_path, "a folder"),
        ("/dev/zero", "a device"),
    ):
        with pytest.raises(InputError, match=f"{path}: must be a file.*{kind}"):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nothing")


@pytest.mark.parametrize(
    "content",
    [b"{", b"\xff", b'{"a": 1' + b"0" * 5000 + b"}", b'{"a":' + b"[" * 100_000],
)
def test_what_is_no_json_is_named(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: not a JSON file"):
        read_json(path)
