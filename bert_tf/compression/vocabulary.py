"""The entries of a vocabulary that a corpus needs, and a model of these alone.

WordPiece takes the longest entry that fits, so an entry that no word of the corpus is
split into can go, and they are still split as before; see `entry_uses` for [UNK].
"""

import dataclasses
from collections.abc import Collection, Iterable

import numpy as np

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import ModelWeights, resizing
from bert_tf.compression.entry_uses import EntryUses
from bert_tf.errors import InputError
from bert_tf.text import vocabulary_fit
from bert_tf.text.special_tokens import SPECIAL_TOKENS, SUFFIX_INDICATOR
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a pruned vocabulary makes of texts that it was not pruned for.

    Attributes:
        before: how the whole vocabulary splits the held-out words.
        after: how one does that was pruned for the other texts.
        same: share of the held-out words that both split alike.
    """

    before: vocabulary_fit.Fit
    after: vocabulary_fit.Fit
    same: float


def check_prunable(weights: ModelWeights, source: object) -> Vocabulary:
    """Returns the vocabulary of a model that can be pruned.

    Args:
        weights: the model.
        source: where it comes from, for the message.

    Raises:
        InputError: it has no vocabulary, or two.
    """
    if weights.task.name == decoder_description.TASK:
        raise InputError(
            f"{source}: an encoder-decoder model, which reads with one vocabulary and "
            "writes with another or the same. Prune the checkpoints that encoder and "
            "decoder start from, each for its own texts, and train the model again."
        )
    if weights.vocabulary is None:
        raise InputError(
            f"{source}: has no vocabulary, so nobody knows which row belongs to which "
            "entry. Give it its own with `python -m bert_tf.convert_checkpoint "
            "--vocab_file=...`."
        )
    return weights.vocabulary


def entries_of(texts: Iterable[str], vocabulary: Vocabulary, source: str) -> set[int]:
    """Returns the ids of all entries that texts are split into.

    Args:
        texts: words or more, that must be split as before.
        vocabulary: of the model.
        source: where they come from, for the message.

    Raises:
        InputError: a word that the vocabulary has no entries for, or no text at all.
    """
    numbered = [(n, text) for n, text in enumerate(texts, 1) if text.strip()]
    if not numbered:
        raise InputError(f"{source}: holds no words. Expected some, a line each.")
    ids = BertTokenizer(vocabulary).tokenize([text for _, text in numbered]).to_list()
    for (number, text), of_text in zip(numbered, ids, strict=True):
        if vocabulary.unk_id in of_text:
            raise InputError(
                f"{source}: line {number}: the model's vocabulary has no entries for "
                f"a word of {text!r:.80}, so none can be kept. Remove it."
            )
    return {index for of_text in ids for index in of_text}


def entries_of_added_tokens(weights: ModelWeights) -> set[int]:
    """Returns the ids of entries that Hugging Face finds before a text is split."""
    assert weights.vocabulary is not None, "see check_prunable"
    added = {token.content for token in weights.hugging_face.added_tokens}
    return {i for i, entry in enumerate(weights.vocabulary.entries) if entry in added}


def choose_entries(
    vocabulary: Vocabulary,
    uses: np.ndarray,
    min_count: int = 1,
    always: Collection[int] = (),
) -> np.ndarray:
    """Chooses the entries that stay.

    Beside the used ones these are BERT's special tokens, and each character of a used
    entry as an entry of its own, so that every word of these characters can be spelled.

    Args:
        vocabulary: the whole one.
        uses: int64 `[vocab]`, how often the corpus uses each entry.
        min_count: the fewest uses of an entry that stays.
        always: ids that stay, however rarely used.

    Returns:
        Their ids, ascending, int64.
    """
    kept = uses >= min_count
    kept[list(always)] = True
    entries = vocabulary.entries
    characters = {
        character
        for index in np.flatnonzero((uses > 0) | kept)
        if entries[index] not in SPECIAL_TOKENS
        for character in _text(entries[index])
    }
    for index, entry in enumerate(entries):
        kept[index] |= entry in SPECIAL_TOKENS or _text(entry) in characters
    return np.flatnonzero(kept)


def subset(vocabulary: Vocabulary, kept: np.ndarray) -> Vocabulary:
    """Returns the vocabulary of some entries.

    Args:
        vocabulary: the whole one.
        kept: their ids, in the order of their new ones.
    """
    entries = [vocabulary.entries[index] for index in kept]
    return Vocabulary.from_entries(entries, vocabulary.config)


def estimate(
    uses: EntryUses, min_count: int = 1, always: Collection[int] = ()
) -> Estimate | None:
    """Estimates what pruning costs on unseen text.

    Args:
        uses: of the corpus.
        min_count: as in `choose_entries`.
        always: as in `choose_entries`.

    Returns:
        What a vocabulary that is pruned for the other texts makes of the held-out ones;
        None where there are too few texts to hold any out.
    """
    if not uses.held_out_words or not uses.tokens[0].any():
        return None
    whole = uses.vocabulary
    others = uses.tokens[0] + uses.beginnings[0]
    kept = choose_entries(whole, others, min_count, always)
    pruned = subset(whole, kept)
    words = list(uses.held_out_words)
    counts = np.fromiter(uses.held_out_words.values(), np.int64, len(words))
    before = BertTokenizer(whole).tokenize(words).to_list()
    after = BertTokenizer(pruned).tokenize(words)
    after = after.with_flat_values(kept[after.flat_values.numpy()]).to_list()
    same = np.array([old == new for old, new in zip(before, after, strict=True)])
    return Estimate(
        vocabulary_fit.measure(whole, uses.held_out_words),
        vocabulary_fit.measure(pruned, uses.held_out_words),
        float(counts[same].sum() / counts.sum()),
    )


def prune(weights: ModelWeights, kept: np.ndarray) -> ModelWeights:
    """Returns the model without the other entries' rows and biases.

    Rows beyond the vocabulary, padding to a multiple, go too.

    Args:
        weights: with a vocabulary, see `check_prunable`.
        kept: ids of the entries that stay, ascending.
    """
    assert weights.vocabulary is not None, "see check_prunable"
    return resizing.with_vocabulary(weights, subset(weights.vocabulary, kept))


def _text(entry: str) -> str:
    """Returns an entry without the sign that it goes on a word."""
    return entry.removeprefix(SUFFIX_INDICATOR) if len(entry) > 2 else entry
