"""Giving a model variables of a method's own; see `bert_tf.checkpoints`."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.added_variables import ADDED
from bert_tf.models.variables import named_variables


def add_variable(
    model: keras.Model, name: str, value: np.ndarray, *, trainable: bool
) -> keras.Variable:
    """Gives a model one more variable, which is saved, resumed and, perhaps, trained.

    To be called where the model is created, in the scope of its strategy.

    Args:
        model: a built model.
        name: steps of a path, as in `pruning/masks/bert/pooler/dense/kernel`; that of
            the variable is `compression/` and this one.
        value: its initial value, float32.
        trainable: whether the optimizer trains it.

    Returns:
        The variable; `added_variables` finds it again.
    """
    *folders, last = (ADDED + name).split("/")
    with contextlib.ExitStack() as scopes:
        for folder in folders:
            scopes.enter_context(keras.name_scope(folder))
        variable = keras.Variable(
            np.asarray(value, np.float32),
            trainable=trainable,
            autocast=False,
            name=last,
        )
    # Keras locks what is built; its own methods that add variables later (`quantize`,
    # `enable_lora`) unlock it in this way.
    model._tracker.unlock()
    try:
        model._track_variable(variable)
    finally:
        model._tracker.lock()
    return variable


def added_variables(model: keras.Model, method: str) -> dict[str, keras.Variable]:
    """Returns the variables that a method has added, by what follows its name.

    Args:
        model: a built model.
        method: the first step of their names, as in `pruning`.
    """
    root = f"{ADDED}{method}/"
    return {
        name.removeprefix(root): variable
        for name, variable in named_variables(model).items()
        if name.startswith(root)
    }


def assign_in_step(variable: keras.Variable, value: tf.Tensor) -> None:
    """Gives this replica's copy of a variable a value, the same in every replica.

    For `Task.begin_step`, where `assign` itself would reduce over replicas.
    """
    tf.raw_ops.AssignVariableOp(resource=variable.value.handle, value=value)
