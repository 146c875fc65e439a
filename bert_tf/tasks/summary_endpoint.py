"""The signature that picks the sentences of a summary, for documents of any length.

Only operations that TF Serving links are used.
"""

import keras
import tensorflow as tf

from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.settings import ExtractiveSummarizationSettings
from bert_tf.text.sentence_windows import longest_sentence
from bert_tf.text.tokenization import BertTokenizer

# Less than any score.
_NEVER = -1e30
# Rewrites that leave words divided by blanks, nearly as `bert_tf.text.words` has them:
# the English possessive and CJK ideographs are words of their own, and marks are none.
_WORDS = (
    (r"(\S)(['’]s)([\pP\pS]*(?:\s|$))", r"\1 \2\3"),
    (r"([㐀-䶿一-鿿豈-﫿\x{20000}-\x{2fa1f}\x{30000}-\x{323af}])", r" \1 "),
    (r"(^|\s)[\pP\pS]+", r"\1"),
    (r"[\pP\pS]+(\s|$)", r"\1"),
)


def summarize_sentences(
    model: keras.Model,
    tokenizer: BertTokenizer,
    max_seq_length: int,
    settings: ExtractiveSummarizationSettings,
) -> Endpoint:
    """Returns the signature that scores sentences and takes the best ones.

    It takes `sentences`, string `[batch, sentences]`, UTF-8, a document a row, filled
    up with empty strings, and returns float32 `scores` of that shape, 0 where a row is
    filled up; and `indices`, int32 `[batch, max_sentences]`, of the sentences that make
    the summary, in the order of the document, filled up with -1. The model is called
    once for all windows of all documents, which an export runs in parts. Words, which
    trigrams are made of, are found by simpler rules than in Python: to these, an
    abbreviation is the same with and without its last period, and so is a possessive
    with either apostrophe.

    Args:
        model: a `SentenceScorer` with its weights.
        tokenizer: the one that it was trained with.
        max_seq_length: tokens of a window at most.
        settings: how many sentences are taken, and whether trigrams may recur.
    """

    def run(arguments: Batch) -> Outputs:
        sentences = arguments["sentences"]
        real = _real(sentences)
        inputs, counts = _windows(tokenizer, sentences, real, max_seq_length)
        logits = model(inputs)["logits"]
        flat = tf.boolean_mask(logits, tf.sequence_mask(counts, tf.shape(logits)[1]))
        shape = tf.cast(tf.shape(sentences), tf.int64)
        scores = tf.scatter_nd(tf.where(real), flat, shape)
        return {"scores": scores, "indices": select(sentences, scores, settings)}

    specs = {"sentences": tf.TensorSpec([None, None], tf.string, name="sentences")}
    return Endpoint(specs, run)


def _real(sentences: tf.Tensor) -> tf.Tensor:
    """Returns bool `[batch, sentences]`: all up to the last one that is not empty.

    Of an empty document the first one, for a model cannot see nothing.
    """
    width = tf.shape(sentences)[1]
    places = tf.range(width)
    last = tf.where(sentences == "", 0, places[tf.newaxis, :])
    return places <= tf.reduce_max(last, axis=1, keepdims=True)


def _windows(
    tokenizer: BertTokenizer, sentences: tf.Tensor, real: tf.Tensor, max_seq_length: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Divides documents as `SentenceWindows` does.

    Returns:
        The model's inputs, `[windows, ...]`, and the sentences of each, int32
        `[windows]`.
    """
    ids = tokenizer.tokenize(tf.boolean_mask(sentences, real))
    ids = ids[:, : longest_sentence(max_seq_length)]
    column = tf.fill([ids.nrows(), 1], 0)
    ids = tf.concat(
        [
            column + tokenizer.vocabulary.cls_id,
            tf.cast(ids, tf.int32),
            column + tokenizer.vocabulary.sep_id,
        ],
        axis=1,
    )
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    by_document = tf.scatter_nd(
        tf.where(real), lengths, tf.cast(tf.shape(real), tf.int64)
    )
    begins, positions, turns = _places(by_document, max_seq_length)
    begins, positions, turns = (
        tf.boolean_mask(values, real) for values in (begins, positions, turns)
    )
    window = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    count = tf.reduce_max(tf.concat([window, [-1]], 0)) + 1
    segments = tf.RaggedTensor.from_row_lengths(tf.repeat(turns, lengths), lengths)

    def rows(values: tf.RaggedTensor) -> tf.RaggedTensor:
        """Joins the sentences of each window."""
        token_window = tf.repeat(window, lengths)
        return tf.RaggedTensor.from_value_rowids(
            values.flat_values, token_window, nrows=count
        )

    tokens = rows(ids)
    input_ids = tokens.to_tensor(tokenizer.vocabulary.pad_id)
    starts = tf.RaggedTensor.from_value_rowids(positions, window, nrows=count)
    inputs = {
        "input_ids": input_ids,
        "input_mask": tf.sequence_mask(
            tokens.row_lengths(), tf.shape(input_ids)[1], tf.int32
        ),
        "segment_ids": rows(segments).to_tensor(),
        "cls_positions": starts.to_tensor(),
    }
    return inputs, tf.cast(starts.row_lengths(), tf.int32)


def _places(
    lengths: tf.Tensor, max_seq_length: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Fills windows with sentences, document beside document.

    Args:
        lengths: int32 `[batch, sentences]`, tokens of each.
        max_seq_length: of a window at most.

    Returns:
        `[batch, sentences]` each: whether a window begins there, its [CLS]'s place in
        the window, and its segment.
    """
    batch, width = tf.unstack(tf.shape(lengths))
    begins = tf.TensorArray(tf.bool, width, element_shape=[None])
    positions = tf.TensorArray(tf.int32, width, element_shape=[None])
    turns = tf.TensorArray(tf.int32, width, element_shape=[None])
    filled = tf.fill([batch], max_seq_length)
    turn = tf.zeros([batch], tf.int32)
    for index in tf.range(width):
        length = lengths[:, index]
        begin = (filled + length > max_seq_length) | (index == 0)
        filled, turn = tf.where(begin, 0, filled), tf.where(begin, 0, turn)
        begins = begins.write(index, begin)
        positions = positions.write(index, filled)
        turns = turns.write(index, turn)
        filled, turn = filled + length, 1 - turn
    return (
        tf.transpose(begins.stack()),
        tf.transpose(positions.stack()),
        tf.transpose(turns.stack()),
    )


def select(
    sentences: tf.Tensor,
    scores: tf.Tensor,
    settings: ExtractiveSummarizationSettings,
) -> tf.Tensor:
    """Takes sentences as `select_sentences` does, int32 `[batch, max_sentences]`."""
    batch, width = tf.unstack(tf.shape(sentences))
    words = _words(tf.reshape(sentences, [-1]))
    allowed = tf.reshape(words.row_lengths() > 0, [batch, width])
    trigrams = tf.strings.ngrams(words, 3)
    owner = tf.cast(trigrams.value_rowids(), tf.int32)
    # The same words in two documents have nothing to do with each other.
    document = tf.strings.as_string(owner // tf.maximum(width, 1))
    unique, number = tf.unique(
        tf.strings.join([document, trigrams.flat_values], separator=" ")
    )
    chosen = []
    for _ in range(settings.max_sentences):
        # One more column, so that a row without sentences has a highest score.
        ranked = tf.pad(
            tf.where(allowed, scores, _NEVER), [[0, 0], [0, 1]], constant_values=_NEVER
        )
        best = tf.argmax(ranked, axis=1, output_type=tf.int32)
        found = tf.reduce_max(ranked, axis=1) > _NEVER
        chosen.append(tf.where(found, best, width))
        taken = (tf.range(width) == best[:, tf.newaxis]) & found[:, tf.newaxis]
        if settings.block_trigrams:
            is_taken = tf.gather(tf.reshape(taken, [-1]), owner)
            seen = tf.math.unsorted_segment_max(
                tf.cast(is_taken, tf.int32), number, tf.size(unique)
            )
            shares = tf.math.unsorted_segment_max(
                tf.gather(seen, number), owner, batch * width
            )
            taken |= tf.reshape(shares == 1, [batch, width])
        allowed &= ~taken
    indices = tf.sort(tf.stack(chosen, axis=1), axis=1)
    return tf.where(indices == width, -1, indices)


def _words(sentences: tf.Tensor) -> tf.RaggedTensor:
    """Returns the words of sentences, without case and punctuation."""
    text = tf.strings.lower(sentences, encoding="utf-8")
    for pattern, rewrite in _WORDS:
        text = tf.strings.regex_replace(text, pattern, rewrite)
    return tf.strings.split(text)
