"""What lies inside student and teacher, under names that are the same for both."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import tensorflow as tf

from bert_tf.compression.distillation_config import DistillationConfig
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.layers.attention import AttentionRelations
from bert_tf.ops.heads import merge_heads


@dataclasses.dataclass(frozen=True)
class LayerMap:
    """Which of a teacher's layers each of a student's learns from.

    Attributes:
        teachers: by the student's layer.
        relation_layer: the teacher's, for the student's last.
    """

    teachers: tuple[int, ...]
    relation_layer: int

    @classmethod
    def of(
        cls, config: DistillationConfig, student: BertConfig, teacher: BertConfig
    ) -> Self:
        """Returns the layers that a configuration names.

        Raises:
            InputError: there are no such layers, or not one for each of the student's.
        """
        count, depth = student.num_hidden_layers, teacher.num_hidden_layers
        layers = tuple(config.layer_map)
        if not layers:
            # Evenly, as in TinyBERT (Jiao et al. 2019, section 3.1) where one number
            # of layers divides the other.
            layers = tuple(
                max(round((layer + 1) * depth / count), 1) - 1 for layer in range(count)
            )
        if len(layers) != count:
            raise InputError(
                f"`distillation.layer_map` must name a layer of the teacher for each "
                f"of the student's {count}. Received: {len(layers)}, {list(layers)}"
            )
        for name, values in (
            ("layer_map", layers),
            ("relation_layer", (config.relation_layer,)),
        ):
            if missing := [value for value in values if value >= depth]:
                raise InputError(
                    f"`distillation.{name}` must name layers of the teacher, which has "
                    f"those from 0 to {depth - 1}. Received: {missing[0]}"
                )
        last = config.relation_layer % depth
        return cls(layers, last)

    @property
    def students(self) -> tuple[int, ...]:
        """All of the student's layers."""
        return tuple(range(len(self.teachers)))


def state_names(wanted: Iterable[str], num_layers: int) -> list[str]:
    """Returns the names that `compared_states` uses.

    Args:
        wanted: names of losses.
        num_layers: the student's.
    """
    numbers = range(num_layers)
    names = {
        "hidden_state": ["embeddings", *(f"hidden_state_{n}" for n in numbers)],
        "cosine": ["last_hidden_state"],
        "attention": [f"{part}_{n}" for n in numbers for part in ("query", "key")],
        "relation": ["relation_query", "relation_key", "relation_value"],
    }
    return [name for loss in wanted for name in names.get(loss, ())]


def compared_states(
    outputs: Mapping[str, Any],
    layers: Sequence[int],
    relation_layer: int,
    wanted: Mapping[str, float],
) -> dict[str, tf.Tensor]:
    """Returns what is compared of a model's inside, `[batch, seq_length, width]` each.

    Args:
        outputs: of the model, with what `model_arguments` asks for.
        layers: those whose hidden states and attention are compared, in order.
        relation_layer: the one whose relations are.
        wanted: names of losses.
    """
    found: dict[str, tf.Tensor] = {}
    hidden = outputs.get("hidden_states", ())
    attentions: Sequence[AttentionRelations] = outputs.get("attentions", ())
    if "hidden_state" in wanted:
        found["embeddings"] = hidden[0]
        for number, layer in enumerate(layers):
            found[f"hidden_state_{number}"] = hidden[layer + 1]
    if "cosine" in wanted:
        found["last_hidden_state"] = hidden[-1]
    if "attention" in wanted:
        for number, layer in enumerate(layers):
            found[f"query_{number}"] = _joined(attentions[layer].query)
            found[f"key_{number}"] = _joined(attentions[layer].key)
    if "relation" in wanted:
        relations = attentions[relation_layer]
        for name in ("query", "key", "value"):
            found[f"relation_{name}"] = _joined(getattr(relations, name))
    return found


def model_arguments(wanted: Mapping[str, float]) -> dict[str, bool]:
    """Returns the arguments with which a model's outputs hold what losses compare.

    Args:
        wanted: names of losses.
    """
    needed = {
        "output_hidden_states": {"hidden_state", "cosine"},
        "output_attentions": {"attention", "relation"},
    }
    return {name: True for name, losses in needed.items() if losses & wanted.keys()}


def _joined(x_BNSD: tf.Tensor) -> tf.Tensor:
    return merge_heads(x_BNSD, fused=False)
