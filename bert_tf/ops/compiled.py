"""How the fused operations are compiled."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has XLA compile a function of tensors, once for each shape and setting.

    Args:
        function: takes tensors by position and settings (Python numbers) by keyword.

    Returns:
        A function of the same arguments. In a function that XLA compiles as a whole, it
        becomes a part of that.
    """
    return tf.function(function, jit_compile=True, autograph=False)


def has_accelerator() -> bool:
    """Returns whether there is a GPU or TPU."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))
