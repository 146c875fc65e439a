"""What the tests of google-research/bert and Hugging Face expect of BERT's tokenizer.

The expectations stand in `bert_tokenization.json`, each with the test that has it; no
code of ours decided any. Those with `differs` say why we do otherwise.
"""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer, WordSplitter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

CASES = json.loads((Path(__file__).parent / "bert_tokenization.json").read_text())[
    "cases"
]


def of_kind(*kinds):
    cases = [case for case in CASES if case["kind"] in kinds]
    names = [case["source"].rsplit(", ", 1)[1] for case in cases]
    return pytest.mark.parametrize("case", cases, ids=names)


def config_of(case):
    return TokenizerConfig(case["do_lower_case"], case["strip_accents"])


def compare(received, case):
    assert (received == case["expected"]) is ("differs" not in case), received


@of_kind("words")
def test_words(case):
    words, _ = WordSplitter(config_of(case)).split([case["text"]])
    compare(words, case)


@of_kind("pieces")
def test_pieces(case):
    entries = case["vocabulary"]
    # Theirs may leave out special tokens; ours stand behind, so that ids are theirs.
    entries = [*entries, *(t for t in SPECIAL_TOKENS if t not in entries)]
    vocabulary = Vocabulary.from_entries(entries, config_of(case))
    literal_mask = case.get("literal_mask", False)
    (ids,) = BertTokenizer(vocabulary).tokenize([case["text"]], literal_mask).to_list()
    compare([entries[index] for index in ids], case)
    if "ids" in case:
        assert ids == case["ids"]


@of_kind("whitespace", "control", "punctuation")
def test_kinds_of_characters(case):
    """Seen from what becomes of `a?b`."""
    character = case["character"]
    words, _ = WordSplitter(TokenizerConfig(False, False)).split([f"a{character}b"])
    as_if = {
        "whitespace": ["a", "b"],
        "control": ["ab"],
        "punctuation": ["a", character, "b"],
    }
    assert (words == as_if[case["kind"]]) is case["expected"]


@of_kind("sequence")
def test_sequences(case):
    vocabulary = Vocabulary.from_entries([*SPECIAL_TOKENS, "A", "B"], TokenizerConfig())
    ids = [[vocabulary.entries.index(entry)] for entry in "AB"[: case["segments"]]]
    segments = [tf.ragged.constant([row], tf.int32) for row in ids]
    expected = case["expected"]

    packed = BertTokenizer(vocabulary).pack(segments, len(expected))

    tokens = [vocabulary.entries[index] for index in packed["input_ids"][0].numpy()]
    assert tokens == expected
