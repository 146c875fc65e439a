"""The two heads of pretraining."""

from typing import Any

import keras
import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.activated_dense import ActivatedDense
from bert_tf.layers.base import ConfiguredLayer, child_arguments
from bert_tf.layers.layer_norm import LayerNorm
from bert_tf.layers.logits import Logits
from bert_tf.ops.vocabulary_loss import vocabulary_loss
from bert_tf.ops.vocabulary_scores import VocabularyScores, vocabulary_logits


@keras.saving.register_keras_serializable("bert_tf")
class MaskedLmHead(ConfiguredLayer):
    """Predicts masked or next tokens, with the word embeddings as output weights.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        has_transform: whether there is a layer before the output weights.
        **kwargs: name and dtype.

    Source: google-research/bert, `run_pretraining.get_masked_lm_output`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        has_transform: bool = True,
        **kwargs: Any,
    ):
        super().__init__(config, seed, **kwargs)
        self.has_transform = has_transform
        self.transform = None
        if has_transform:
            self.transform = Transform(
                self.config.hidden_size,
                self.config.hidden_act,
                self.config.layer_norm_eps,
                self.config.initializer_range,
                **child_arguments(self, "transform"),
            )

    def build(self, input_shape: Any = None) -> None:
        """Creates the transform's variables and `output_bias` `[vocab]`."""
        if self.transform is not None:
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
        fused: bool = False,
        label_smoothing: float = 0.0,
        output_scores: bool = False,
    ) -> Any:
        """Scores every entry of the vocabulary at the positions to predict.

        Args:
            masked_output: the model's output there,
                `[batch, max_predictions, hidden]`.
            word_embeddings: `[vocab, hidden]`.
            labels: the tokens' ids, integers, and weights, `[batch, max_predictions]`
                each, to get the loss without the logits, which are large; for training.
                None for logits.
            fused: whether to use the fused operations.
            label_smoothing: of the loss; see `vocabulary_loss`.
            output_scores: whether to return what the logits follow from beside the
                sums, or in place of the logits.

        Returns:
            Logits, float32 `[batch, max_predictions, vocab]`; or, given labels, the
            sums of losses and of right answers, float32 scalars. With `output_scores`
            the sums, or None, and `VocabularyScores`.
        """
        hidden = masked_output
        if self.transform is not None:
            hidden = self.transform(hidden, fused=fused)
        bias = tf.convert_to_tensor(self.output_bias)
        scores = VocabularyScores(hidden, word_embeddings, bias)
        hidden = tf.reshape(hidden, [-1, self.config.hidden_size])
        sums = None
        if labels is not None:
            sums = vocabulary_loss(
                hidden,
                word_embeddings,
                self.output_bias,
                tf.reshape(tf.cast(labels[0], tf.int32), [-1]),
                tf.reshape(tf.cast(labels[1], tf.float32), [-1]),
                label_smoothing,
                fused,
            )
        if output_scores:
            return sums, scores
        if sums is not None:
            return sums
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
        seed: Seed of the initial values.
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
        self.layer_norm_eps = layer_norm_eps
        self.layer_norm = LayerNorm(
            layer_norm_eps, name="LayerNorm", dtype=self.dtype_policy
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the variables of the dense layer and of the LayerNorm."""
        super().build(input_shape)
        self.layer_norm.build((None, None, self.dense.units))

    def call(self, inputs: tf.Tensor, fused: bool = False) -> tf.Tensor:
        """Maps `[..., inputs]` to `[..., units]`."""
        return self.layer_norm(super().call(inputs, fused), fused=fused)


@keras.saving.register_keras_serializable("bert_tf")
class PretrainingHeads(ConfiguredLayer):
    """Both heads, under the name that google-research/bert gives their variables.

    The next-sentence head tells from the pooled output whether the second segment
    follows the first: label 0 means that it does.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values.
        **kwargs: name and dtype.

    Source: google-research/bert, `run_pretraining.get_next_sentence_output`.
    """

    def __init__(
        self, config: BertConfig | dict[str, Any], seed: int = 0, **kwargs: Any
    ):
        super().__init__(config, seed, **kwargs)
        self.predictions = MaskedLmHead(
            self.config, **child_arguments(self, "predictions")
        )
        self.seq_relationship = Logits(
            2,
            self.config.initializer_range,
            **child_arguments(self, "seq_relationship"),
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
        fused: bool = False,
    ) -> dict[str, Any]:
        """Applies both heads.

        Args:
            masked_output: the encoder's output at the masked positions,
                `[batch, max_predictions, hidden]`.
            pooled_output: `[batch, hidden]`, or `[batch, examples, hidden]`.
            word_embeddings: `[vocab, hidden]`.
            masked_lm_labels: see `MaskedLmHead`; None for logits.
            fused: whether to use the fused operations.

        Returns:
            `masked_lm_logits`, float32 `[batch, max_predictions, vocab]`, or
            `masked_lm_sums`, of losses and of right answers, float32 scalars; and
            `next_sentence_logits`, float32 `[batch, 2]`, or `[batch, examples, 2]`.
        """
        masked_lm = self.predictions(
            masked_output, word_embeddings, masked_lm_labels, fused=fused
        )
        kind = "logits" if masked_lm_labels is None else "sums"
        return {
            f"masked_lm_{kind}": masked_lm,
            "next_sentence_logits": self.seq_relationship(pooled_output),
        }
