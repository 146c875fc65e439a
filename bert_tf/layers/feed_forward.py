"""The sub-layer of a transformer that looks at each position by itself."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.layers.activated_dense import ActivatedDense
from bert_tf.layers.base import ConfiguredLayer, child_arguments
from bert_tf.layers.block_config import BlockConfig
from bert_tf.layers.residual_output import ResidualOutput


@keras.saving.register_keras_serializable("bert_tf")
class FeedForwardSublayer(ConfiguredLayer):
    """Two dense layers with an activation between them, and the residual around them.

    Args:
        config: the block's shape, a `BlockConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.3.
    """

    config_class = BlockConfig

    def __init__(
        self, config: BlockConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.intermediate = ActivatedDense(
            self.config.intermediate_size,
            self.config.activation,
            self.config.initializer_range,
            **child_arguments(self, "intermediate"),
        )
        self.residual_output = ResidualOutput(
            self.config, **child_arguments(self, "output")
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Creates the variables of both dense layers."""
        self.intermediate.build(input_shape)
        intermediate_shape = (*input_shape[:-1], self.config.intermediate_size)
        self.residual_output.build(intermediate_shape, input_shape)

    def call(
        self,
        inputs: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        fused: bool = False,
    ) -> tf.Tensor:
        """Transforms and adds.

        Args:
            inputs: `[batch, seq_length, hidden]`.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.

        Returns:
            The shape of the inputs.
        """
        normed = self.residual_output.normalize_inputs(inputs, fused)
        if not fused:
            activated = self.intermediate(normed)
            return self.residual_output(activated, inputs, dropout_seed)
        product = self.intermediate.project_by(
            self.residual_output.dense, normed, fused=True
        )
        return self.residual_output.add_to(inputs, product, dropout_seed, fused=True)
