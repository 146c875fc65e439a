"""The signature that finds entities in running text, offsets included.

Only operations that TF Serving links are used.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from bert_tf.labelled.tagging import OUTSIDE
from bert_tf.metrics.tagging import mark_spans
from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.tasks.text_endpoints import TextInputs, text_specs
from bert_tf.tasks.word_starts import word_starts


def tag_text(
    model: keras.Model, inputs: TextInputs, tag_names: Sequence[str]
) -> Endpoint:
    """Returns the signature that finds the entities of every text.

    It takes `text`, string `[batch]`, UTF-8, and returns, all `[batch, entities]`, in
    order: `entity`, string, the text itself; `label`, string, its type; `start` and
    `end`, int32, in characters (code points) of the text as sent; `probability`,
    float32, the mean of its words'. The surplus of texts with fewer entities is empty
    strings and zeros. A text that is longer than the model takes is read as far as it
    goes. Where tags mark no entities, as parts of speech, every word is one.

    Args:
        model: a `TokenClassifier` with its weights.
        inputs: makes its inputs.
        tag_names: by number.
    """
    spans = mark_spans(tag_names)
    types = [name[2:] if spans and name != OUTSIDE else name for name in tag_names]
    is_outside = tf.constant([spans and name == OUTSIDE for name in tag_names])
    is_inside = tf.constant([spans and name.startswith("I-") for name in tag_names])
    type_names = tf.constant(types)

    def tag(arguments: Batch) -> Outputs:
        text = arguments["text"]
        room = inputs.max_seq_length - 2
        ids, starts, ends = (
            values[:, :room]
            for values in inputs.tokenizer.tokenize_with_byte_offsets(text)
        )
        probabilities = tf.nn.softmax(model(inputs.join([ids]))["logits"])
        row = tf.cast(ids.value_rowids(), tf.int32)
        within = tf.cast(tf.ragged.range(ids.row_lengths()).flat_values, tf.int32)
        # Behind [CLS].
        of_pieces = tf.gather_nd(probabilities, tf.stack([row, within + 1], 1))
        starts = tf.cast(starts.flat_values, tf.int32)
        ends = tf.cast(ends.flat_values, tf.int32)
        pieces = tf.strings.substr(tf.gather(text, row), starts, ends - starts)
        follows = tf.concat([[False], starts[1:] <= ends[:-1]], 0)[: tf.size(row)]
        is_first = word_starts(pieces, follows & (within > 0))

        # A word goes on to the next one's first piece, and has its first piece's tag.
        first = tf.cast(tf.where(is_first)[:, 0], tf.int32)
        word_of = tf.cumsum(tf.cast(is_first, tf.int32)) - 1
        word_ends = tf.math.unsorted_segment_max(ends, word_of, tf.size(first))
        of_words = tf.gather(of_pieces, first)
        tags = tf.argmax(of_words, axis=-1, output_type=tf.int32)
        row, starts = tf.gather(row, first), tf.gather(starts, first)

        # An I- that goes on with nothing begins an entity, as in CoNLL's own scorer.
        outside, name = tf.gather(is_outside, tags), tf.gather(type_names, tags)
        same = (name[1:] == name[:-1]) & ~outside[:-1] & (row[1:] == row[:-1])
        goes_on = tf.concat([[False], same], 0)[: tf.size(row)]
        begins = ~outside & ~(goes_on & tf.gather(is_inside, tags))
        is_part = ~outside
        entity_of = (tf.cumsum(tf.cast(begins, tf.int32)) - 1)[is_part]
        count = tf.reduce_sum(tf.cast(begins, tf.int32))
        end = tf.math.unsorted_segment_max(word_ends[is_part], entity_of, count)
        sure = tf.math.unsorted_segment_mean(
            tf.reduce_max(of_words, axis=-1)[is_part], entity_of, count
        )
        row, start = row[begins], starts[begins]
        whole = tf.gather(text, row)
        entity = tf.strings.substr(whole, start, end - start)
        before = tf.strings.substr(whole, tf.zeros_like(start), start)
        start = tf.strings.length(before, unit="UTF8_CHAR")
        length = tf.strings.length(entity, unit="UTF8_CHAR")
        found = {
            "entity": entity,
            "label": name[begins],
            "start": start,
            "end": start + length,
            "probability": sure,
        }
        return {
            key: tf.RaggedTensor.from_value_rowids(
                value, tf.cast(row, tf.int64), nrows=tf.size(text, tf.int64)
            ).to_tensor()
            for key, value in found.items()
        }

    return Endpoint(text_specs("text"), tag)
