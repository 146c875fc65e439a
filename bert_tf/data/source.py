"""Examples, wherever they are kept, as training and evaluation ask for them."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Reader(Protocol):
    """Reads the micro-batches of this process' replicas."""

    @property
    def micro_batch_size(self) -> int:
        """Examples of a micro-batch over all replicas."""
        ...

    def positions(self, position: int, num_micro_batches: int) -> np.ndarray:
        """Returns where in the sequence of examples each one of `read` stands.

        Returns:
            int64 `[local replicas, micro-batches, batch]`.
        """
        ...

    def read(self, position: int, num_micro_batches: int) -> dict[str, np.ndarray]:
        """Returns consecutive micro-batches, name -> `[local, micro-batches, ...]`.

        With int32 `num_rows` `[local, micro-batches]` if not all rows of a batch are to
        be computed.
        """
        ...


class ExampleSource(Protocol):
    """An endless sequence of examples, addressed by position.

    Which example stands at a position is a function of the source's seed alone; a
    held-out source has the same examples in the same order each time round.
    """

    @property
    def num_examples(self) -> int:
        """Examples each time round."""
        ...

    def num_positions(self, num_examples: int) -> int:
        """Returns how many positions the first examples take.

        It is as many as there are examples, unless an example is several sequences.

        Args:
            num_examples: the first so many of a held-out source; 0 for all.
        """
        ...

    @property
    def num_damaged(self) -> int:
        """Examples read so far that stand in for a damaged one."""
        ...

    @property
    def description(self) -> Mapping[str, Any]:
        """What the report says of the data, by name."""
        ...

    def reader(
        self,
        *,
        replica_batch_size: int,
        num_replicas: int = 1,
        local_replicas: range = range(1),
        pack: bool = False,
    ) -> Reader:
        """Returns a reader of micro-batches.

        Args:
            replica_batch_size: examples of one replica in one micro-batch.
            num_replicas: replicas of all processes.
            local_replicas: those of this process.
            pack: whether a row may hold several examples.
        """
        ...
