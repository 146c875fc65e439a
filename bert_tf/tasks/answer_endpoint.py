"""The signature that answers questions about texts of any length.

Only operations that TF Serving links are used.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.settings import QuestionAnsweringSettings
from bert_tf.tasks.text_endpoints import text_specs
from bert_tf.text.tokenization import BertTokenizer

# Less than any score, and finite: a segment without one has the lowest number.
_NEVER = -1e30
MAX_WINDOWS = 256
"""Of a request: a text of a megabyte must not take all memory, or all time."""


class _Windows(NamedTuple):
    """Windows of all contexts of a batch, as `bert_tf.text.windows` makes them.

    Attributes:
        examples: int32 `[windows]`.
        first_pieces: int32 `[windows]`, counted over all contexts.
        lengths: int32 `[windows]`, pieces of the context in each.
        offsets: int32 `[windows]`, where these begin among the tokens.
        inputs: of the model, int32 `[windows, length]`.
    """

    examples: tf.Tensor
    first_pieces: tf.Tensor
    lengths: tf.Tensor
    offsets: tf.Tensor
    inputs: dict[str, tf.Tensor]


def answer_question(
    model: keras.Model,
    tokenizer: BertTokenizer,
    max_seq_length: int,
    settings: QuestionAnsweringSettings,
    no_answer: bool,
) -> Endpoint:
    """Returns the signature that finds each question's answer in its context.

    It takes `question` and `context`, string `[batch]`, UTF-8, and returns, `[batch]`:
    `answer`, string, as it stands in the context; `start` and `end`, int32, in
    characters (code points) of the context as sent; float32 `score`, the sum of the
    logits of its first and last piece; and float32 `null_score_difference`, by how much
    having no answer leads. Where that is above the threshold, and the model was trained
    on questions without an answer, `answer` is empty and both places are 0. The model
    is called once for all windows of all contexts, which an export runs in parts; a
    request that makes more than `MAX_WINDOWS` is refused.

    Args:
        model: a `SpanPredictor` with its weights.
        tokenizer: the one that it was trained with.
        max_seq_length: tokens of a window at most.
        settings: of windows and answers.
        no_answer: whether having no answer is one.

    Raises:
        InputError: questions leave no room for a context.
    """
    if max_seq_length <= settings.max_query_length + 3:
        raise InputError(
            f"`max_seq_length` must be more than {settings.max_query_length + 3}: "
            "[CLS], [SEP] and the task's `max_query_length` leave no room. Received: "
            f"{max_seq_length}"
        )

    def answer(arguments: Batch) -> Outputs:
        context = arguments["context"]
        batch = tf.size(context)
        question = tokenizer.tokenize(arguments["question"])
        ids, starts, ends = tokenizer.tokenize_with_byte_offsets(context)
        windows = _build(tokenizer, question, ids, max_seq_length, settings)
        logits = model(windows.inputs)
        start_logits, end_logits = logits["start_logits"], logits["end_logits"]
        num_pieces = tf.size(ids.flat_values)
        scores, first, last = _best_spans(
            windows, start_logits, end_logits, num_pieces, settings
        )
        best, winner = _best_windows(scores, windows.examples, batch)
        found = best > _NEVER / 2
        null_scores = tf.math.unsorted_segment_min(
            start_logits[:, 0] + end_logits[:, 0], windows.examples, batch
        )
        difference = null_scores - best
        given = found
        if no_answer:
            given &= difference <= settings.null_score_diff_threshold
        start = _at(starts, tf.gather(first, winner))
        length = tf.maximum(_at(ends, tf.gather(last, winner)) - start, 0)
        start, length = tf.where(given, start, 0), tf.where(given, length, 0)
        text = tf.strings.substr(context, start, length)
        before = tf.strings.substr(context, tf.zeros_like(start), start)
        start = tf.strings.length(before, unit="UTF8_CHAR")
        return {
            "answer": text,
            "start": start,
            "end": start + tf.strings.length(text, unit="UTF8_CHAR"),
            "score": best,
            "null_score_difference": difference,
        }

    return Endpoint(text_specs("question", "context"), answer)


def _build(
    tokenizer: BertTokenizer,
    question: tf.RaggedTensor,
    context: tf.RaggedTensor,
    max_seq_length: int,
    settings: QuestionAnsweringSettings,
) -> _Windows:
    """Divides contexts into windows, `[CLS] question [SEP] part [SEP]`."""
    longest = settings.max_query_length
    vocabulary = tokenizer.vocabulary
    question_lengths = tf.cast(question.row_lengths(), tf.int32)
    question_lengths = tf.minimum(question_lengths, longest)
    num_pieces = tf.cast(context.row_lengths(), tf.int32)
    room = max_seq_length - 3 - question_lengths
    stride = tf.minimum(settings.doc_stride, room)
    counts = 1 + tf.maximum(0, (num_pieces - room + stride - 1) // stride)
    enough = tf.debugging.Assert(
        tf.reduce_sum(counts) <= MAX_WINDOWS,
        [f"the contexts of a request may make at most {MAX_WINDOWS} windows"],
    )
    with tf.control_dependencies([enough]):
        examples = tf.repeat(tf.range(tf.size(counts)), counts)

    def of_windows(values: tf.Tensor) -> tf.Tensor:
        return tf.gather(values, examples)

    number = tf.range(tf.size(examples)) - of_windows(tf.cumsum(counts, exclusive=True))
    starts = number * of_windows(stride)
    lengths = tf.minimum(of_windows(num_pieces) - starts, of_windows(room))
    offsets = of_windows(question_lengths) + 2
    first = starts + of_windows(tf.cast(context.row_starts(), tf.int32))

    places = tf.range(tf.reduce_max(tf.concat([offsets + lengths, [0]], 0)) + 1)
    places = places[tf.newaxis, :]
    begin, end = offsets[:, tf.newaxis], (offsets + lengths)[:, tf.newaxis]
    asked = of_windows(question.to_tensor(shape=[None, longest]))
    asked = tf.gather(asked, tf.clip_by_value(places[0] - 1, 0, longest - 1), axis=1)
    part = _at(context, first[:, tf.newaxis] + places - begin)
    ids = tf.where(places < begin - 1, asked, part)
    ids = tf.where((places == begin - 1) | (places == end), vocabulary.sep_id, ids)
    ids = tf.where(places == 0, vocabulary.cls_id, ids)
    real = places <= end
    inputs = {
        "input_ids": tf.where(real, ids, vocabulary.pad_id),
        "input_mask": tf.cast(real, tf.int32),
        "segment_ids": tf.cast(real & (places >= begin), tf.int32),
    }
    return _Windows(examples, first, lengths, offsets, inputs)


def _best_spans(
    windows: _Windows,
    start_logits: tf.Tensor,
    end_logits: tf.Tensor,
    num_pieces: tf.Tensor,
    settings: QuestionAnsweringSettings,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns each window's best answer: score, first and last piece, `[windows]`.

    See `bert_tf.text.answer_spans.score_answers` for what may be one.
    """
    left = tf.range(tf.shape(start_logits)[1])[tf.newaxis, :]
    left -= windows.offsets[:, tf.newaxis]
    right = windows.lengths[:, tf.newaxis] - 1 - left
    inside = (left >= 0) & (right >= 0)

    # A piece speaks in the window that sees most around it, the first of equal ones.
    pieces = windows.first_pieces[:, tf.newaxis] + left
    pieces = tf.where(inside, pieces, num_pieces)
    around = 100 * tf.minimum(left, right) + windows.lengths[:, tf.newaxis]
    # Questions may share no context here: each has pieces of its own.
    most = tf.math.unsorted_segment_max(around, pieces, num_pieces + 1)
    sees = inside & (around == tf.gather(most, pieces))
    number = tf.range(tf.shape(left)[0])[:, tf.newaxis] + tf.zeros_like(left)
    none = tf.fill(tf.shape(number), tf.int32.max)
    chosen = tf.math.unsorted_segment_min(
        tf.where(sees, number, none), pieces, num_pieces + 1
    )
    sees &= number == tf.gather(chosen, pieces)

    tried = tf.minimum(settings.n_best_size, tf.shape(start_logits)[1])
    starts, first = tf.math.top_k(tf.where(sees, start_logits, _NEVER), tried)
    ends, last = tf.math.top_k(tf.where(inside, end_logits, _NEVER), tried)
    distance = last[:, tf.newaxis, :] - first[:, :, tf.newaxis]
    allowed = (distance >= 0) & (distance < settings.max_answer_length)
    scores = starts[:, :, tf.newaxis] + ends[:, tf.newaxis, :]
    scores = tf.where(allowed, tf.maximum(scores, _NEVER), _NEVER)
    scores = tf.reshape(scores, [tf.shape(scores)[0], -1])
    best = tf.argmax(scores, axis=1, output_type=tf.int32)
    shift = windows.first_pieces - windows.offsets
    return (
        tf.gather(scores, best, batch_dims=1),
        tf.gather(first, best // tried, batch_dims=1) + shift,
        tf.gather(last, best % tried, batch_dims=1) + shift,
    )


def _best_windows(
    scores: tf.Tensor, examples: tf.Tensor, batch: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each example's highest score, and the first window that has it."""
    best = tf.math.unsorted_segment_max(scores, examples, batch)
    number = tf.range(tf.size(scores))
    is_best = scores == tf.gather(best, examples)
    candidates = tf.where(is_best, number, tf.size(scores))
    return best, tf.math.unsorted_segment_min(candidates, examples, batch)


def _at(values: tf.RaggedTensor, index: tf.Tensor) -> tf.Tensor:
    """Returns flat values as int32; 0 beyond their end."""
    flat = tf.concat([tf.cast(values.flat_values, tf.int32), [0]], 0)
    return tf.gather(flat, tf.clip_by_value(index, 0, tf.size(flat) - 1))
