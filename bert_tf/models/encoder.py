"""The encoder: embeddings, a stack of transformer blocks, the pooler."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.activated_dense import ActivatedDense
from bert_tf.layers.base import child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.embeddings import Embeddings
from bert_tf.layers.transformer_stack import TransformerStack
from bert_tf.models.base import BertModel, Tensors
from bert_tf.ops.dropout import split
from bert_tf.ops.masks import padding_mask, same_example_mask


@keras.saving.register_keras_serializable("bert_tf")
class BertEncoder(BertModel):
    """BERT without its heads. Its variables exist once `build` was called.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: whether training computes each block a second time in the
            backward pass, for less memory.
        pooler: whether there is a layer over [CLS].
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        pooler: bool = True,
        name: str = "bert",
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.rematerialize = rematerialize
        self.embeddings = Embeddings(self.config, **child_arguments(self, "embeddings"))
        self.encoder = TransformerStack(
            [BlockConfig.from_bert_config(self.config)] * self.config.num_hidden_layers,
            self.config.hidden_size,
            rematerialize=rematerialize,
            **child_arguments(self, "encoder"),
        )
        self.pooler = None
        if pooler:
            self.pooler = ActivatedDense(
                self.config.hidden_size,
                "tanh",
                self.config.initializer_range,
                **child_arguments(self, "pooler"),
            )

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        self.embeddings.build()
        self.encoder.build()
        if self.pooler is not None:
            self.pooler.build((None, self.config.hidden_size))

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> dict[str, Any]:
        """Encodes token sequences: one a row, or several (`bert_tf.data.packing`).

        Args:
            inputs: integers.

                - `input_ids`: `[batch, seq_length]`.
                - `input_mask`: `[batch, seq_length]`, 1 for tokens and 0 for padding.
                - `segment_ids`: `[batch, seq_length]`.
                - `output_positions`, optional: `[batch, outputs]`, the positions whose
                  outputs are wanted; all by default. The last block computes only
                  those and [CLS].
                - `position_ids`, optional: `[batch, seq_length]`, places within a
                  sequence; counted from the row's start by default.
                - `example_ids`, optional: `[batch, seq_length]`, the same number at all
                  tokens of a sequence, which attend to each other only; one sequence a
                  row by default.
                - `cls_positions`, optional: `[batch, examples]`, where sequences start;
                  one sequence a row by default.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.
            output_hidden_states: whether to return what every block made. The last one
                then computes all positions.
            output_attentions: whether to return how positions attend to each other;
                this is computed a second time.

        Returns:
            In the compute dtype:

            - `sequence_output`: `[batch, seq_length, hidden]`, or
              `[batch, outputs, hidden]`.
            - `pooled_output`, with a pooler: `[batch, hidden]`, or
              `[batch, examples, hidden]` with `cls_positions`.
            - `hidden_states`, on request: a list, the embeddings first, then each
              block's outputs, `[batch, seq_length, hidden]`.
            - `attentions`, on request: a list of one `AttentionRelations` a block.
        """
        modes = self.modes(training, dropout_seed, fused)
        fused = modes["fused"]
        embeddings_seed, encoder_seed = split(modes["dropout_seed"], 2)
        ids = _integers(inputs)
        x = self.embeddings(
            ids["input_ids"],
            ids["segment_ids"],
            position_ids=ids.get("position_ids"),
            dropout_seed=embeddings_seed,
            fused=fused,
        )
        mask = (
            same_example_mask(ids["example_ids"])
            if "example_ids" in ids
            else padding_mask(ids["input_mask"])
        )
        computed = None if output_hidden_states else _computed_positions(ids)
        hidden_states = self.encoder(
            x, mask, output_positions=computed, dropout_seed=encoder_seed, fused=fused
        )
        cls_output, sequence_output = _select(hidden_states[-1], ids, computed)
        outputs: dict[str, Any] = {"sequence_output": sequence_output}
        if self.pooler is not None:
            outputs["pooled_output"] = self.pooler(cls_output, fused=fused)
        if output_hidden_states:
            outputs["hidden_states"] = hidden_states
        if output_attentions:
            outputs["attentions"] = self.encoder.relations(hidden_states, mask, fused)
        return outputs


def _integers(inputs: Tensors) -> Tensors:
    """Returns the entries that the encoder knows, as int32."""
    required = ("input_ids", "input_mask", "segment_ids")
    optional = ("output_positions", "position_ids", "example_ids", "cls_positions")
    names = [*required, *(name for name in optional if name in inputs)]
    return {name: tf.cast(inputs[name], tf.int32) for name in names}


def _computed_positions(ids: Tensors) -> tf.Tensor | None:
    """Returns what the last block has to compute: each [CLS], then what is wanted."""
    if "output_positions" not in ids:
        return None
    if "cls_positions" not in ids:
        return tf.pad(ids["output_positions"], [[0, 0], [1, 0]])
    return tf.concat([ids["cls_positions"], ids["output_positions"]], axis=1)


def _select(
    hidden: tf.Tensor, ids: Tensors, computed: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the outputs at each [CLS], and the wanted ones.

    Args:
        hidden: of the last block, of all positions or of `computed`.
        ids: the inputs.
        computed: see `_computed_positions`.
    """
    packed = "cls_positions" in ids
    if computed is not None:
        count = ids["cls_positions"].shape[1] if packed else 1
        return hidden[:, :count] if packed else hidden[:, 0], hidden[:, count:]
    cls_output, sequence_output = hidden[:, 0], hidden
    if packed:
        cls_output = tf.gather(hidden, ids["cls_positions"], batch_dims=1)
    if "output_positions" in ids:
        sequence_output = tf.gather(hidden, ids["output_positions"], batch_dims=1)
    return cls_output, sequence_output
