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
            [
                BlockConfig.from_bert_config(self.config, layer)
                for layer in range(self.config.num_hidden_layers)
            ],
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
        computed = None
        if "output_positions" in ids and not output_hidden_states:
            computed = tf.concat(
                [self._cls_positions(ids), ids["output_positions"]], axis=1
            )
        hidden_states = self.encoder(
            x, mask, output_positions=computed, dropout_seed=encoder_seed, fused=fused
        )
        outputs = self._outputs(hidden_states[-1], ids, computed)
        if output_hidden_states:
            outputs["hidden_states"] = hidden_states
        if output_attentions:
            outputs["attentions"] = self.encoder.relations(hidden_states, mask, fused)
        return outputs

    def _cls_positions(self, ids: Tensors) -> tf.Tensor:
        """Returns what the pooler looks at, int32 `[batch, 0, 1 or examples]`."""
        if self.pooler is None:
            return ids["input_ids"][:, :0]
        return ids.get("cls_positions", tf.zeros_like(ids["input_ids"][:, :1]))

    def _num_cls(self, ids: Tensors) -> int | tf.Tensor:
        """Returns how many `_cls_positions` a row has.

        Not their static shape, which a graph for inputs of any length does not know.
        """
        if self.pooler is None:
            return 0
        return tf.shape(ids["cls_positions"])[1] if "cls_positions" in ids else 1

    def _outputs(
        self, hidden: tf.Tensor, ids: Tensors, computed: tf.Tensor | None
    ) -> dict[str, Any]:
        """Returns what is wanted of the last hidden states.

        Args:
            hidden: all of them, or those at `computed`.
            ids: the inputs.
            computed: `_cls_positions`, then `output_positions`.
        """
        packed = "cls_positions" in ids
        sequence_output = hidden
        if computed is not None:
            num_cls = self._num_cls(ids)
            sequence_output = hidden[:, num_cls:]
        elif "output_positions" in ids:
            sequence_output = tf.gather(hidden, ids["output_positions"], batch_dims=1)
        outputs = {"sequence_output": sequence_output}
        if self.pooler is not None:
            if not packed:
                cls_output = hidden[:, 0]
            elif computed is not None:
                cls_output = hidden[:, :num_cls]
            else:
                cls_output = tf.gather(hidden, ids["cls_positions"], batch_dims=1)
            outputs["pooled_output"] = self.pooler(cls_output)
        return outputs


def _integers(inputs: Tensors) -> Tensors:
    """Returns the entries that the encoder knows, as int32."""
    required = ("input_ids", "input_mask", "segment_ids")
    optional = ("output_positions", "position_ids", "example_ids", "cls_positions")
    names = [*required, *(name for name in optional if name in inputs)]
    return {name: tf.cast(inputs[name], tf.int32) for name in names}
