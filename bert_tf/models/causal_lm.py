"""A language model: what comes next in a text, given what came before."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.models.base import Tensors
from bert_tf.models.decoder import BertDecoder


@keras.saving.register_keras_serializable("bert_tf")
class CausalLM(BertDecoder):
    """Scores the next token of a sequence; a `decoder_protocol.Decoder`.

    Its variables exist once it is constructed, and below its own name their paths are
    google-research/bert's names: a pretrained BERT's masked-LM head and encoder fit.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertDecoder`.
        norm_first: see `BertDecoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        norm_first: bool = False,
        name: str = "causal_lm",
        **kwargs: Any,
    ):
        super().__init__(config, seed, rematerialize, norm_first, name=name, **kwargs)
        self.build()

    def encode(self, inputs: Tensors, max_length: int) -> Tensors:
        """Returns the state of rows that have no tokens yet; see `Decoder`."""
        return self.new_state(tf.shape(inputs["input_ids"])[0], max_length)
