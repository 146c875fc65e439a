"""Whether an export can run texts in parts; needs no TensorFlow."""

from bert_tf.errors import InputError
from bert_tf.tasks.settings import WRITING_TASKS


def possible(task: str, *, with_text: bool) -> bool:
    """Tells whether there is anything that can.

    Args:
        task: its name; what writes calls its encoder and its decoder in its own way.
        with_text: whether the export takes text.
    """
    return with_text and task not in WRITING_TASKS


def check(tokens_at_once: int | None, task: str, *, with_text: bool) -> None:
    """Refuses parts where there are none, before any work.

    Raises:
        InputError: tokens of a part are asked for in vain.
    """
    if tokens_at_once and not possible(task, with_text=with_text):
        raise InputError(
            "--tokens_at_once: only signatures that take text, and do not write any, "
            "run in parts. Leave it out."
        )
