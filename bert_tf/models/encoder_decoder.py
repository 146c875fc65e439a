"""From one text to another: an encoder, and a decoder that attends to its outputs."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import child_arguments
from bert_tf.layers.dense import Dense
from bert_tf.models.base import BertModel, Tensors
from bert_tf.models.decoder import BertDecoder
from bert_tf.models.encoder import BertEncoder
from bert_tf.ops.dropout import split
from bert_tf.ops.masks import padding_mask, same_example_mask

SHARED = ("nothing", "word_embeddings", "all")
"""What a decoder may have in common with its encoder; see `EncoderDecoder`."""


@keras.saving.register_keras_serializable("bert_tf")
class EncoderDecoder(BertModel):
    """Scores the next token of a text, given another one; a `decoder_protocol.Decoder`.

    Its variables exist once it is constructed: `bert/...`, the encoder's, and
    `decoder/...`, both with google-research/bert's names. If the encoder is not as wide
    as the decoder, `enc_to_dec_proj` is between them.

    Args:
        config: the encoder's shape, a `BertConfig` or its fields as a dictionary.
        decoder_config: the decoder's; None for the same.
        shared: what the decoder has in common with the encoder: `nothing`;
            `word_embeddings`, which are also its output weights; or `all` but
            cross-attention and head.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Rothe et al. 2020 (arXiv:1907.12461), section 3, where `nothing` and weights
    of a checkpoint on both sides are BERT2BERT and `all` is BERTShare; Hugging Face
    transformers, `EncoderDecoderModel`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        decoder_config: BertConfig | dict[str, Any] | None = None,
        shared: str = "nothing",
        seed: int = 0,
        rematerialize: bool = False,
        name: str = "encoder_decoder",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        if isinstance(decoder_config, dict):
            decoder_config = BertConfig(**decoder_config)
        self.decoder_config = decoder_config or self.config
        self.shared = shared
        self.rematerialize = rematerialize
        _check_shared(shared, self.config, self.decoder_config)
        self.bert = BertEncoder(
            self.config,
            rematerialize=rematerialize,
            pooler=False,
            **child_arguments(self, "bert"),
        )
        self.decoder = BertDecoder(
            self.decoder_config,
            rematerialize=rematerialize,
            cross_attention=True,
            **child_arguments(self, "decoder"),
        )
        self.enc_to_dec_proj = None
        if self.config.hidden_size != self.decoder_config.hidden_size:
            self.enc_to_dec_proj = Dense(
                self.decoder_config.hidden_size,
                self.config.initializer_range,
                **child_arguments(self, "enc_to_dec_proj"),
            )
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configurations."""
        self.bert.build()
        if self.shared == "word_embeddings":
            self.decoder.embeddings.share_word_embeddings(self.bert.embeddings)
        elif self.shared == "all":
            self.decoder.share(self.bert)
        self.decoder.build()
        if self.enc_to_dec_proj is not None:
            self.enc_to_dec_proj.build((None, None, self.config.hidden_size))

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
        labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        label_smoothing: float = 0.0,
        output_scores: bool = False,
    ) -> dict[str, Any]:
        """Scores what comes after each token of whole texts.

        Args:
            inputs: integers: those of `BertEncoder`, and `decoder_input_ids`
                `[batch, target_length]`. Of packed rows also `decoder_position_ids` and
                `decoder_example_ids`, the latter with the numbers of `example_ids`.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.
            labels: see `BertDecoder`, `[batch, target_length]`.
            label_smoothing: see `BertDecoder`.
            output_scores: see `BertDecoder`.

        Returns:
            `logits`, float32 `[batch, target_length, vocab]`, or `sums`, of losses and
            of right answers, float32 scalars; `scores` on request.
        """
        modes = self.modes(training, dropout_seed, fused)
        encoder_seed, decoder_seed = split(modes["dropout_seed"], 2)
        memory = self._memory(inputs, **{**modes, "dropout_seed": encoder_seed})
        decoder_inputs = {
            name.removeprefix("decoder_"): value
            for name, value in inputs.items()
            if name.startswith("decoder_")
        }
        if "example_ids" in inputs:
            memory_mask = same_example_mask(
                tf.cast(inputs["decoder_example_ids"], tf.int32),
                tf.cast(inputs["example_ids"], tf.int32),
            )
        else:
            memory_mask = padding_mask(inputs["input_mask"])
        return self.decoder(
            decoder_inputs,
            **{**modes, "dropout_seed": decoder_seed},
            memory=memory,
            memory_mask=memory_mask,
            labels=labels,
            label_smoothing=label_smoothing,
            output_scores=output_scores,
        )

    def encode(self, inputs: Tensors, max_length: int) -> Tensors:
        """Returns the state of rows that have no tokens yet; see `Decoder`."""
        mask = inputs["input_mask"]
        return self.decoder.new_state(
            tf.shape(mask)[0], max_length, self._memory(inputs), mask
        )

    def decode(
        self, token_ids: tf.Tensor, position: tf.Tensor | int, state: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """Feeds each row its next tokens; see `Decoder`."""
        return self.decoder.decode(token_ids, position, state)

    def logits_of(self, hidden: tf.Tensor) -> tf.Tensor:
        """Scores what comes after tokens; see `Decoder`."""
        return self.decoder.logits_of(hidden)

    def _memory(self, inputs: Tensors, **modes: Any) -> tf.Tensor:
        """Returns what the decoder attends to, `[batch, memory_length, hidden]`."""
        memory = self.bert(inputs, **modes)["sequence_output"]
        if self.enc_to_dec_proj is None:
            return memory
        return self.enc_to_dec_proj(memory)


def _check_shared(shared: str, encoder: BertConfig, decoder: BertConfig) -> None:
    """Raises a ValueError where the two can't have that in common."""
    if shared not in SHARED:
        raise ValueError(f"`shared` must be one of {SHARED}. Received: {shared!r}")
    names = {
        "nothing": (),
        "word_embeddings": ("vocab_size", "hidden_size"),
        "all": tuple(vars(encoder)),
    }[shared]
    for name in names:
        values = getattr(encoder, name), getattr(decoder, name)
        if values[0] != values[1]:
            raise ValueError(
                f"An encoder and a decoder that share {shared} must have the same "
                f"`{name}`. Received: {values[0]} and {values[1]}"
            )
