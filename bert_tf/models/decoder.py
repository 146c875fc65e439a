"""A stack of blocks that see only what came before, and the scores of what is next."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.layers.attention import KeysValues
from bert_tf.layers.base import child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.transformer_block import BlockCache
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.models.base import BertModel, Tensors
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.heads import MaskedLmHead
from bert_tf.ops.dropout import split
from bert_tf.ops.masks import causal_mask, padding_mask, same_example_mask

# The parts of a block's cache, by their names in the state.
_PARTS = ("past_keys", "past_values", "memory_keys", "memory_values")


class BertDecoder(BertModel):
    """BERT's blocks with a causal mask, and its masked-LM head for the next token.

    Its variables exist once `build` was called, under google-research/bert's names: so
    the weights of an encoder with its head fit.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: whether training computes each block a second time in the
            backward pass, for less memory.
        norm_first: False for BERT's order; True for GPT-2's: each sub-layer begins with
            a LayerNorm, the embeddings have none, and the last hidden states are
            multiplied by the word embeddings as they are.
        cross_attention: whether the blocks also attend to a memory.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Hugging Face transformers, `BertLMHeadModel`; Radford et al. 2019, "Language
    Models are Unsupervised Multitask Learners", section 2.3.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        norm_first: bool = False,
        cross_attention: bool = False,
        name: str = "decoder",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.rematerialize = rematerialize
        self.norm_first = norm_first
        self.cross_attention = cross_attention
        self.embeddings = Embeddings(
            self.config,
            normalize=not norm_first,
            **child_arguments(self, "embeddings"),
        )
        self.encoder = TransformerStack(
            [
                BlockConfig.from_bert_config(
                    self.config,
                    layer,
                    norm_first=norm_first,
                    cross_attention=cross_attention,
                )
                for layer in range(self.config.num_hidden_layers)
            ],
            self.config.hidden_size,
            rematerialize=rematerialize,
            **child_arguments(self, "encoder"),
        )
        self.predictions = MaskedLmHead(
            self.config,
            has_transform=not norm_first,
            **child_arguments(self, "predictions"),
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        with keras.name_scope("bert"):
            if not self.embeddings.built:
                self.embeddings.build()
            self.encoder.build()
        with keras.name_scope("cls"):
            self.predictions.build()

    def share(self, encoder: BertEncoder) -> None:
        """Takes the embeddings and sub-layers of an encoder; before `build`.

        Cross-attention and head stay its own.

        Args:
            encoder: of the same shape, built.
        """
        del self.embeddings  # Keras goes on tracking it otherwise.
        self.embeddings = encoder.embeddings
        pairs = zip(self.encoder.layers, encoder.encoder.layers, strict=True)
        for mine, theirs in pairs:
            mine.share(theirs)

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
        labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        label_smoothing: float = 0.0,
        output_scores: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> dict[str, Any]:
        """Scores what comes after each token of whole sequences.

        Args:
            inputs: integers `[batch, seq_length]`: `input_ids`; of packed rows, also
                `position_ids` and `example_ids`, see `BertEncoder`. What is padding
                need not be said: nothing looks back at it.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.
            memory: `[batch, memory_length, hidden]`, for cross-attention.
            memory_mask: int32 `[batch, 1, 1 or seq_length, memory_length]`, 1 where a
                position may attend to the memory.
            labels: what comes next, integers, and weights, `[batch, seq_length]` each,
                to get the loss without the logits, which are large; for training. None
                for logits.
            label_smoothing: of the loss; see `vocabulary_loss`.
            output_scores: whether to return `scores`: never the logits, which are
                large, but `VocabularyScores`, which they follow from.
            output_hidden_states: see `BertEncoder`.
            output_attentions: see `BertEncoder`; of self-attention.

        Returns:
            `logits`, float32 `[batch, seq_length, vocab]`, or `sums`, of losses and of
            right answers, float32 scalars; `scores`, `hidden_states` and `attentions`
            on request.
        """
        modes = self.modes(training, dropout_seed, fused)
        fused = modes["fused"]
        embeddings_seed, stack_seed = split(modes["dropout_seed"], 2)
        names = ("input_ids", "position_ids", "example_ids")
        ids = {n: tf.cast(inputs[n], tf.int32) for n in names if n in inputs}
        x = self.embeddings(
            ids["input_ids"],
            None,
            position_ids=ids.get("position_ids"),
            dropout_seed=embeddings_seed,
            fused=fused,
        )
        length = tf.shape(ids["input_ids"])[1]
        mask = causal_mask(length, length)
        if "example_ids" in ids:
            mask *= same_example_mask(ids["example_ids"])
        hidden_states = self.encoder(
            x, mask, memory, memory_mask, dropout_seed=stack_seed, fused=fused
        )
        found = self.predictions(
            hidden_states[-1],
            self.embeddings.effective_word_embeddings(),
            labels,
            fused=fused,
            label_smoothing=label_smoothing,
            output_scores=output_scores,
        )
        outputs = {}
        if output_scores:
            found, outputs["scores"] = found
        if found is not None:
            outputs["logits" if labels is None else "sums"] = found
        if output_hidden_states:
            outputs["hidden_states"] = hidden_states
        if output_attentions:
            outputs["attentions"] = self.encoder.relations(hidden_states, mask, fused)
        return outputs

    def new_state(
        self,
        num_rows: tf.Tensor | int,
        max_length: int,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
    ) -> Tensors:
        """Returns the state of rows without tokens; see `decoder_protocol.Decoder`.

        Args:
            num_rows: how many.
            max_length: positions that a row can come to have.
            memory: `[num_rows, memory_length, hidden]`, for cross-attention.
            memory_mask: integers `[num_rows, memory_length]`, 0 for padding.

        Raises:
            InputError: more positions than the model knows.
        """
        positions = self.config.max_position_embeddings
        if not 1 <= max_length <= positions:
            raise InputError(
                "`max_length` must be at least 1 and at most the decoder's "
                f"`max_position_embeddings`, {positions}. Received: {max_length}"
            )
        state = _state(self.encoder.new_cache(num_rows, max_length, memory))
        if memory_mask is not None:
            state["memory_mask"] = tf.cast(memory_mask, tf.int32)
        return state

    def decode(
        self, token_ids: tf.Tensor, position: tf.Tensor | int, state: Tensors
    ) -> tuple[tf.Tensor, Tensors]:
        """Feeds each row its next tokens; see `decoder_protocol.Decoder`."""
        token_ids = tf.cast(token_ids, tf.int32)
        num_rows, count = tf.unstack(tf.shape(token_ids))
        offset = tf.broadcast_to(tf.cast(position, tf.int32), [num_rows])
        x = self.embeddings(
            token_ids, None, position_ids=offset[:, tf.newaxis] + tf.range(count)
        )
        memory_mask = state.get("memory_mask")
        hidden, cache = self.encoder.decode(
            x,
            causal_mask(count, tf.shape(state["past_keys_0"])[2], offset),
            _cache(state, len(self.encoder.layers)),
            offset,
            None if memory_mask is None else padding_mask(memory_mask),
        )
        return hidden, {**state, **_state(cache)}

    def logits_of(self, hidden: tf.Tensor) -> tf.Tensor:
        """Scores what comes after tokens; see `decoder_protocol.Decoder`."""
        return self.predictions(hidden, self.embeddings.effective_word_embeddings())


def _state(cache: list[BlockCache]) -> Tensors:
    """Returns caches as tensors by name."""
    return {
        f"{part}_{index}": tensor
        for index, block in enumerate(cache)
        for part, tensor in zip(_PARTS, [*block.past, *block.memory], strict=False)
    }


def _cache(state: Tensors, num_layers: int) -> list[BlockCache]:
    """Undoes `_state`."""
    parts = _PARTS if "memory_keys_0" in state else _PARTS[:2]
    blocks = [
        [state[f"{part}_{index}"] for part in parts] for index in range(num_layers)
    ]
    return [
        BlockCache(KeysValues(*block[:2]), KeysValues(*block[2:]) if block[2:] else ())
        for block in blocks
    ]
