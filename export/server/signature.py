"""What a signature takes and returns, as far as the server has to know."""

import dataclasses
from collections.abc import Mapping

import numpy as np

Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """Type and shape of an input or output.

    Attributes:
        dtype: TensorFlow's name of it, as `int32` or `string`.
        shape: None for a dimension of any size; None in all for a rank of any size.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Tells whether a tensor of that shape may be given."""
        return self.shape is None or (
            len(self.shape) == len(shape)
            and all(
                want in (None, size)
                for want, size in zip(self.shape, shape, strict=True)
            )
        )

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype} of any shape"
        sizes = ("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} [{','.join(sizes)}]"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a SavedModel.

    Attributes:
        name: its key in the SavedModel.
        inputs: name -> type and shape, in the order of names.
        outputs: the same.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
