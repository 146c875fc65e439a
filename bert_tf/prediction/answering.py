"""Answers to texts, read and written chunk by chunk: what the answering jobs share."""

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Example
from bert_tf.prediction import writing

if TYPE_CHECKING:
    from bert_tf.tasks.predicting_task import PredictingTask

Answer = Callable[[list[Example]], list[dict[str, Any]]]
"""Answers some examples, in their order."""


def answer_inputs(
    load: Callable[[], "tuple[PredictingTask, Answer]"],
    input_file: str | None,
    texts: Sequence[str],
    output: str,
    chunk_size: int,
) -> int:
    """Answers all that is given, and writes a row each: the inputs and the answer.

    Args:
        load: opens the model; called once it is known that the output can be written.
        input_file: see `read_inputs`.
        texts: given in place of a file.
        output: a file, whose ending says the format; "-" for standard output.
        chunk_size: examples that are read and answered together.

    Returns:
        How many rows there are.

    Raises:
        InputError: not either of file and texts, a fault in them, or no such format.
    """
    if bool(input_file) == bool(texts):
        raise InputError("Give either --input_file or --text.")
    with writing.open_output(output) as writer:
        task, answer = load()
        from bert_tf.prediction.inputs import read_inputs  # Loads TensorFlow.

        examples = read_inputs(task, input_file, texts)
        count = 0
        with tqdm(unit=" examples", mininterval=1, disable=bool(texts)) as bar:
            while chunk := list(itertools.islice(examples, chunk_size)):
                for example, row in zip(chunk, answer(chunk), strict=True):
                    writer.write({**writing.inputs_of(example), **row})
                count += len(chunk)
                bar.update(len(chunk))
    return count
