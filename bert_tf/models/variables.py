"""The variables of a model by name."""

import keras


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns a model's variables by their names in google-research/bert.

    Args:
        model: a model whose variables exist.

    Returns:
        Variables by path below the model's own name, for instance
        `bert/encoder/layer_0/attention/self/query/kernel`, in order of creation.
    """
    root = f"{model.name}/"
    return {variable.path.removeprefix(root): variable for variable in model.variables}
