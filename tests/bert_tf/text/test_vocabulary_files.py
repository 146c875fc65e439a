import itertools

import pytest

from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import (
    SPECIAL_TOKENS,
    TokenizerConfig,
    load_vocabulary,
    vocabulary_hash,
)


def test_files_round_trip(tmp_path):
    entries = [*SPECIAL_TOKENS, "a", "\u2028", "\x85x", "é"]
    (tmp_path / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    for lower, strip in itertools.product((True, False), (True, False, None)):
        config = TokenizerConfig(do_lower_case=lower, strip_accents=strip)
        config.save(tmp_path)
        tokenizer = BertTokenizer.from_directory(tmp_path)
        assert (tokenizer.vocabulary, tokenizer.config) == (entries, config)
    assert len(vocabulary_hash(tmp_path / "vocab.txt")) == 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", r"no \[MASK\] among 5 entries"),
        (b"", "line 1 is blank"),
        (b"[PAD]\n\n", "line 2 is blank"),
        (b"[PAD]\na\nb\na\n", "lines 2 and 4 are both 'a'"),
        (b"[PAD]\r\n[UNK]\r\n", "line 1 ends in a carriage return"),
        (b"[PAD]\n\xff\n", "not UTF-8 at byte 6"),
    ],
)
def test_bad_vocabularies(tmp_path, content, message):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        load_vocabulary(path)
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
    assert TokenizerConfig.load(tmp_path) == TokenizerConfig(do_lower_case=False)
