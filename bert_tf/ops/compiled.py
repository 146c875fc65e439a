"""How the fused operations are compiled."""

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

_compiling = contextvars.ContextVar("_compiling", default=False)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has XLA compile a function of tensors, once for each shape and setting.

    Args:
        function: takes tensors by position and settings (Python numbers) by keyword.

    Returns:
        A function of the same arguments. In a function that XLA compiles as a whole, it
        becomes a part of that.
    """

    @functools.wraps(function)
    def traced(*args: Any, **kwargs: Any) -> Any:
        token = _compiling.set(True)
        try:
            return function(*args, **kwargs)
        finally:
            _compiling.reset(token)

    return tf.function(traced, jit_compile=True, autograph=False)


def is_compiling() -> bool:
    """Returns whether what is traced now is a part of a `compiled` function."""
    return _compiling.get()


def has_accelerator() -> bool:
    """Returns whether there is a GPU or TPU."""
    return any(tf.config.list_physical_devices(kind) for kind in ("GPU", "TPU"))
