"""The frameworks of `benchmarks.serving`, each in a process of its own.

Usage: `python -m benchmarks.serving_backends NAME FOLDER NUM_THREADS`. Requests come
pickled on standard input, answers leave pickled on standard output.
"""

import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[Any], np.ndarray]

HUGGING_FACE, ONNX, BATCH = "hugging_face", "model.onnx", 32


def saved_model(folder: Path, num_threads: int, name: str) -> tuple[Run, Run]:
    """Our export, with no line of ours."""
    import tensorflow as tf
    import tensorflow_text  # noqa: F401  (registers the tokenizer's operations)

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    model = tf.saved_model.load(str(folder / name))
    ids, text = (model.signatures[key] for key in ("serve_ids", "serving_default"))

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        tensors = {key: tf.constant(value, tf.int32) for key, value in batch.items()}
        return ids(**tensors)["logits"].numpy()

    def run_text(texts: list[str]) -> np.ndarray:
        return text(text=tf.constant(texts))["probabilities"].numpy()

    return run, run_text


def hugging_face(folder: Path, num_threads: int, dtype: str) -> tuple[Run, Run]:
    """PyTorch, eager, and its pipeline."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        pipeline,
    )

    torch.set_num_threads(num_threads)
    model = AutoModelForSequenceClassification.from_pretrained(
        folder / HUGGING_FACE, dtype=getattr(torch, dtype)
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder / HUGGING_FACE)
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer)

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            outputs = model(
                input_ids=torch.from_numpy(batch["input_ids"]),
                attention_mask=torch.from_numpy(batch["input_mask"]),
                token_type_ids=torch.from_numpy(batch["segment_ids"]),
            )
        return outputs.logits.float().numpy()

    def run_text(texts: list[str]) -> np.ndarray:
        answers: Any = classify(
            texts, batch_size=BATCH, top_k=None, truncation=True, max_length=128
        )
        rows = [sorted(row, key=lambda answer: answer["label"]) for row in answers]
        return np.array([[answer["score"] for answer in row] for row in rows])

    return run, run_text


def onnx_runtime(folder: Path, num_threads: int) -> tuple[Run, None]:
    """ONNX Runtime, all of its graph optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(
        folder / ONNX, options, providers=["CPUExecutionProvider"]
    )

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        return session.run(None, batch)[0]

    return run, None


def open_vino(folder: Path, num_threads: int, precision: str) -> tuple[Run, None]:
    """OpenVINO's processor plugin."""
    import openvino

    core = openvino.Core()
    model = core.compile_model(
        core.read_model(folder / ONNX),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": num_threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        },
    )

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        return model(batch)[0]

    return run, None


def products_only(num_threads: int, layers: int = 12, width: int = 768) -> Run:
    """The products of BERT-base's kernels and nothing else, as MKL multiplies them."""
    import torch

    torch.set_num_threads(num_threads)
    shapes = [(width, width)] * 4 + [(width, 4 * width), (4 * width, width)]
    kernels = [[torch.randn(shape) for shape in shapes] for _ in range(layers)]

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        rows = batch["input_ids"].size
        inputs = {size: torch.randn(rows, size) for size in (width, 4 * width)}
        with torch.inference_mode():
            for layer in kernels:
                for kernel in layer:
                    torch.mm(inputs[kernel.shape[0]], kernel)
        return np.zeros(0)

    return run


def make(name: str, folder: Path, num_threads: int) -> tuple[Run, Run | None]:
    """Returns a framework's function of ids, and that of texts if it has one."""
    if name == "products only":
        return products_only(num_threads), None
    framework, precision = name.split(" ")
    if framework == "bert_tf":
        return saved_model(folder, num_threads, precision)
    if framework == "hugging_face":
        return hugging_face(folder, num_threads, precision)
    if framework == "onnx_runtime":
        return onnx_runtime(folder, num_threads)
    assert framework == "openvino", name
    return open_vino(
        folder, num_threads, {"float32": "f32", "bfloat16": "bf16"}[precision]
    )


def main(name: str, folder: str, num_threads: str) -> None:
    """Answers `(kind, inputs, calls)` with `(outputs, seconds of the fastest call)`."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a framework prints must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run, run_text = make(name, Path(folder), int(num_threads))
    while True:
        try:
            kind, inputs, calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        function = run if kind == "ids" else run_text
        seconds = []
        for _ in range(calls):
            start = time.perf_counter()
            outputs = function(inputs) if function else None
            seconds.append(time.perf_counter() - start)
        pickle.dump((outputs, min(seconds)), answers)
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
