"""Runs a SavedModel in a process that knows nothing but TensorFlow.

Usage: `saved_model_process.py SAVED_MODEL_DIR NUM_THREADS`. Requests come
pickled on standard input, answers leave pickled on standard output; `backends` holds
the other end. Whatever a SavedModel lacks shows here as it would on a server: the only
imports are `tensorflow` and `tensorflow_text`. A request that the model refuses gets
its message in place of an answer, and the next one is answered.
"""

import os
import pickle
import sys
import time
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)


def main(saved_model_dir: str, num_threads: int) -> None:
    """Answers `(signature, inputs, calls)`.

    With `(outputs, seconds of each call)`, or a string, why there are none.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What TensorFlow or anything else prints must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    signatures = tf.saved_model.load(saved_model_dir).signatures
    while True:
        try:
            name, inputs, calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: Any
        try:
            if name not in signatures:
                raise ValueError(f"no such signature, but {', '.join(signatures)}")
            answer = _call(signatures[name], inputs, calls)
        # TypeError: a tensor of another type, or no tensor of that name.
        except (tf.errors.OpError, TypeError, ValueError) as error:
            answer = str(getattr(error, "message", error))
        pickle.dump(answer, answers)
        answers.flush()


def _call(
    signature: Any, inputs: dict[str, Any], calls: int
) -> tuple[dict[str, Any], list[float]]:
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        outputs = {name: value.numpy() for name, value in signature(**tensors).items()}
        seconds.append(time.perf_counter() - start)
    return outputs, seconds


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
