"""The variables of a model by name, and what a checkpoint gives them."""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np

from bert_tf.errors import InputError


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns a model's variables by their names in google-research/bert.

    Args:
        model: a model whose variables exist.

    Returns:
        Variables by path below the model's own name, for instance
        `bert/encoder/layer_0/attention/self/query/kernel`, in order of creation. The
        states of random generators are not among them.
    """
    root = f"{model.name}/"
    return {variable.path.removeprefix(root): variable for variable in model.weights}


def trained_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns those of `named_variables` that an optimizer trains."""
    return {name: v for name, v in named_variables(model).items() if v.trainable}


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What `assign_variables` did.

    Attributes:
        assigned: names that took their value from the checkpoint.
        missing: names of the model that the checkpoint lacks; they keep their value.
        left_over: names of the checkpoint that the model lacks.
    """

    assigned: list[str]
    missing: list[str]
    left_over: list[str]


def assign_variables(
    model: keras.Model, values: Mapping[str, np.ndarray], *, strict: bool = True
) -> Assignment:
    """Gives a model's variables the values of a checkpoint.

    Args:
        model: a built model of `bert_tf.models`.
        values: arrays by google-research/bert name.
        strict: whether every variable of the model must be among `values`. Values
            that the model has no variable for are never an error: an encoder loads
            from a checkpoint with heads.

    Raises:
        InputError: a shape differs, or a value is missing and `strict` is True.
            Nothing is assigned then.
    """
    variables = named_variables(model)
    missing = [name for name in variables if name not in values]
    if missing and strict:
        raise InputError(
            f"The checkpoint lacks {len(missing)} variables of the model, the first "
            f"of them {missing[0]!r}. It holds {len(values)} variables."
        )
    assigned = [name for name in variables if name in values]
    for name in assigned:
        expected, received = tuple(variables[name].shape), values[name].shape
        if expected != received:
            raise InputError(
                f"`{name}` must have shape {expected}. Received: {received}, from the "
                "checkpoint. Is it of another configuration or vocabulary?"
            )
    for name in assigned:
        variables[name].assign(values[name])
    return Assignment(assigned, missing, sorted(set(values) - set(variables)))
