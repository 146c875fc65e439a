import hashlib
import itertools

import pytest

from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary, load_entries


def test_a_vocabulary_round_trips(tmp_path):
    entries = (*SPECIAL_TOKENS, "a", "\u2028", "\x85x", "é")
    for lower, strip in itertools.product((True, False), (True, False, None)):
        config = TokenizerConfig(do_lower_case=lower, strip_accents=strip)
        written = Vocabulary.from_entries(entries, config)
        written.save(tmp_path)
        read = Vocabulary.load(tmp_path)
        assert read == written and read.files == written.files
        assert (read.entries, read.config, len(read)) == (entries, config, 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(read.files)


def test_a_vocabulary_keeps_its_files_to_the_byte(tmp_path):
    contents = {
        # No line end at the end, and settings of Hugging Face's.
        "vocab.txt": b"[MASK]\n[SEP]\n[CLS]\n[UNK]\n[PAD]",
        "tokenizer_config.json": b'{"do_lower_case":false, "model_max_length": 512}',
    }
    (tmp_path / "bert-vocab.txt").write_bytes(contents["vocab.txt"])
    path = tmp_path / "tokenizer_config.json"
    path.write_bytes(contents["tokenizer_config.json"])

    vocabulary = Vocabulary.load_file(tmp_path / "bert-vocab.txt")

    assert vocabulary.files == contents
    assert vocabulary.hash == hashlib.sha256(contents["vocab.txt"]).hexdigest()
    special = vocabulary.mask_id, vocabulary.sep_id, vocabulary.cls_id
    assert (*special, vocabulary.unk_id, vocabulary.pad_id) == (0, 1, 2, 3, 4)
    (tmp_path / "copy").mkdir()
    vocabulary.save(tmp_path / "copy")
    for name, content in contents.items():
        assert (tmp_path / "copy" / name).read_bytes() == content
    # Settings that are given take the place of the file.
    cased = TokenizerConfig(do_lower_case=False)
    path.unlink()
    given = Vocabulary.load_file(tmp_path / "bert-vocab.txt", cased)
    assert given == vocabulary and given.hash == vocabulary.hash
    with pytest.raises(InputError, match="no such file"):
        Vocabulary.load_file(tmp_path / "bert-vocab.txt")


def test_settings_are_equal_where_they_do_the_same():
    assert TokenizerConfig(True, None) == TokenizerConfig(True, True)
    assert TokenizerConfig(False, None) == TokenizerConfig(False, False)
    different = {(True, True), (True, False), (False, True), (False, False)}
    assert len({TokenizerConfig(*settings) for settings in different}) == 4
    assert TokenizerConfig() != (True, None)


@pytest.mark.parametrize(
    ("entries", "lower"),
    [
        (["[unused7]", "heart", "##s"], True),
        (["[UNUSED]", "heart"], False),
        (["heart", "Heart"], False),
        (["ß", "心"], True),
    ],
)
def test_entries_suggest_whether_text_was_lower_cased(entries, lower):
    guess = TokenizerConfig.guess([*SPECIAL_TOKENS, *entries])
    assert guess.do_lower_case is guess.strips_accents is lower


@pytest.mark.parametrize("entry", ["café", "हिन्दी", "##े"])
def test_entries_with_marks_show_that_they_were_kept(entry):
    assert TokenizerConfig.guess(["heart", entry]) == TokenizerConfig(True, False)
    assert TokenizerConfig.guess(["Heart", entry]) == TokenizerConfig(False, False)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("a\nb", r"line 6 holds the character '\\n'"),
        ("a\0b", r"line 6 holds the character '\\x00'"),
        ("\ud800", r"line 6 is not Unicode: '\\ud800'"),
        ("b" * 257, r"line 6 has 257 bytes, .* at most 256: 'bbb"),
        ("##" + "é" * 129, r"line 6 has 258 bytes, .* at most 256: '##é"),
    ],
)
def test_entries_that_the_tokenizer_cannot_take_are_refused(entry, message):
    with pytest.raises(InputError, match=f"tokens.json: {message}.*unused0") as error:
        Vocabulary.from_entries(
            [*SPECIAL_TOKENS, entry], TokenizerConfig(), source="tokens.json"
        )
    assert len(str(error.value)) < 250


def test_the_longest_entry_is_found():
    entries = [*SPECIAL_TOKENS, "b" * 256, "##" + "é" * 128]
    vocabulary = Vocabulary.from_entries(entries, TokenizerConfig(False))
    tokenizer = BertTokenizer(vocabulary)
    assert tokenizer.tokenize(["b" * 256 + "é" * 256]).to_list() == [[5, 6, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", r"no \[MASK\] among 5 entries"),
        (b"", "line 1 is blank"),
        (b"[PAD]\n\n", "line 2 is blank"),
        (b"[PAD]\na\nb\na\n", "lines 2 and 4 are both 'a'"),
        (b"[PAD]\r\n[UNK]\r\n", "line 1 ends in a carriage return"),
        (b"[PAD]\n\xff\n", "not UTF-8 at byte 6"),
        (b"[PAD]\n" + b"A" * 5000 + b"\n", "line 2 has 5000 bytes"),
    ],
)
def test_bad_vocabularies(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_entries(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not a JSON file"),
        ("[]", "expected a JSON object"),
        ('{"do_lower_case": 1}', "do_lower_case must be true or false. Received: 1"),
        ('{"strip_accents": "no"}', "strip_accents must be true, false or null"),
        ('{"tokenize_chinese_chars": false}', "tokenize_chinese_chars must be true"),
    ],
)
def test_bad_configs(tmp_path, content, message):
    if content is not None:
        (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        TokenizerConfig.load(tmp_path)


def test_hugging_face_settings_are_read(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text(
        '{"model_max_length": 512, "do_lower_case": false, "strip_accents": null}'
    )
    config = TokenizerConfig.load(tmp_path)
    assert config == TokenizerConfig(do_lower_case=False)
