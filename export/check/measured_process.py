"""Times one exported file in a process that knows nothing but the file's runtime.

Usage: `measured_process.py {tflite,saved_model} PATH SIGNATURE LENGTH NUM_THREADS
CALLS`. `measurement` holds the other end. Prints JSON: the seconds of each call with
one example and those before the first answer, and by how many bytes the process grew
at most from loading on. A file that cannot do it gets a string, why.
"""

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# What is as long as a sequence. Others, such as the positions to predict, are not.
_SEQUENCES = ("input_ids", "input_mask", "segment_ids")
_OTHER_LENGTH = 20
_OPEN_SIZE = -1

Example = dict[str, np.ndarray]


def main(
    kind: str, path: str, signature: str, length: int, num_threads: int, calls: int
) -> Any:
    """Loads the file, calls it, and returns what that took."""
    import_runtime = {"tflite": _import_litert, "saved_model": _import_tensorflow}[kind]
    open_file = import_runtime(num_threads)
    before = _memory("VmRSS")
    start = time.perf_counter()
    try:
        call, shapes = open_file(path, signature)
        example = {
            name: _ones_of_mask(name, shape, length) for name, shape in shapes.items()
        }
        call(example)
        first = time.perf_counter() - start
        for _ in range(calls // 10):
            call(example)
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            call(example)
            seconds.append(time.perf_counter() - start)
    # TensorFlow's errors are of several classes, each runtime's of others.
    except Exception as error:
        return str(error).partition("\n")[0]
    return {
        "seconds": seconds,
        "first_seconds": first,
        "memory_bytes": _memory("VmHWM") - before,
    }


def _import_litert(num_threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    def open_file(path: str, signature: str) -> tuple[Callable[[Example], Any], Any]:
        interpreter = Interpreter(path, num_threads=num_threads)
        run = interpreter.get_signature_runner(signature)
        details = run.get_input_details().items()
        return lambda example: run(**example), {
            name: list(map(int, detail["shape"])) for name, detail in details
        }

    return open_file


def _import_tensorflow(num_threads: int) -> Any:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)

    def open_file(path: str, signature: str) -> tuple[Callable[[Example], Any], Any]:
        loaded = tf.saved_model.load(path)
        function = loaded.signatures[signature]

        def call(example: Example) -> Any:
            outputs = function(**{n: tf.constant(v) for n, v in example.items()})
            # `loaded` is named to keep the variables alive.
            return loaded and {name: value.numpy() for name, value in outputs.items()}

        return call, {
            name: [_OPEN_SIZE if size is None else size for size in spec.shape]
            for name, spec in function.structured_input_signature[1].items()
        }

    return open_file


def _ones_of_mask(name: str, shape: list[int], length: int) -> np.ndarray:
    """Returns a row in which every token counts; which ones they are is no matter."""
    last = length if name in _SEQUENCES else _OTHER_LENGTH
    sizes = [1 if size == _OPEN_SIZE else size for size in shape[:-1]]
    sizes.append(last if shape[-1] == _OPEN_SIZE else shape[-1])
    return np.full(sizes, int(name == "input_mask"), np.int32)


def _memory(field: str) -> int:
    """Returns bytes that this process takes now (VmRSS), or took at most (VmHWM)."""
    match = re.search(rf"{field}:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return 1024 * int(match[1])


if __name__ == "__main__":
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What a runtime prints must not mix with the answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    kind, path, signature, *numbers = sys.argv[1:]
    length, num_threads, calls = map(int, numbers)
    json.dump(main(kind, path, signature, length, num_threads, calls), answers)
    answers.close()
