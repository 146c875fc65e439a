"""The shape of one transformer block; the blocks of a model may differ."""

import dataclasses
from typing import Any, Self

from bert_tf.config import BertConfig

ACTIVATIONS = ("gelu", "gelu_erf", "tanh")


@dataclasses.dataclass(frozen=True)
class BlockConfig:
    """What a transformer block and its sub-layers are made of.

    Attributes:
        num_heads: heads of each attention.
        head_size: width of a head.
        intermediate_size: width between the feed-forward network's two products.
        activation: `gelu` (the tanh approximation), `gelu_erf` or `tanh`.
        attention_dropout: dropped share of the attention probabilities.
        hidden_dropout: dropped share of each sub-layer's outputs.
        layer_norm_eps: epsilon of each LayerNorm.
        norm_first: False for post-LN as published, True for pre-LN.
        cross_attention: whether the block also attends to a memory.
        initializer_range: standard deviation of the kernels' initial values.
    """

    num_heads: int
    head_size: int
    intermediate_size: int
    activation: str = "gelu"
    attention_dropout: float = 0.0
    hidden_dropout: float = 0.0
    layer_norm_eps: float = 1e-12
    norm_first: bool = False
    cross_attention: bool = False
    initializer_range: float = 0.02

    @classmethod
    def from_bert_config(
        cls, config: BertConfig, layer: int | None = None, **others: Any
    ) -> Self:
        """Returns the shape that a block of a BERT has.

        Args:
            config: of the BERT.
            layer: which block; None for one beside those of the BERT.
            **others: fields that it says nothing of.
        """
        heads, width = config.num_attention_heads, config.intermediate_size
        if layer is not None:
            heads, width = config.heads_of(layer), config.intermediate_size_of(layer)
        return cls(
            num_heads=heads,
            head_size=config.head_size,
            intermediate_size=width,
            activation=config.hidden_act,
            attention_dropout=config.attention_probs_dropout_prob,
            hidden_dropout=config.hidden_dropout_prob,
            layer_norm_eps=config.layer_norm_eps,
            initializer_range=config.initializer_range,
            **others,
        )

    def validate(self) -> Self:
        """Returns self, or raises a ValueError that names the field."""
        for name in ("num_heads", "head_size", "intermediate_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {getattr(self, name)}"
                )
        return self
