"""What all fine-tuned models have in common: an encoder named `bert` and a head."""

import abc
from typing import Any, ClassVar

import tensorflow as tf

from bert_tf.config import BertConfig
from bert_tf.layers.base import build_unnamed, child_arguments
from bert_tf.layers.logits import Logits
from bert_tf.models.base import BertModel, Tensors
from bert_tf.models.encoder import BertEncoder
from bert_tf.ops.dropout import fused_dropout, split


class BertWithHead(BertModel):
    """An encoder named `bert` and a head; subclasses define the head.

    Its variables exist once it is constructed, and below its own name their paths are
    google-research/bert's names.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        pooler: whether the head looks at `pooled_output`.
        **kwargs: dtype, such as `"mixed_bfloat16"`.
    """

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        seed: int = 0,
        rematerialize: bool = False,
        name: str | None = None,
        pooler: bool = False,
        **kwargs: Any,
    ):
        super().__init__(config, seed, name=name, **kwargs)
        self.rematerialize = rematerialize
        self.bert = BertEncoder(
            self.config,
            rematerialize=rematerialize,
            pooler=pooler,
            **child_arguments(self, "bert"),
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates all variables; their shapes follow from the configuration."""
        self.bert.build()
        self.build_head()

    @abc.abstractmethod
    def build_head(self) -> None:
        """Creates the head's variables."""

    def encoder_inputs(self, inputs: Tensors) -> Tensors:
        """Returns what the encoder is given: by default the inputs themselves."""
        return inputs

    @abc.abstractmethod
    def apply_head(
        self,
        encoded: dict[str, Any],
        inputs: Tensors,
        dropout_seed: tf.Tensor | None,
        fused: bool,
    ) -> Tensors:
        """Computes the model's outputs.

        Args:
            encoded: what the encoder made of `encoder_inputs`.
            inputs: those of the model.
            dropout_seed: int32 `[2]`; None for no dropout.
            fused: whether to use the fused operations.
        """

    def call(
        self,
        inputs: Tensors,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
        fused: bool | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> dict[str, Any]:
        """Applies encoder and head.

        Args:
            inputs: see the model, and `BertEncoder`.
            training: see `BertModel`.
            dropout_seed: see `BertModel`.
            fused: see `BertModel`.
            output_hidden_states: see `BertEncoder`.
            output_attentions: see `BertEncoder`.

        Returns:
            What the model says, and `hidden_states` and `attentions` on request.
        """
        modes = self.modes(training, dropout_seed, fused)
        encoder_seed, head_seed = split(modes["dropout_seed"], 2)
        encoded = self.bert(
            self.encoder_inputs(inputs),
            **{**modes, "dropout_seed": encoder_seed},
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
        )
        outputs = self.apply_head(encoded, inputs, head_seed, modes["fused"])
        requested = ("hidden_states", "attentions")
        return outputs | {name: encoded[name] for name in requested if name in encoded}


class Classifier(BertWithHead):
    """A model whose head scores labels by one matrix, after dropout.

    Args:
        config: the model's shape, a `BertConfig` or its fields as a dictionary.
        num_labels: how many; None for the number that the model always has.
        classifier_dropout: dropped share of what is scored; None for the model's usual
            share, which is the configuration's `hidden_dropout_prob` unless it says
            otherwise.
        seed: Seed of the initial values; see `BertModel`.
        rematerialize: see `BertEncoder`.
        name: the root of the variables' paths.
        **kwargs: dtype, such as `"mixed_bfloat16"`.
    """

    needs_pooler: ClassVar[bool] = False
    usual_num_labels: ClassVar[int] = 1
    usual_dropout: ClassVar[float | None] = None

    def __init__(
        self,
        config: BertConfig | dict[str, Any],
        num_labels: int | None = None,
        classifier_dropout: float | None = None,
        seed: int = 0,
        rematerialize: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            config, seed, rematerialize, name, pooler=self.needs_pooler, **kwargs
        )
        self.num_labels = self.usual_num_labels if num_labels is None else num_labels
        self.classifier_dropout = classifier_dropout
        self.classifier = Logits(
            self.num_labels,
            self.config.initializer_range,
            **child_arguments(self, "classifier"),
        )
        self.build()

    def build_head(self) -> None:
        """Creates `output_weights` and `output_bias`."""
        build_unnamed(self.classifier, (None, self.config.hidden_size))

    def score(self, x: tf.Tensor, dropout_seed: tf.Tensor | None) -> tf.Tensor:
        """Maps `[..., hidden]` to float32 `[..., labels]`."""
        rates = (
            self.classifier_dropout,
            self.usual_dropout,
            self.config.hidden_dropout_prob,
        )
        rate = next(rate for rate in rates if rate is not None)
        return self.classifier(fused_dropout(x, dropout_seed, rate))


def at_cls_alone(inputs: Tensors) -> Tensors:
    """Returns inputs that ask for no outputs but those at [CLS]."""
    none = tf.zeros([tf.shape(inputs["input_ids"])[0], 0], tf.int32)
    return {**inputs, "output_positions": none}
