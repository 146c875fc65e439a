"""The two heads of pretraining."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.dense import truncated_normal
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.layers.parts import ConfiguredLayer, part_of
from bert_tf.layers.sublayers import ActivatedDense
from bert_tf.ops.vocabulary_loss import vocabulary_logits, vocabulary_loss


@keras.saving.register_keras_serializable("bert_tf")
class MaskedLmHead(ConfiguredLayer):
    """Predicts masked tokens, with the word embeddings as output weights.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values.
        **kwargs: name and dtype.

    Source: google-research/bert, `run_pretraining.get_masked_lm_output`.
    """

    def __init__(
        self, config: BertConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.transform = Transform(
            self.config.hidden_size,
            self.config.hidden_act,
            self.config.layer_norm_eps,
            self.config.initializer_range,
            **part_of(self, "transform"),
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the transform's variables and `output_bias` `[vocab]`."""
        self.transform.build((None, None, self.config.hidden_size))
        self.output_bias = self.add_weight(
            name="output_bias",
            shape=(self.config.vocab_size,),
            initializer="zeros",
            autocast=False,
        )

    def call(
        self,
        masked_output: tf.Tensor,
        word_embeddings: tf.Tensor,
        labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        training: bool = False,
    ) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        """Scores every entry of the vocabulary at the masked positions.

        Args:
            masked_output: the encoder's output there,
                `[batch, max_predictions, hidden]`.
            word_embeddings: `[vocab, hidden]`.
            labels: the tokens' ids, integers, and weights, `[batch, max_predictions]`
                each, to get the loss without the logits, which are large; for training.
                None for logits.
            training: whether to use the fused operations.

        Returns:
            Logits, float32 `[batch, max_predictions, vocab]`; or, given labels, the
            sums of losses and of right answers, float32 scalars.
        """
        transformed = self.transform(masked_output, training=training)
        hidden = tf.reshape(transformed, [-1, self.config.hidden_size])
        if labels is not None:
            return vocabulary_loss(
                hidden,
                word_embeddings,
                self.output_bias,
                tf.reshape(tf.cast(labels[0], tf.int32), [-1]),
                tf.reshape(tf.cast(labels[1], tf.float32), [-1]),
            )
        logits = vocabulary_logits(hidden, word_embeddings, self.output_bias)
        shape = tf.concat(
            [tf.shape(masked_output)[:-1], [self.config.vocab_size]], axis=0
        )
        return tf.reshape(logits, shape)


@keras.saving.register_keras_serializable("bert_tf")
class Transform(ActivatedDense):
    """A dense layer, its activation and a LayerNorm.

    Args:
        units: width of the outputs.
        activation: `gelu` (the tanh approximation) or `gelu_erf`.
        layer_norm_eps: epsilon of the LayerNorm.
        initializer_range: standard deviation of the kernel's initial values.
        seed: of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self,
        units: int,
        activation: str,
        layer_norm_eps: float = 1e-12,
        initializer_range: float = 0.02,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(units, activation, initializer_range, seed, **kwargs)
        self.layer_norm = LayerNorm(
            layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables of the dense layer and of the LayerNorm."""
        super().build(input_shape)
        self.layer_norm.build((None, None, self.dense.units))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`."""
        return self.layer_norm(super().call(inputs, training), training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "layer_norm_eps": self.layer_norm.epsilon}


@keras.saving.register_keras_serializable("bert_tf")
class NextSentenceHead(keras.layers.Layer):
    """Tells from the pooled output whether the second segment follows the first.

    Args:
        initializer_range: standard deviation of the weights' initial values.
        seed: of the initial values.
        **kwargs: name and dtype.

    Source: google-research/bert, `run_pretraining.get_next_sentence_output`.
    """

    def __init__(self, initializer_range: float = 0.02, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.initializer_range = initializer_range
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates `output_weights` `[2, hidden]` and `output_bias` `[2]`."""
        self.output_weights = self.add_weight(
            name="output_weights",
            shape=(2, input_shape[-1]),
            initializer=truncated_normal(self.initializer_range, self.seed),
            autocast=False,
        )
        self.output_bias = self.add_weight(
            name="output_bias", shape=(2,), initializer="zeros", autocast=False
        )

    def call(self, pooled_output: tf.Tensor) -> tf.Tensor:
        """Maps `[..., hidden]` to float32 logits `[..., 2]`; 0 means "follows"."""
        pooled_output = tf.cast(pooled_output, tf.float32)
        logits = tf.matmul(pooled_output, self.output_weights, transpose_b=True)
        return logits + self.output_bias

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "initializer_range": self.initializer_range,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("bert_tf")
class PretrainingHeads(ConfiguredLayer):
    """Both heads, under the name that google-research/bert gives their variables.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: of the initial values.
        **kwargs: name and dtype.
    """

    def __init__(
        self, config: BertConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.predictions = MaskedLmHead(self.config, **part_of(self, "predictions"))
        self.seq_relationship = NextSentenceHead(
            self.config.initializer_range, **part_of(self, "seq_relationship")
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the heads' variables."""
        self.predictions.build()
        self.seq_relationship.build((None, self.config.hidden_size))

    def call(
        self,
        masked_output: tf.Tensor,
        pooled_output: tf.Tensor,
        word_embeddings: tf.Tensor,
        masked_lm_labels: tuple[tf.Tensor, tf.Tensor] | None = None,
        training: bool = False,
    ) -> dict[str, Any]:
        """Applies both heads.

        Args:
            masked_output: the encoder's output at the masked positions,
                `[batch, max_predictions, hidden]`.
            pooled_output: `[batch, hidden]`, or `[batch, examples, hidden]`.
            word_embeddings: `[vocab, hidden]`.
            masked_lm_labels: see `MaskedLmHead`; None for logits.
            training: whether to use the fused operations.

        Returns:
            `masked_lm_logits`, float32 `[batch, max_predictions, vocab]`, or
            `masked_lm_sums`, of losses and of right answers, float32 scalars; and
            `next_sentence_logits`, float32 `[batch, 2]`, or `[batch, examples, 2]`.
        """
        masked_lm = self.predictions(
            masked_output, word_embeddings, masked_lm_labels, training=training
        )
        kind = "logits" if masked_lm_labels is None else "sums"
        return {
            f"masked_lm_{kind}": masked_lm,
            "next_sentence_logits": self.seq_relationship(pooled_output),
        }
