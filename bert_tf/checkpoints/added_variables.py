"""Variables that a method of compression adds to a model while it is trained.

A run keeps them in its checkpoints, under names of their own, and goes on with them.
The model that comes of it has none: whoever opens a checkpoint as a model gets what
`plain_variables` makes of it. Free of TensorFlow.
"""

from collections.abc import Mapping

import numpy as np

ADDED = "compression/"
"""What the names of such variables begin with."""

MASKS = f"{ADDED}pruning/masks/"
"""What stands before a kernel's name in that of the mask that prunes it."""


def plain_variables(variables: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the variables of the model itself, zeros where they are pruned.

    Args:
        variables: of a checkpoint.
    """
    plain = {
        name: array for name, array in variables.items() if not name.startswith(ADDED)
    }
    for name, mask in variables.items():
        if name.startswith(MASKS):
            pruned = name.removeprefix(MASKS)
            plain[pruned] = _multiply_blocks(plain[pruned], mask)
    return plain


def _multiply_blocks(kernel: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Multiplies each block of a kernel by one number of a mask."""
    for axis in (0, 1):
        mask = np.repeat(mask, kernel.shape[axis] // mask.shape[axis], axis)
    return kernel * mask
