"""A checkpoint as a SavedModel that takes text and needs none of our code.

The signatures:

    serving_default  text -> the likeliest fillings of every [MASK]
    embed            text -> a vector for each text
    ids              input_ids, input_mask, segment_ids, masked_lm_positions -> logits

Tokenisation is part of the graph. It and the rest use only operations that TF Serving
links; a Python process loads them with `import tensorflow_text`.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import tensorflow as tf

import bert_tf
from bert_tf.checkpoints.model_folder import CONFIG, ModelFolder
from bert_tf.models import BertPretrainer
from bert_tf.storage.json_files import write_json
from bert_tf.text.tokenization import BertTokenizer

EXTRA_ASSETS = "assets.extra"
"""TF Serving's name for files that travel along without being loaded."""

MODEL_INPUTS = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")

_TEXT = tf.TensorSpec([None], tf.string, name="text")
_IDS = [tf.TensorSpec([None, None], tf.int32, name=name) for name in MODEL_INPUTS]


class ServedPretrainer(tf.Module):
    """The signatures of a pretrained BERT.

    Args:
        model: built, with its weights.
        tokenizer: the one that the model was trained with.
        max_seq_length: longer texts are cut, counted in entries with [CLS] and [SEP].
        top_k: how many fillings each [MASK] gets.
    """

    def __init__(
        self,
        model: BertPretrainer,
        tokenizer: BertTokenizer,
        max_seq_length: int,
        top_k: int,
    ):
        super().__init__()
        # Only the variables are tracked: a SavedModel that records Keras layers asks
        # for their classes when it is loaded.
        self.model_variables = [variable.value for variable in model.variables]
        self._forward = model.__call__
        self._encode = model.bert.__call__
        self._tokenizer = tokenizer
        self._max_seq_length = max_seq_length
        self._top_k = top_k

    @tf.function(input_signature=[_TEXT])
    def fill_mask(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Fills every [MASK] of every text.

        Args:
            text: string `[batch]`, UTF-8.

        Returns:
            `tokens`, string `[batch, masks, top_k]`, likeliest first, and their
            float32 `probabilities`; `masks` is the most that any of the texts holds,
            and the surplus of the others is empty strings of probability 0.
        """
        packed = self._pack(text)
        is_mask = packed["input_ids"] == self._tokenizer.vocabulary.mask_id
        where = tf.cast(tf.where(is_mask), tf.int32)
        rows = tf.RaggedTensor.from_value_rowids(
            where[:, 1], where[:, 0], nrows=tf.shape(text)[0]
        )
        positions = rows.to_tensor()
        logits = self._forward({**packed, "masked_lm_positions": positions})
        probabilities, token_ids = tf.math.top_k(
            tf.nn.softmax(logits["masked_lm_logits"]), self._top_k
        )
        tokens = tf.gather(tf.constant(self._tokenizer.vocabulary.entries), token_ids)
        real = tf.sequence_mask(rows.row_lengths(), tf.shape(positions)[1])[..., None]
        return {
            "tokens": tf.where(real, tokens, ""),
            "probabilities": tf.where(real, probabilities, 0.0),
        }

    @tf.function(input_signature=[_TEXT])
    def embed(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Maps every text to vectors.

        Args:
            text: string `[batch]`, UTF-8.

        Returns:
            float32 `[batch, hidden]`: `pooled_output`, the pooler's view of [CLS],
            and `mean_output`, the mean of the last hidden states, padding excluded.
        """
        packed = self._pack(text)
        sequence_output, pooled_output = self._encode(**packed)
        weights = tf.cast(packed["input_mask"], tf.float32)[..., None]
        mean = tf.reduce_sum(sequence_output * weights, 1) / tf.reduce_sum(weights, 1)
        return {"pooled_output": pooled_output, "mean_output": mean}

    @tf.function(input_signature=_IDS)
    def ids(
        self,
        input_ids: tf.Tensor,
        input_mask: tf.Tensor,
        segment_ids: tf.Tensor,
        masked_lm_positions: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Runs the model on entries of the vocabulary, as the records hold them.

        Args:
            input_ids: int32 `[batch, seq_length]`; `input_mask` and `segment_ids`
                likewise.
            input_mask: 1 real, 0 padding.
            segment_ids: 0 first text, 1 second.
            masked_lm_positions: int32 `[batch, predictions]`.

        Returns:
            float32 `masked_lm_logits` `[batch, predictions, vocab]` and
            `next_sentence_logits` `[batch, 2]`.
        """
        return self._forward(
            {
                "input_ids": input_ids,
                "input_mask": input_mask,
                "segment_ids": segment_ids,
                "masked_lm_positions": masked_lm_positions,
            }
        )

    def _pack(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens = self._tokenizer.tokenize(text, literal_mask=True)
        packed = self._tokenizer.pack([tokens], self._max_seq_length)
        # The longest text of the batch sets the length; an empty batch has none.
        lengths = tf.reduce_sum(packed["input_mask"], axis=1)
        length = tf.maximum(tf.reduce_max(lengths), 1)
        return {name: value[:, :length] for name, value in packed.items()}


def save(
    directory: str | os.PathLike[str],
    *,
    folder: ModelFolder,
    model: BertPretrainer,
    max_seq_length: int,
    top_k: int,
) -> dict[str, Any]:
    """Writes a SavedModel.

    The write is not atomic: callers write into a folder that is.

    Args:
        directory: the folder to create.
        folder: the checkpoint, for its vocabulary and settings.
        model: the checkpoint's model, with its weights.
        max_seq_length: see `ServedPretrainer`.
        top_k: see `ServedPretrainer`.

    Returns:
        What `assets.extra/export.json` says of the export.
    """
    tokenizer = BertTokenizer(folder.vocabulary)
    served = ServedPretrainer(model, tokenizer, max_seq_length, top_k)
    signatures = {
        "serving_default": served.fill_mask,
        "embed": served.embed,
        "ids": served.ids,
    }
    tf.saved_model.save(served, str(directory), signatures=signatures)
    description = {
        "bert_tf_version": bert_tf.__version__,
        "tensorflow_version": tf.version.VERSION,
        "step": folder.step,
        "max_seq_length": max_seq_length,
        "top_k": top_k,
        "signatures": list(signatures),
    }
    extra = Path(directory) / EXTRA_ASSETS
    extra.mkdir()
    folder.vocabulary.save(extra)
    for name, value in (
        (CONFIG, dataclasses.asdict(folder.config)),
        ("export.json", description),
    ):
        write_json(extra / name, value)
    return description
