"""Which entries of its vocabulary a model needs for the texts of a corpus.

WordPiece takes the longest entry that fits, and what it does not take changes nothing.
But a word that becomes [UNK] begins with entries that fit: without these a shorter one
might, and then the rest of the word too. So they count as used.
"""

import collections
import dataclasses
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SUFFIX_INDICATOR
from bert_tf.text.tokenization import MAX_BYTES_PER_WORD, BertTokenizer, WordSplitter
from bert_tf.text.vocabulary import Vocabulary

# One text in so many is held out when the loss on unseen text is estimated.
_HELD_OUT = 10
_BATCH_CHARACTERS = 2**20


@dataclasses.dataclass
class EntryUses:
    """How often texts use each entry of a vocabulary.

    Row 1 is that of the held-out texts, row 0 that of all others.

    Attributes:
        vocabulary: whose entries.
        num_texts: how many texts there were.
        tokens: int64 `[2, vocab]`, how many tokens of the texts are this entry.
        beginnings: int64 `[2, vocab]`, how many words begin with it, perhaps after
            others, and then become [UNK].
        held_out_words: words of the held-out texts, with their counts.
    """

    vocabulary: Vocabulary
    num_texts: int
    tokens: np.ndarray
    beginnings: np.ndarray
    held_out_words: collections.Counter[str]

    @property
    def total(self) -> np.ndarray:
        """Uses of each entry in all texts, int64 `[vocab]`."""
        return (self.tokens + self.beginnings).sum(0)

    def check_any(self, source: str) -> None:
        """Raises an InputError over texts that use no entry.

        Args:
            source: where they come from, for the message.
        """
        num_tokens = int(self.tokens.sum())
        if not num_tokens:
            raise InputError(
                f"{source}: holds no text. Received: {self.num_texts} texts."
            )
        if num_tokens == self.tokens[:, self.vocabulary.unk_id].sum():
            raise InputError(
                f"{source}: the model's vocabulary has entries for none of its "
                f"{num_tokens:,} words. Give texts in the language of the model."
            )

    def share_covered(self, kept: np.ndarray) -> float:
        """Returns the share of the texts' tokens whose entries are among those kept."""
        tokens = self.tokens.sum(0)
        return float(tokens[kept].sum() / tokens.sum())


def count_uses(texts: Iterable[str], vocabulary: Vocabulary) -> EntryUses:
    """Counts how often texts use each entry, in memory of a batch of them.

    Args:
        texts: without NUL.
        vocabulary: of the model.
    """
    shape = (2, len(vocabulary))
    uses = EntryUses(
        vocabulary,
        num_texts=0,
        tokens=np.zeros(shape, np.int64),
        beginnings=np.zeros(shape, np.int64),
        held_out_words=collections.Counter(),
    )
    tokenizer = BertTokenizer(vocabulary)
    splitter = WordSplitter(vocabulary.config)
    for batch in _batches(texts):
        uses.num_texts += len(batch)
        parts: tuple[list[str], list[str]] = ([], [])
        for text in batch:
            # By its content, so that no text is on both sides.
            parts[zlib.crc32(text.encode()) % _HELD_OUT == 0].append(text)
        for row, part in enumerate(parts):
            if not part:
                continue
            ids = tokenizer.tokenize(part)
            uses.tokens[row] += np.bincount(
                ids.flat_values.numpy(), minlength=len(vocabulary)
            )
            unknown = (ids.flat_values == vocabulary.unk_id).numpy()
            of_text = np.unique(ids.value_rowids().numpy()[unknown])
            if of_text.size:
                uses.beginnings[row] += _count_beginnings(
                    tokenizer, splitter, [part[index] for index in of_text]
                )
        if parts[1]:
            uses.held_out_words.update(splitter.split(parts[1])[0])
    return uses


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_CHARACTERS or len(batch) >= _BATCH_CHARACTERS // 64:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _count_beginnings(
    tokenizer: BertTokenizer, splitter: WordSplitter, texts: list[str]
) -> np.ndarray:
    """Counts the entries that words fit before they become [UNK]."""
    vocabulary = tokenizer.vocabulary
    found = np.zeros(len(vocabulary), np.int64)
    words = collections.Counter(splitter.split(texts)[0])
    first = tokenizer.tokenize(list(words))[:, :1].flat_values.numpy()
    by_entry = {entry: index for index, entry in enumerate(vocabulary.entries)}
    longest = max(map(len, vocabulary.entries))
    for (word, count), head in zip(words.items(), first.tolist(), strict=True):
        if head == vocabulary.unk_id and len(word.encode()) <= MAX_BYTES_PER_WORD:
            found[list(_beginning(word, by_entry, longest))] += count
    return found


def _beginning(word: str, ids: dict[str, int], longest: int) -> set[int]:
    """Returns the entries that a word is split into as far as any fit."""
    found: set[int] = set()
    start = 0
    while start < len(word):
        prefix = SUFFIX_INDICATOR if start else ""
        for end in range(min(len(word), start + longest), start, -1):
            if (index := ids.get(prefix + word[start:end])) is not None:
                found.add(index)
                start = end
                break
        else:
            break
    return found
