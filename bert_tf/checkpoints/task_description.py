"""What a model folder says of its model's task: enough to use the model again."""

import dataclasses
from typing import Any, Self

from bert_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class TaskDescription:
    """The task that a model was trained for.

    Attributes:
        name: a key of `bert_tf.tasks.TASKS`.
        max_seq_length: tokens of the longest sequences that it was trained on, None
            where nobody knows (converted weights).
        labels: what the outputs of the model's head mean, in their order.
        settings: the task's other settings, by name; the task says which there are.
    """

    name: str = "pretraining"
    max_seq_length: int | None = None
    labels: tuple[str, ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def checked_max_seq_length(self, positions: int, wish: int | None = None) -> int:
        """Returns how long sequences are when the model is used.

        Args:
            positions: the model's `max_position_embeddings`.
            wish: the user's; None for the length that the model was trained on, or,
                where nobody knows that, the length of the position table.

        Raises:
            InputError: a length that the model cannot take.
        """
        length = wish or self.max_seq_length or positions
        if wish == 0 or not 3 <= length <= positions:
            raise InputError(
                "`max_seq_length` must be at least 3 and at most the model's "
                f"`max_position_embeddings`, {positions}. Received: "
                f"{length if wish is None else wish}"
            )
        return length

    def with_settings(self, **settings: Any) -> Self:
        """Returns a copy with some settings changed."""
        return dataclasses.replace(self, settings={**self.settings, **settings})
