"""How a vocabulary splits words: pieces a word, and what becomes [UNK]."""

import dataclasses
from collections.abc import Mapping

from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Fit:
    """How a vocabulary splits the words of a corpus.

    Attributes:
        num_words: words of the corpus.
        unknown_rate: share of them that becomes [UNK].
        unknown_character_rate: share of their characters that becomes [UNK].
        pieces_per_word: pieces an average word is split into.
    """

    num_words: int
    unknown_rate: float
    unknown_character_rate: float
    pieces_per_word: float


def measure(vocabulary: Vocabulary, words: Mapping[str, int]) -> Fit:
    """Tokenizes every word of the corpus once and weights it with its count."""
    tokenizer = BertTokenizer(vocabulary)
    ids = tokenizer.tokenize(list(words))
    num_words = sum(words.values())
    unknown = unknown_characters = pieces = 0
    first = ids.flat_values.numpy()[ids.row_starts().numpy()]
    for (word, count), number, head in zip(
        words.items(), ids.row_lengths().numpy().tolist(), first.tolist(), strict=True
    ):
        pieces += count * number
        if head == vocabulary.unk_id:
            unknown += count
            unknown_characters += count * len(word)
    num_characters = sum(len(word) * count for word, count in words.items())
    return Fit(
        num_words,
        unknown_rate=unknown / num_words,
        unknown_character_rate=unknown_characters / num_characters,
        pieces_per_word=pieces / num_words,
    )
