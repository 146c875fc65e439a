"""What a vocabulary is learned from, and what is in it."""

import collections
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.text import vocabulary_fit
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer, WordSplitter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep import vocabulary

ROOT = Path(__file__).parents[2]
CONFIG = TokenizerConfig()
TEXT = [
    "The lower, the lowest, the newest; the widest?",
    "Low low low low low newer newer newer wider 42 42",
    "東京は日本の首都です。東京東京",
    "हिन्दी हिन्दी ภาษาไทย ภาษาไทย العربية العربية",
    "naïve café Café",
] * 4 + ["𐍈 rare ẞ"]


@pytest.fixture(scope="module")
def splitter():
    return WordSplitter(CONFIG)


@pytest.fixture(scope="module")
def words(splitter):
    return vocabulary.count_words(TEXT, splitter)


def test_words_are_counted_whole(splitter, monkeypatch):
    expected = collections.Counter()
    for text in TEXT:
        expected.update(splitter.split([text])[0])
    counts = vocabulary.count_words(TEXT, splitter)
    assert counts == expected
    assert counts["the"] == 16
    assert counts["東"] == 12
    assert counts["cafe"] == 8
    # In many batches as in one.
    monkeypatch.setattr(vocabulary, "_MAX_STRINGS", 3)
    assert vocabulary.count_words(TEXT, splitter) == expected


def test_the_rarest_words_go_when_there_are_too_many(splitter, words, monkeypatch):
    monkeypatch.setattr(vocabulary, "_MAX_WORDS", 20)
    kept = vocabulary.count_words(TEXT, splitter)
    assert 0 < len(kept) <= 20
    least = min(kept.values())
    assert kept == {w: n for w, n in words.items() if n >= least}


def test_alphabet(splitter, words):
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 1000)
    assert alphabet.coverage == 1.0
    assert alphabet.dropped == []
    assert len(set(alphabet.entries)) == len(alphabet.entries)
    assert {"e", "##e", "4", "##4", "𐍈", "##𐍈", "ह", "##ह"} <= set(alphabet.entries)
    # Ideographs and punctuation never stand inside a word.
    assert {"東", ",", "。"} <= set(alphabet.entries)
    assert not {"##東", "##,", "##。"} & set(alphabet.entries)


def test_rare_characters_are_dropped_whole_but_no_ascii(splitter, words):
    alphabet = vocabulary.choose_alphabet(words, splitter, 0.99, 1000)
    dropped = dict(alphabet.dropped)
    assert dropped["𐍈"] == 1
    assert 0.99 <= alphabet.coverage < 1.0
    total = sum(len(word) * count for word, count in words.items())
    assert 1 - sum(dropped.values()) / total == pytest.approx(alphabet.coverage)
    scarce = vocabulary.choose_alphabet(words, splitter, 0.3, 1000)
    assert "?" in scarce.entries
    assert all(ord(entry[-1]) < 128 for entry in scarce.entries)
    # Where there is room for all of them, all stay.
    roomy = vocabulary.choose_alphabet(words, splitter, 0.3, 30_522)
    assert roomy.dropped == []


def test_a_small_vocabulary_gets_the_most_frequent_characters(splitter, words):
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 5)
    assert alphabet.entries == ["e", "##e", "w", "##w"]
    entries = vocabulary.train(words, alphabet, len(SPECIAL_TOKENS) + 5)
    assert entries[:9] == [*SPECIAL_TOKENS, "e", "##e", "w", "##w"]
    assert len(entries) <= 10


def test_training(splitter, words):
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 1000)
    entries = vocabulary.train(words, alphabet, 30_000)
    learned = Vocabulary.from_entries(entries, CONFIG)
    start = len(SPECIAL_TOKENS) + len(alphabet.entries)
    assert entries[:start] == [*SPECIAL_TOKENS, *alphabet.entries]
    assert {"the", "low", "##est", "42", "newer"} <= set(entries[start:])
    # Pairs seen once are not merged, so the text has no more to give.
    assert "rare" not in entries
    assert len(entries) < 300
    fit = vocabulary_fit.measure(learned, words)
    assert fit.num_words == sum(words.values())
    assert fit.unknown_rate == 0
    assert 1 < fit.pieces_per_word < 1.2


def test_the_fit_is_that_of_tokenizing_the_text(splitter, words):
    alphabet = vocabulary.choose_alphabet(words, splitter, 0.9, 1000)
    entries = vocabulary.train(words, alphabet, 100)
    learned = Vocabulary.from_entries(entries, CONFIG)
    tokenizer = BertTokenizer(learned)
    ids = tokenizer.tokenize(TEXT).flat_values.numpy()
    fit = vocabulary_fit.measure(learned, words)
    assert fit.pieces_per_word == pytest.approx(len(ids) / sum(words.values()))
    unknown = (ids == learned.unk_id).sum()
    assert fit.unknown_rate == pytest.approx(unknown / sum(words.values()))
    assert unknown > 0
    lost = sum(
        len(word) * count
        for word, count in words.items()
        if learned.unk_id in tokenizer.tokenize([word]).flat_values.numpy()
    )
    total = sum(len(word) * count for word, count in words.items())
    assert fit.unknown_character_rate == pytest.approx(lost / total)


@pytest.mark.parametrize("character", ["a", "é", "ก", "𐍈"])
def test_a_long_repetitive_word_makes_no_entry_too_long(splitter, character):
    """As base64 of zeros is one: pieces that double would grow beyond all limits."""
    word = character * 1500
    words = vocabulary.count_words([f"{word} {word} b"], splitter)
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 1000)
    entries = vocabulary.train(words, alphabet, 1000)
    sizes = [len(entry.removeprefix("##").encode()) for entry in entries]
    assert 16 <= max(sizes) <= 256


def test_marks_that_spell_a_script_are_told_from_accents(splitter):
    characters = collections.Counter()
    text = ["café Ёж naïve", "हिन्दी café", "がぎ"]
    vocabulary.count_words(text, splitter, characters)
    assert characters["é"] == 2 and " " not in characters
    marks = vocabulary.letters_among_accents(characters)
    # Of हिन्दी only the virama counts as an accent; two kana lose their voicing.
    assert marks == {"\u094d": 1, "\u3099": 2}


def test_huge_counts_are_scaled(splitter, words, monkeypatch):
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 1000)
    expected = vocabulary.train(words, alphabet, 150)
    huge = collections.Counter({word: count * 1000 for word, count in words.items()})
    monkeypatch.setattr(vocabulary, "_MAX_TRAINING_WORDS", sum(words.values()))
    assert vocabulary.train(huge, alphabet, 150) == expected


TRAINER = """
import collections, hashlib, random
from data_prep import vocabulary
generator = random.Random(5)
letters = "abcdefghijklmnopqrstuvwxyzäöü"
# Very many ties.
words = collections.Counter(
    "".join(generator.choices(letters, k=generator.randint(1, 9))) for _ in range(20000)
)
entries = [form for letter in letters for form in (letter, "##" + letter)]
alphabet = vocabulary.Alphabet(entries, len(letters), 1.0, [])
entries = vocabulary.train(words, alphabet, 3000)
print(len(entries), hashlib.sha256("\\n".join(entries).encode()).hexdigest())
"""


def test_the_same_words_give_the_same_vocabulary(monkeypatch):
    """In fresh processes, whose hash tables differ, with any number of threads."""
    outputs = set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("RAYON_NUM_THREADS", threads)
        monkeypatch.setenv("PYTHONHASHSEED", threads)
        result = subprocess.run(
            [sys.executable, "-c", TRAINER],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(result.stdout)
    (output,) = outputs
    assert output.startswith("3000 ")


@pytest.mark.parametrize(
    ("vocab_size", "coverage", "message"),
    [
        (6, 0.9, "`vocab_size` must be at least 7.*Received: 6"),
        (100, 0.0, "`character_coverage` must be over 0.*Received: 0.0"),
        (100, 1.1, "`character_coverage` must be over 0 and at most 1"),
        (100, float("nan"), "`character_coverage`"),
    ],
)
def test_bad_parameters(vocab_size, coverage, message):
    with pytest.raises(ValueError, match=message):
        vocabulary.check_parameters(vocab_size, coverage)
