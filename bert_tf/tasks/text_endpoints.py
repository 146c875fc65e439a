"""Signatures that take text, with the tokenizer in the graph.

Only operations that TF Serving links are used; a Python process loads them with
`import tensorflow_text`.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from bert_tf.tasks.endpoint import Batch, Endpoint, Outputs
from bert_tf.text.tokenization import BertTokenizer


def text_specs(*names: str) -> dict[str, tf.TensorSpec]:
    """Returns inputs that are strings, `[batch]` each."""
    return {name: tf.TensorSpec([None], tf.string, name=name) for name in names}


class TextInputs:
    """Turns texts into a model's inputs.

    Args:
        tokenizer: the one that the model was trained with.
        max_seq_length: longer texts are cut, counted in entries with [CLS] and [SEP].
    """

    def __init__(self, tokenizer: BertTokenizer, max_seq_length: int):
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length

    def pack(
        self, *texts: tf.Tensor, literal_mask: bool = False
    ) -> dict[str, tf.Tensor]:
        """Tokenizes texts, or pairs of them.

        Args:
            *texts: one or two string tensors `[batch]`.
            literal_mask: whether "[MASK]" in a text stands for the mask token.

        Returns:
            `input_ids`, `input_mask` and `segment_ids`, int32 `[batch, seq_length]`;
            the longest text of the batch sets the length.
        """
        segments = [
            self.tokenizer.tokenize(text, literal_mask=literal_mask) for text in texts
        ]
        return self.join(segments)

    def join(self, segments: Sequence[tf.RaggedTensor]) -> dict[str, tf.Tensor]:
        """Makes inputs of tokenized texts, or pairs of them; see `pack`."""
        packed = self.tokenizer.pack(segments, self.max_seq_length)
        lengths = tf.reduce_sum(packed["input_mask"], axis=1)
        length = tf.maximum(tf.reduce_max(lengths), 1)  # An empty batch has none.
        return {name: value[:, :length] for name, value in packed.items()}


def fill_mask(model: keras.Model, inputs: TextInputs, top_k: int) -> Endpoint:
    """Returns the signature that fills every [MASK] of every text.

    It takes `text`, string `[batch]`, UTF-8, and returns `tokens`, string
    `[batch, masks, top_k]`, likeliest first, and their float32 `probabilities`; `masks`
    is the most that any of the texts holds, and the surplus of the others is empty
    strings of probability 0.

    Args:
        model: a `BertPretrainer` with its weights.
        inputs: makes its inputs.
        top_k: how many fillings each [MASK] gets.
    """
    tokenizer = inputs.tokenizer

    def fill(arguments: Batch) -> Outputs:
        text = arguments["text"]
        packed = inputs.pack(text, literal_mask=True)
        is_mask = packed["input_ids"] == tokenizer.vocabulary.mask_id
        where = tf.cast(tf.where(is_mask), tf.int32)
        rows = tf.RaggedTensor.from_value_rowids(
            where[:, 1], where[:, 0], nrows=tf.shape(text)[0]
        )
        positions = rows.to_tensor()
        logits = model({**packed, "masked_lm_positions": positions})
        probabilities, token_ids = tf.math.top_k(
            tf.nn.softmax(logits["masked_lm_logits"]), top_k
        )
        tokens = tf.gather(tf.constant(tokenizer.vocabulary.entries), token_ids)
        real = tf.sequence_mask(rows.row_lengths(), tf.shape(positions)[1])[..., None]
        return {
            "tokens": tf.where(real, tokens, ""),
            "probabilities": tf.where(real, probabilities, 0.0),
        }

    return Endpoint(text_specs("text"), fill)


def embed(model: keras.Model, inputs: TextInputs) -> Endpoint:
    """Returns the signature that maps every text to vectors.

    It takes `text`, string `[batch]`, UTF-8, and returns float32 `[batch, hidden]`:
    `pooled_output`, the pooler's view of [CLS], and `mean_output`, the mean of the last
    hidden states, padding excluded.

    Args:
        model: one with an encoder `bert`, with its weights.
        inputs: makes its inputs.
    """

    def run(arguments: Batch) -> Outputs:
        packed = inputs.pack(arguments["text"], literal_mask=True)
        encoded = model.bert(packed)
        weights = tf.cast(packed["input_mask"], tf.float32)[..., None]
        hidden = tf.cast(encoded["sequence_output"], tf.float32)
        mean = tf.reduce_sum(hidden * weights, 1) / tf.reduce_sum(weights, 1)
        pooled = tf.cast(encoded["pooled_output"], tf.float32)
        return {"pooled_output": pooled, "mean_output": mean}

    return Endpoint(text_specs("text"), run)
