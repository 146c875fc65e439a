"""A model's weights as the graphs of a SavedModel read them.

Large ones are variables, which all signatures share. Small ones, such as biases and
the scales of LayerNorm, become constants of each signature's graph: reading a variable
takes a small model longer than adding a bias does, and the copies weigh nothing.
"""

import keras
import tensorflow as tf

MAX_CONSTANT_BYTES = 256 * 1024
"""Larger weights stay variables. BERT-base's vectors are below, its matrices above."""


class InferenceWeights:
    """A model's weights, each in what inference reads it in.

    No `tf.Module`: what is saved is decided by who holds `variables`.

    Attributes:
        variables: all weights, the small ones too, so that a SavedModel can be
            converted back.

    Args:
        model: built, with its weights. What it multiplies or looks up in its compute
            dtype is stored in that.
    """

    def __init__(self, model: keras.Model):
        self.variables: list[tf.Variable] = []
        self._constants: list[tuple[keras.Variable, tf.Tensor]] = []
        self._replaced: list[tuple[keras.Variable, tf.Variable]] = []
        for weight in model.weights:
            value = tf.convert_to_tensor(weight)
            stored = value
            if weight.name == "kernel" or weight.name.endswith("_embeddings"):
                stored = tf.cast(value, model.compute_dtype)
            if stored.dtype.size * value.shape.num_elements() <= MAX_CONSTANT_BYTES:
                self._constants.append((weight, stored))
                self.variables.append(weight.value)
            elif stored.dtype == value.dtype:
                self.variables.append(weight.value)
            else:
                variable = tf.Variable(stored, trainable=False, name=weight.path)
                self._replaced.append((weight, variable))
                self.variables.append(variable)

    def scope(self) -> keras.StatelessScope:
        """Returns the context in which a graph that uses the model is traced."""
        mapping = [
            (weight, tf.constant(value.numpy())) for weight, value in self._constants
        ]
        mapping += [
            (weight, variable.read_value()) for weight, variable in self._replaced
        ]
        return keras.StatelessScope(state_mapping=mapping)
