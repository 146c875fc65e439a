"""A WordPiece vocabulary from text, the same bytes every time.

Words are counted here, and split by the tokenizer that will use the vocabulary; the
merges are learned by Hugging Face's `tokenizers`. Its trainer numbers what it meets in
the order of a hash table that changes from run to run, and ties follow the numbers:
it is deterministic only because every character is given to it beforehand, in order.
"""

import collections
import dataclasses
import math
import unicodedata
from collections.abc import Iterable, Iterator

from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS, SUFFIX_INDICATOR, UNK
from bert_tf.text.tokenization import WordSplitter

WordCounts = collections.Counter[str]
CharacterCounts = collections.Counter[str]

# Bounds on memory: so many different strings between blanks before they are split
# into words, and so many different words before the rarest are dropped.
_MAX_STRINGS = 500_000
_MAX_WORDS = 5_000_000
# A vocabulary spends one entry in so many on characters, whatever they cover.
_FREE_SHARE = 32
# The trainer takes words, not counts: more than these are scaled down.
_MAX_TRAINING_WORDS = 30_000_000
_TRAINING_BATCH = 1000
# The tokenizer takes entries of up to 256 bytes, and a character has up to four. Longer
# words are learned in parts: scripts without spaces write them, and so does base64.
_MAX_ENTRY_CHARACTERS = 64


@dataclasses.dataclass(frozen=True)
class Alphabet:
    """The characters that the vocabulary spells.

    Attributes:
        entries: vocabulary entries: each character as a head, and with `##` if it can
            stand inside a word; ASCII first, then most frequent first.
        num_characters: characters kept.
        coverage: their share of all characters of the corpus.
        dropped: characters left out and their counts, most frequent first.
    """

    entries: list[str]
    num_characters: int
    coverage: float
    dropped: list[tuple[str, int]]


def count_words(
    sentences: Iterable[str],
    splitter: WordSplitter,
    characters: CharacterCounts | None = None,
) -> WordCounts:
    """Counts the words of a corpus, split and normalized as BERT does.

    Args:
        sentences: the text, in any pieces that end between words.
        splitter: of the tokenizer that will use the vocabulary.
        characters: takes the counts of the text's characters as they stand there,
            blanks left out; None for not to count them.

    Returns:
        Counts by word. Beyond five million different words the rarest are dropped.
    """
    words: WordCounts = collections.Counter()
    # Splitting is the expensive part, so it sees each string between blanks once.
    strings: collections.Counter[str] = collections.Counter()

    def flush() -> None:
        pieces, num_pieces = splitter.split(list(strings))
        position = 0
        for number, count in zip(num_pieces.tolist(), strings.values(), strict=True):
            for word in pieces[position : position + number]:
                words[word] += count
            position += number
        if characters is not None:
            for string, count in strings.items():
                for character in string:
                    characters[character] += count
        strings.clear()
        least = 1
        while len(words) > _MAX_WORDS:
            for word in [word for word, count in words.items() if count <= least]:
                del words[word]
            least += 1

    for sentence in sentences:
        strings.update(sentence.split())
        if len(strings) > _MAX_STRINGS:
            flush()
    if strings:
        flush()
    return words


def letters_among_accents(characters: CharacterCounts) -> CharacterCounts:
    """Counts the marks that are dropped as accents, though they spell the text.

    The vowel signs of Hindi and Burmese, for instance. The accents of Latin, Greek and
    Cyrillic letters are left out: BERT is meant to drop those.
    """
    marks: CharacterCounts = collections.Counter()
    for character, count in characters.items():
        for part in unicodedata.normalize("NFD", character):
            if unicodedata.category(part) == "Mn" and not "\u0300" <= part <= "\u036f":
                marks[part] += count
    return marks


def choose_alphabet(
    words: WordCounts, splitter: WordSplitter, coverage: float, max_entries: int
) -> Alphabet:
    """Chooses the most frequent characters: whole ones, never bytes of one.

    ASCII characters are kept however rare: that a corpus has one "!" must not make
    every "!" to come unknown. So are others as long as they take little room.

    Args:
        words: counts by word.
        splitter: the one that made the words.
        coverage: the share of all characters to keep, in (0, 1].
        max_entries: the most vocabulary entries to spend on them.

    Returns:
        The alphabet. It covers less than asked if `max_entries` does not suffice.
    """
    counts: collections.Counter[str] = collections.Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    ranked = sorted(
        counts.items(), key=lambda item: (not item[0].isascii(), -item[1], item[0])
    )
    total = sum(counts.values())
    # Punctuation and ideographs are always words of their own: no `##` form.
    _, num_words = splitter.split([f"a{character}a" for character, _ in ranked])

    entries: list[str] = []
    covered, kept, little = 0, 0, max_entries // _FREE_SHARE
    for (character, count), alone in zip(ranked, num_words > 1, strict=True):
        forms = [character] if alone else [character, SUFFIX_INDICATOR + character]
        enough = (
            covered >= coverage * total
            and len(entries) >= little
            and not character.isascii()
        )
        if enough or len(entries) + len(forms) > max_entries:
            break
        entries += forms
        covered += count
        kept += 1
    return Alphabet(entries, kept, covered / total, ranked[kept:])


def train(
    words: WordCounts, alphabet: Alphabet, vocab_size: int, min_frequency: int = 2
) -> list[str]:
    """Learns a vocabulary by merging the most frequent pairs of pieces.

    Args:
        words: counts by word.
        alphabet: the characters it starts from.
        vocab_size: entries at most. A small corpus gives fewer.
        min_frequency: a pair seen less often is not merged.

    Returns:
        The entries by id: `SPECIAL_TOKENS`, the alphabet, then pieces in the order
        learned.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    spelled = {entry for entry in alphabet.entries if len(entry) == 1}
    trainable: WordCounts = collections.Counter()
    for word, count in words.items():
        if spelled.issuperset(word):
            for start in range(0, len(word), _MAX_ENTRY_CHARACTERS):
                trainable[word[start : start + _MAX_ENTRY_CHARACTERS]] += count
    scale = max(1.0, trainable.total() / _MAX_TRAINING_WORDS)

    def batches() -> Iterator[str]:
        for word, count in trainable.items():
            count = round(count / scale)
            for done in range(0, count, _TRAINING_BATCH):
                yield " ".join([word] * min(_TRAINING_BATCH, count - done))

    tokenizer = Tokenizer(models.WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(
        batches(),
        trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            special_tokens=[*SPECIAL_TOKENS, *alphabet.entries],
            continuing_subword_prefix=SUFFIX_INDICATOR,
            show_progress=False,
        ),
    )
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def check_parameters(vocab_size: int, character_coverage: float) -> None:
    """Raises an InputError over a parameter out of its range."""
    if vocab_size < len(SPECIAL_TOKENS) + 2:
        raise InputError(
            f"`vocab_size` must be at least {len(SPECIAL_TOKENS) + 2}; BERT's is "
            f"30522. Received: {vocab_size}"
        )
    if not 0 < character_coverage <= 1 or math.isnan(character_coverage):
        raise InputError(
            "`character_coverage` must be over 0 and at most 1. "
            f"Received: {character_coverage}"
        )
