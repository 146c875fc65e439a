"""Runs a TFLite file's `serve_text` where TensorFlow Text's operations are registered.

Usage: `text_signature_process.py PATH SIGNATURE NUM_THREADS`. Requests come pickled on
standard input, answers leave pickled on standard output; `text_signature` holds the
other end. The only imports are LiteRT and `tensorflow_text`, which needs TensorFlow. A
file that does not run gets a message in place of each answer.
"""

import os
import pickle
import sys
import time
from typing import Any

import numpy as np


def main(path: str, signature: str, num_threads: int) -> None:
    """Answers `(texts by name, calls)`.

    With `(outputs, seconds of each call)`, or a string, why there are none.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What LiteRT or anything else prints must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run: Any = None
    while True:
        try:
            texts, calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: Any
        try:
            run = run or _opened(path, signature, num_threads)
            answer = _call(run, texts, calls)
        except ImportError as error:
            answer = f"TensorFlow Text's operations for TFLite are missing ({error})"
        except (RuntimeError, ValueError) as error:
            answer = str(error).partition("\n")[0]
        pickle.dump(answer, answers)
        answers.flush()


def _opened(path: str, signature: str, num_threads: int) -> Any:
    from ai_edge_litert.interpreter import InterpreterWithCustomOps
    from tensorflow_text import tflite_registrar

    opened = InterpreterWithCustomOps(
        model_path=path,
        num_threads=num_threads,
        custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS,
    )
    return opened.get_signature_runner(signature)


def _call(
    run: Any, texts: dict[str, str], calls: int
) -> tuple[dict[str, np.ndarray], list[float]]:
    # As objects: NumPy's own strings lose what ends in NUL.
    arrays = {n: np.array([text.encode()], object) for n, text in texts.items()}
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        outputs = run(**arrays)
        seconds.append(time.perf_counter() - start)
    return outputs, seconds


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
