"""Where a student starts: from layers of its teacher, another checkpoint, at random."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bert_tf.checkpoints.conversion import resizing
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.teacher import Teacher
from bert_tf.config import SIZES, BertConfig, model_config
from bert_tf.errors import InputError


def start_of_student(
    config: TaskDistillationConfig, teacher: Teacher, weights: ModelWeights | None
) -> ModelWeights:
    """Returns what a student starts from.

    Args:
        config: on.
        teacher: the teacher.
        weights: of `init_from`; None where it is empty.

    Raises:
        InputError: layers or a shape that cannot be.
    """
    if config.student_config:
        return _random(config.student_config, teacher)
    source = teacher.weights if weights is None else weights
    return with_student_layers(source, config.student_layers)


def with_student_layers(weights: ModelWeights, layers: Sequence[int]) -> ModelWeights:
    """Returns the layers that a student starts from.

    Args:
        weights: of the teacher, or of another checkpoint.
        layers: counted from 0; empty for all.

    Raises:
        InputError: there are no such layers, or one is named twice.
    """
    if not layers:
        return weights
    count = weights.config.num_hidden_layers
    missing = [layer for layer in layers if layer >= count]
    if missing or len({*layers}) < len(layers):
        raise InputError(
            "`distillation.student_layers` must name different layers of what the "
            f"student starts from, which has those from 0 to {count - 1}. Received: "
            f"{list(layers)}"
        )
    return resizing.keep_layers(weights, layers)


def _random(shape: str, teacher: Teacher) -> ModelWeights:
    """Returns a shape and the teacher's vocabulary, without weights."""
    vocabulary = teacher.weights.vocabulary
    assert vocabulary is not None
    if shape in SIZES:
        config = model_config(shape)
    elif Path(shape).is_file():
        config = BertConfig.from_json_file(shape)
    else:
        raise InputError(
            f"`distillation.student_config` must be one of {sorted(SIZES)}, or a "
            f"bert_config.json. Received: {shape!r}"
        )
    config = dataclasses.replace(config, vocab_size=len(vocabulary))
    return ModelWeights("native", config, {}, vocabulary)
