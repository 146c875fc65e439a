"""The job as users start it."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
TEXT = "The man ate an apple.\nThe women are at home!\n\nÉmile met them there.\n" * 30


@pytest.fixture
def run(warm):
    def run(**flags):
        flags = (f"--{name}={value}" for name, value in flags.items())
        return warm.run(["-m", "data_prep.create_vocabulary", *flags])

    return run


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_vocabulary_and_what_is_said_of_it(run, tmp_path, text_file):
    output_file = tmp_path / "out" / "vocab.txt"
    result = run(input_file=text_file, output_file=output_file, vocab_size=1000)
    assert result.returncode == 0, result.stderr
    learned = Vocabulary.load_file(output_file)
    entries = learned.entries
    assert {"the", "##n", "emile", "!"} <= set(entries)
    assert learned.config == TokenizerConfig()
    assert sorted(path.name for path in output_file.parent.iterdir()) == [
        "tokenizer_config.json",
        "vocab.txt",
    ]
    for line in (
        "31 documents with 90 sentences from 1 files (0.0 MB)",
        f"{len(entries)} entries",
        "fewer than the 1,000 asked for",
        "characters, 100.0000% of the text's",
        "510 words: 0.0000% become [UNK], with 0.0000% of the characters; the "
        "average is 1.000 pieces",
        f"Wrote {output_file}",
        f"Next: python -m data_prep.create_pretraining_data --input_file={text_file}",
    ):
        assert line in result.stdout
    assert "accents" not in result.stdout
    first = output_file.read_bytes()
    # Compressed, and in another place: the same text, the same bytes.
    (tmp_path / "text.txt.gz").write_bytes(gzip.compress(text_file.read_bytes()))
    output_file = tmp_path / "again.txt"
    result = run(
        input_file=f"{tmp_path}/*.gz", output_file=output_file, vocab_size=1000
    )
    assert result.returncode == 0, result.stderr
    assert output_file.read_bytes() == first


def test_case_accents_and_rare_characters(run, tmp_path, text_file):
    text_file.write_text(TEXT + "ж\n", encoding="utf-8")
    output_file = tmp_path / "vocab.txt"
    result = run(
        input_file=text_file,
        output_file=output_file,
        vocab_size=60,
        do_lower_case=False,
        strip_accents=True,
        character_coverage=0.999,
    )
    assert result.returncode == 0, result.stderr
    learned = Vocabulary.load_file(output_file)
    entries = learned.entries
    assert len(entries) == 60
    assert {"E", "T"} <= set(entries)
    assert "É" not in entries
    assert "1 rare characters left out, words with them are [UNK]: 'ж'" in result.stdout
    assert learned.config == TokenizerConfig(False, True)


def test_base64_of_zeros_and_letters_among_accents(run, tmp_path, text_file):
    hindi = "सभी मनुष्यों को गौरव और अधिकारों के मामले में\n" * 30
    text_file.write_text(f"{hindi}{'A' * 5000}\n" * 3, encoding="utf-8")
    output_file = tmp_path / "new vocabulary" / "vocab.txt"
    result = run(input_file=text_file, output_file=output_file, vocab_size=500)
    assert result.returncode == 0, result.stderr
    assert "characters are marks that spell it and are dropped" in result.stdout
    assert "◌े" in result.stdout and "--strip_accents=false" in result.stdout
    # The next command can be pasted.
    assert f"--vocab_file='{output_file}'" in result.stdout


def test_bad_input_is_left_out_on_request(run, tmp_path, text_file):
    text_file.write_bytes(text_file.read_bytes() + b"\xff\n")
    flags = {"input_file": text_file, "output_file": tmp_path / "vocab.txt"}
    result = run(**flags, vocab_size=100, bad_input="skip")
    assert result.returncode == 0, result.stderr
    assert "left out 1 places: not UTF-8; first" in result.stdout


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (None, {}, "text.txt: no such file, or no file matches."),
        (b"", {}, "they are empty."),
        (b"\x7fELF\0\0", {}, "line 1 (byte 4 of the text): a NUL (byte 0x00)."),
        (b"caf\xe9\n", {}, "line 1 (byte 3 of the text): not UTF-8 (byte 0xe9)."),
        (b"\xc2\xad\n", {}, "the text holds no words."),
        (b"a", {"vocab_size": 3}, "`vocab_size` must be at least 7"),
        (b"a", {"input_format": "csv"}, "--input_format must be one of"),
        (b"a", {"output_file": "{tmp_path}"}, "--output_file must name a file"),
        (b"a", {"output_file": "{tmp_path}/text.txt/vocab.txt"}, "text.txt: "),
    ],
)
def test_bad_input_in_one_line(run, tmp_path, content, flags, message):
    text_file = tmp_path / "text.txt"
    if content is not None:
        text_file.write_bytes(content)
    flags = {
        "input_file": text_file,
        "output_file": tmp_path / "out" / "vocab.txt",
        **flags,
    }
    flags["output_file"] = str(flags["output_file"]).format(tmp_path=tmp_path)
    result = run(**flags)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    error = result.stderr.splitlines()[-1]
    assert error.startswith("data_prep.create_vocabulary: error: ")
    assert message in error
    assert not list(tmp_path.rglob("vocab.txt*"))
    assert not list(tmp_path.rglob("tokenizer_config.json"))


def test_help_shows_an_example():
    result = subprocess.run(
        [sys.executable, "-m", "data_prep.create_vocabulary", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0
    assert "python -m data_prep.create_vocabulary \\\n" in result.stdout
    assert "--[no]do_lower_case" in result.stdout
