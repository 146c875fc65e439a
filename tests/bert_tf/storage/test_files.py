"""Writes appear whole or not at all."""

import signal
import subprocess
import sys

import pytest

from bert_tf.storage import files


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


def test_a_killed_writer_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "vocab.txt"
    files.write_text(path, "old")
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from bert_tf.storage import files\n"
            "with files.atomic_path(sys.argv[1]) as temporary:\n"
            "    temporary.write_text('half of the ne')\n"
            "    print('writing', flush=True)\n"
            "    time.sleep(60)\n",
            path,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout.readline() == "writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_text() == "old"


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
