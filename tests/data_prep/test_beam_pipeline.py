import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*flags, **settings):
    return subprocess.run(
        [
            sys.executable, "-m", "data_prep.create_pretraining_data",
            "--max_seq_length=32", "--max_predictions_per_seq=5", *flags,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        **settings,
    )  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, write_corpus):
    directory = tmp_path_factory.mktemp("corpus")
    write_corpus(directory / "a.txt", 20)
    write_corpus(directory / "b.txt", 30)
    (directory / "c.txt").write_text("\n")  # no document, which is no fault
    return directory


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_same_folders_as_the_local_run(corpus, vocab_file, tmp_path):
    for runner in ("local", "beam"):
        result = run(
            f"--input_file={corpus}",
            f"--vocab_file={vocab_file}",
            f"--output_dir={tmp_path / runner}",
            f"--eval_output_dir={tmp_path / f'{runner}-eval'}",
            "--eval_fraction=0.1",
            "--num_shards=3",
            f"--runner={runner}",
            "--beam_options=--runner=FnApiRunner",
        )
        assert result.returncode == 0, result.stderr
    for kind in ("", "-eval"):
        assert contents(tmp_path / f"beam{kind}") == contents(tmp_path / f"local{kind}")


def test_too_few_documents_are_one_line(corpus, vocab_file, tmp_path):
    result = run(
        f"--input_file={corpus / 'a.txt'}",
        f"--vocab_file={vocab_file}",
        f"--output_dir={tmp_path / 'train'}",
        "--num_shards=15",
        "--runner=beam",
        "--beam_options=--runner=FnApiRunner",
    )
    assert result.returncode == 1
    message = result.stderr.splitlines()[-1]
    assert "20 documents are too few for 15 shards" in message


def test_a_full_disk_and_bad_text_are_one_line(corpus, vocab_file, tmp_path):
    def fail(directory, *flags, **settings):
        result = run(
            f"--vocab_file={vocab_file}",
            f"--output_dir={directory}",
            "--num_shards=2",
            "--runner=beam",
            "--beam_options=--runner=FnApiRunner",
            *flags,
            **settings,
        )
        assert result.returncode == 1 and "Traceback" not in result.stderr
        return result.stderr.splitlines()[-1]

    directory = tmp_path / "train"
    message = fail(
        directory,
        f"--input_file={corpus}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000)),
    )
    assert f"{directory}/pretraining.tfrecord-0000" in message
    assert "File too large" in message
    text = tmp_path / "text.txt"
    text.write_bytes(b"\xff\n")
    message = fail(tmp_path / "other", f"--input_file={text}")
    assert f"{text}: line 1" in message and "not UTF-8" in message
