"""What a TFLite file of a model that writes computes, a token a call.

An encoder-decoder's file has two signatures, a language model's the second alone:

- `encode` takes one text, int32 `[1, length]`: `input_ids`, `input_mask` and
  `segment_ids`. It returns `memory_keys_<i>`, `memory_values_<i>` and `memory_mask`.
- `decode` takes these, `token_ids`, int32 `[1, 1]`, `position`, int32 `[1]`, which
  counts the tokens before this one, and `past_keys_<i>` and `past_values_<i>`: zeros at
  first, then what the last call returned. It returns `logits`, float32
  `[1, vocabulary]`, of what comes next.

See `bert_tf.models.decoder_protocol` for the shapes.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from bert_tf.models.encoder_decoder import EncoderDecoder
from bert_tf.tasks.next_token import NextTokenTask
from bert_tf.tasks.sequence_to_sequence import SequenceToSequenceTask
from export.checkpoint.pretrained import TrainedModel

ENCODE, DECODE = "encode", "decode"

PAST = "past_"
"""What the names of the cache begin with that grows."""

_TEXT = ("input_ids", "input_mask", "segment_ids")


def writes(trained: TrainedModel) -> bool:
    """Returns whether a model writes."""
    return isinstance(trained.task, NextTokenTask)


def most_tokens(trained: TrainedModel) -> int:
    """Returns how many tokens a file can be fed after each other."""
    if isinstance(trained.task, SequenceToSequenceTask):
        # [CLS] is fed, and the end is not.
        return int(trained.task.settings.max_target_length) - 1
    return trained.max_seq_length


class Signatures(tf.Module):
    """The functions of a file, of one example and fixed shapes.

    Args:
        trained: a model that writes.
        table: the name under which `decode` takes the decoder's table of words, whose
            values stand in the model for the time being; see `converter`.

    Attributes:
        functions: by signature.
    """

    def __init__(self, trained: TrainedModel, table: str):
        super().__init__()
        model: Any = trained.model
        self.model_variables = [variable.value for variable in model.weights]
        names = _TEXT if isinstance(model, EncoderDecoder) else _TEXT[:1]
        text = {
            name: tf.TensorSpec([1, trained.max_seq_length], tf.int32, name=name)
            for name in names
        }

        def encode(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            return dict(model.encode(inputs, most_tokens(trained)))

        def memory(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            return {
                # An input cannot be an output as it is.
                name: tf.identity(value)
                for name, value in encode(**inputs).items()
                if not name.startswith(PAST)
            }

        def decode(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            words = inputs.pop(table)
            token_ids, position = inputs.pop("token_ids"), inputs.pop("position")
            with looking_up_in(embeddings(model), words):
                hidden, state = model.decode(token_ids, position, inputs)
                logits = model.logits_of(hidden)
            past = {n: value for n, value in state.items() if n.startswith(PAST)}
            return {"logits": logits[:, 0], **past}

        state = _function(encode, text).structured_outputs
        words = embeddings(model).effective_word_embeddings()
        inputs = {
            "token_ids": tf.TensorSpec([1, 1], tf.int32),
            "position": tf.TensorSpec([1], tf.int32),
            table: tf.TensorSpec(words.shape, tf.float32),
            **{
                name: tf.TensorSpec([1, *value.shape[1:]], value.dtype)
                for name, value in state.items()
            },
        }
        named = {n: tf.TensorSpec(s.shape, s.dtype, n) for n, s in inputs.items()}
        self.functions = {DECODE: _function(decode, named)}
        if isinstance(model, EncoderDecoder):
            self.functions[ENCODE] = _function(memory, text)


def embeddings(model: Any) -> Any:
    """Returns the embeddings of what a model writes."""
    return getattr(model, "decoder", model).embeddings


@contextlib.contextmanager
def looking_up_in(layer: Any, table: tf.Tensor | None) -> Iterator[None]:
    """Makes embeddings look up in another table meanwhile."""
    if layer is None:
        yield
        return
    transform = layer.word_embeddings_transform
    layer.word_embeddings_transform = lambda _: table
    try:
        yield
    finally:
        layer.word_embeddings_transform = transform


def _function(function: Any, specs: dict[str, tf.TensorSpec]) -> Any:
    return tf.function(function, autograph=False).get_concrete_function(**specs)
