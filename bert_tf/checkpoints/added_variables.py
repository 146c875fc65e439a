"""Variables that a method of compression adds to a model while it is trained.

A run keeps them in its checkpoints, under names of their own, and goes on with them.
The model that comes of it has none: whoever opens a checkpoint as a model gets what
`plain_variables` makes of it. Free of TensorFlow.
"""

from collections.abc import Mapping

import numpy as np

ADDED = "compression/"
"""What the names of such variables begin with."""


def plain_variables(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the variables of the model itself.

    Args:
        variables: of a checkpoint.
    """
    return {
        name: array for name, array in variables.items() if not name.startswith(ADDED)
    }
