"""Whether a TFLite file's `serve_text` answers to texts as to their tokens."""

import statistics
from typing import Any

import numpy as np

from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.tasks.task import Task
from export.check.artifact_process import ArtifactProcess, EndedError
from export.check.backends import Arrays
from export.check.litert import TEXT_SIGNATURE, TFLiteBackend


def measure(
    backend: TFLiteBackend,
    task: Task,
    source: ExampleSource,
    inputs: Arrays,
    *,
    latency_calls: int,
    num_threads: int,
) -> dict[str, Any]:
    """Feeds a file texts, in a process of its own with TensorFlow Text's operations.

    Args:
        backend: a file that takes text.
        task: of its model.
        source: labelled examples.
        inputs: their first ones as ids, in the source's order.
        latency_calls: timed calls with the first of them.
        num_threads: threads the interpreter may use.

    Returns:
        `text_max_abs_diff`, the largest difference of any output from the file's own
        for the ids, and `text_latency_ms`, the median.

    Raises:
        InputError: the file takes other texts, or does not run there.
    """
    assert isinstance(source, LabelledSource) and isinstance(task, LabelledTask)
    texts = task.texts(source.examples)
    if set(backend.texts) != set(texts):
        raise InputError(
            f"{backend.path}: its {TEXT_SIGNATURE} takes {' and '.join(backend.texts)},"
            f" but the examples have {' and '.join(texts)}."
        )
    expected = backend.predict(inputs)
    arguments = (backend.path, TEXT_SIGNATURE, str(num_threads))
    difference = 0.0
    with ArtifactProcess("text_signature_process.py", *arguments) as process:

        def ask(place: int, calls: int) -> tuple[Arrays, list[float]]:
            given = {name: values[place] for name, values in texts.items()}
            try:
                answer = process.ask((given, calls))
            except EndedError as error:
                answer = f"the process ended with status {error}; see above"
            if isinstance(answer, str):
                raise InputError(
                    f"{backend.path}: its {TEXT_SIGNATURE} does not run: {answer}. "
                    "It needs ai-edge-litert and a tensorflow-text that fits: install "
                    "the versions of constraints.txt. Its other signatures need "
                    "neither."
                )
            outputs, seconds = answer
            return outputs, seconds

        count, length = inputs["input_ids"].shape
        order = source.order[:count]
        for row, place in enumerate(order):
            if source.encoded.lengths[place] == source.max_seq_length < length:
                continue  # Cut where the model was trained to; the file takes more.
            outputs, _ = ask(place, 1)
            for name, value in outputs.items():
                # Unlike `max`, this keeps a NaN, which is near nothing.
                here = np.abs(value[0] - expected[name][row]).max()
                difference = float(np.maximum(difference, here))
        _, seconds = ask(order[0], latency_calls)
    return {
        "text_max_abs_diff": difference,
        "text_latency_ms": 1000 * statistics.median(seconds),
    }
