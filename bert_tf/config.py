"""The configuration of a model and of a run, as plain dataclasses.

Dataclasses here are neither frozen nor written under
`from __future__ import annotations`: ml_collections could then not override a field
with its type (`--config.optimizer.learning_rate=3e-4`). Overrides also skip
`__post_init__`, so jobs call `validate()` once the flags are read.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Self

from bert_tf.errors import InputError, check, validated
from bert_tf.storage.json_files import from_dict, read_json

# Keys of released `bert_config.json` files that describe no part of this model.
_IGNORED_MODEL_KEYS = frozenset(
    {
        "directionality",
        "pooler_fc_size",
        "pooler_num_attention_heads",
        "pooler_num_fc_layers",
        "pooler_size_per_head",
        "pooler_type",
    }
)


@dataclasses.dataclass
class BertConfig:
    """The shape of a BERT; the keys of a released `bert_config.json`.

    Attributes:
        vocab_size: entries of the vocabulary.
        hidden_size: width of the hidden states; a multiple of `num_attention_heads`.
        num_hidden_layers: transformer blocks.
        num_attention_heads: heads of each attention layer.
        intermediate_size: width of the feed-forward layer.
        hidden_act: `gelu`, the tanh approximation that google-research/bert means by
            the word, or `gelu_erf`, the exact function that Hugging Face means by it.
        hidden_dropout_prob: dropped share of embeddings and of sub-layer outputs.
        attention_probs_dropout_prob: dropped share of attention probabilities.
        max_position_embeddings: longest sequence the position table holds.
        type_vocab_size: segment types.
        initializer_range: standard deviation of the truncated-normal initializer.
        layer_norm_eps: epsilon inside every LayerNorm.
        num_attention_heads_by_layer: heads of each layer, of a model that lost some;
            empty for `num_attention_heads` each. They stay as wide as that number of
            heads makes them.
        intermediate_size_by_layer: width of each feed-forward layer, likewise; empty
            for `intermediate_size` each.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3; google-research/bert,
    `modeling.BertConfig`.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    num_attention_heads_by_layer: tuple[int, ...] = ()
    intermediate_size_by_layer: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Makes tuples of what JSON has as lists."""
        for name in BY_LAYER:
            setattr(self, name, tuple(getattr(self, name)))

    @property
    def head_size(self) -> int:
        """Width of an attention head, in every layer."""
        return self.hidden_size // self.num_attention_heads

    @property
    def is_uniform(self) -> bool:
        """Whether all layers are as released models have them."""
        return not (self.num_attention_heads_by_layer + self.intermediate_size_by_layer)

    def heads_of(self, layer: int) -> int:
        """Returns how many attention heads a layer has."""
        heads = self.num_attention_heads_by_layer
        return heads[layer] if heads else self.num_attention_heads

    def intermediate_size_of(self, layer: int) -> int:
        """Returns the width of a layer's feed-forward network."""
        sizes = self.intermediate_size_by_layer
        return sizes[layer] if sizes else self.intermediate_size

    def with_layers(self, layers: Sequence[int]) -> Self:
        """Returns the shape of a model of these layers, counted from 0."""
        heads, sizes = (
            self.num_attention_heads_by_layer,
            self.intermediate_size_by_layer,
        )
        return dataclasses.replace(
            self,
            num_hidden_layers=len(layers),
            num_attention_heads_by_layer=tuple(heads[i] for i in layers if heads),
            intermediate_size_by_layer=tuple(sizes[i] for i in layers if sizes),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields of a `bert_config.json`, with no more keys than needed."""
        values = dataclasses.asdict(self)
        for name in BY_LAYER:
            if not values[name]:
                del values[name]
        return values

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        for name in BY_LAYER:
            sizes, count = getattr(self, name), self.num_hidden_layers
            fits = not sizes or (len(sizes) == count and min(sizes) >= 1)
            check(self, name, fits, f"empty, or {count} numbers of at least 1")
        for name in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        ):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        heads = self.num_attention_heads
        check(
            self, "hidden_size", self.hidden_size % heads == 0, f"a multiple of {heads}"
        )
        acts = ("gelu", "gelu_erf")
        check(self, "hidden_act", self.hidden_act in acts, f"one of {acts}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            check(self, name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        for name in ("initializer_range", "layer_norm_eps"):
            check(self, name, getattr(self, name) > 0, "positive")
        return self

    @classmethod
    def from_json_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a `bert_config.json`, ours or one released with BERT weights.

        Raises:
            InputError: not JSON, an unknown key, or a value of another type or range.
        """
        values = read_json(path)
        for key in _IGNORED_MODEL_KEYS:
            values.pop(key, None)
        return validated(from_dict(cls, values, source=str(path)), f"{path}: ")


BY_LAYER = ("num_attention_heads_by_layer", "intermediate_size_by_layer")
"""The fields of a `BertConfig` that say where its layers differ."""

SIZES = {
    "tiny": BertConfig(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
    ),
    "mini": BertConfig(
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=1024,
    ),
    "small": BertConfig(
        hidden_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=2048,
    ),
    "medium": BertConfig(
        hidden_size=512,
        num_hidden_layers=8,
        num_attention_heads=8,
        intermediate_size=2048,
    ),
    "base": BertConfig(),
    "large": BertConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
    ),
}
"""The released sizes. Source: google-research/bert's README."""


def model_config(size: str, **overrides: Any) -> BertConfig:
    """Returns a new `BertConfig` of a released size.

    Args:
        size: `tiny`, `mini`, `small`, `medium`, `base` or `large`.
        **overrides: fields that differ, for instance `vocab_size`.

    Raises:
        InputError: no such size.
    """
    if size not in SIZES:
        raise InputError(f"`size` must be one of {sorted(SIZES)}. Received: {size!r}")
    return dataclasses.replace(SIZES[size], **overrides)


def operational(default: Any) -> Any:
    """Returns a field that may differ between a run and its continuation.

    Its value changes how a run's numbers are computed, not which, but for rounding; or
    it names a folder whose contents are compared instead.
    """
    return dataclasses.field(default=default, metadata={"operational": True})


@dataclasses.dataclass
class BatchConfig:
    """How examples are batched.

    Attributes:
        global_batch_size: examples a step, over all replicas and micro-batches.
        initial_batch_size: what the first step takes, 0 for `global_batch_size`; a
            multiple of a micro-batch. The batch then grows by the greatest common
            divisor of the two.
        batch_ramp_steps: steps in which it grows evenly to `global_batch_size`.
        pack_examples: puts several short examples in one row when training (see
            `bert_tf.data.packing`), which saves nearly the padding's share of a step.
            Losses stay the same; with dropout they differ as those of two seeds do.
    """

    global_batch_size: int = 256
    initial_batch_size: int = 0
    batch_ramp_steps: int = 0
    pack_examples: bool = False

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        size = self.global_batch_size
        check(self, "global_batch_size", size >= 1, "at least 1")
        for name in ("initial_batch_size", "batch_ramp_steps"):
            check(self, name, getattr(self, name) >= 0, "at least 0")
        check(self, "initial_batch_size", self.initial_batch_size <= size, f"<= {size}")
        return self


@dataclasses.dataclass
class DataConfig(BatchConfig):
    """Which records a phase of pretraining reads, and how they are batched.

    Packing is worth it if `fill_rate` in `dataset_info.json` is below 0.8.

    Attributes:
        train_dir: a folder written by `data_prep.create_pretraining_data`.
        eval_dir: the held-out one; empty for none.
        max_seq_length: S of both; a folder of another S is refused.
        max_predictions_per_seq: P of both.
        skip_damaged_records: goes on past records whose checksum is wrong, counting
            them, instead of stopping at the first.
    """

    train_dir: str = operational("")
    eval_dir: str = operational("")
    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    skip_damaged_records: bool = operational(False)

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        super().validate()
        for name in ("max_seq_length", "max_predictions_per_seq"):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        return self


@dataclasses.dataclass
class OptimizerConfig:
    """The optimizer and its learning-rate schedule.

    Attributes:
        name: `adamw` or `lamb`.
        learning_rate: the peak, reached after `warmup_steps`.
        warmup_steps: steps of linear warm-up from 0.
        warmup_ratio: in place of `warmup_steps`, the share of the schedule's steps; 0
            for `warmup_steps`.
        layer_decay: a layer learns at this share of the rate of the layer above it,
            the embeddings below the first; 1.0 for the same rate everywhere.
        frozen: a variable whose name matches one of these regular expressions keeps
            its value.
        decay: `linear`, `cosine` or `polynomial`, down to 0 at the last step.
        decay_power: exponent of `polynomial`.
        decay_from_warmup: whether the decay begins where the warm-up ends, as in
            Hugging Face's Trainer. BERT counts it from step 0, so that its rate steps
            down there, after a warm-up of a tenth by a tenth.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of squared gradients.
        epsilon: added to the root of the second mean.
        bias_correction: whether the means are corrected for their start at 0. BERT's
            AdamW has none.
        weight_decay_rate: decoupled weight decay.
        exclude_from_weight_decay: a variable whose name matches one of these regular
            expressions does not decay.
        max_grad_norm: clips the gradients to this global norm; 0 for no clipping.

    Source: google-research/bert, `optimization.py`.
    """

    name: str = "adamw"
    learning_rate: float = 1e-4
    warmup_steps: int = 10_000
    warmup_ratio: float = 0.0
    layer_decay: float = 1.0
    frozen: tuple[str, ...] = ()
    decay: str = "linear"
    decay_power: float = 1.0
    decay_from_warmup: bool = False
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    bias_correction: bool = False
    weight_decay_rate: float = 0.01
    exclude_from_weight_decay: tuple[str, ...] = ("LayerNorm", "layer_norm", "bias")
    max_grad_norm: float = 1.0

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        names = ("adamw", "lamb")
        check(self, "name", self.name in names, f"one of {names}")
        decays = ("linear", "cosine", "polynomial")
        check(self, "decay", self.decay in decays, f"one of {decays}")
        for name in ("learning_rate", "epsilon", "decay_power"):
            check(self, name, getattr(self, name) > 0, "positive")
        for name in ("warmup_steps", "weight_decay_rate", "max_grad_norm"):
            check(self, name, getattr(self, name) >= 0, "at least 0")
        check(self, "warmup_ratio", 0 <= self.warmup_ratio < 1, "in [0, 1)")
        check(self, "layer_decay", 0 < self.layer_decay <= 1, "in (0, 1]")
        for name in ("beta_1", "beta_2"):
            check(self, name, 0 <= getattr(self, name) < 1, "in [0, 1)")
        return self
