"""Times TFLite files beside ONNX Runtime and OpenVINO, one example a call.

    python -m benchmarks.mobile --size=base --seq_length=128 --num_threads=2

The same random weights everywhere, a classifier's. A process of its own writes the
models; then all take turns, a few calls each, so that what else the machine does meets
all alike. A row's figure is its fastest call, since noise only adds; its median stands
beside it.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import mobile_models
from bert_tf.cli import jobs

_SIZE = flags.DEFINE_enum("size", "base", list(mobile_models.SIZES), "Of the model.")
_SEQ_LENGTH = flags.DEFINE_integer("seq_length", 128, "Tokens of the example.")
_NUM_THREADS = flags.DEFINE_integer("num_threads", 2, "Of each.", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 10, "Turns of every row.", lower_bound=1)
_CALLS = flags.DEFINE_integer("calls", 5, "Calls of a turn.", lower_bound=1)
_OUTPUT_FILE = flags.DEFINE_string("output_file", None, "A JSON file to write.")

Example = dict[str, np.ndarray]
Run = Callable[[Example], np.ndarray]


@dataclasses.dataclass
class Row:
    """What is measured of one file.

    Attributes:
        name: framework and format.
        num_bytes: of the file.
        run: maps an example to logits.
        seconds: of each call.
    """

    name: str
    num_bytes: int
    run: Run
    seconds: list[float] = dataclasses.field(default_factory=list)


def litert(path: Path, num_threads: int) -> Run:
    """Our file, in LiteRT with XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=num_threads)
    call = interpreter.get_signature_runner("serving_default")
    return lambda example: call(**example)["logits"]


def onnx_runtime(path: Path, num_threads: int) -> Run:
    """ONNX Runtime, all of its graph optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    return lambda example: session.run(None, example)[0]


def open_vino(path: Path, num_threads: int, precision: str) -> Run:
    """OpenVINO's processor plugin, the shape fixed."""
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({each.any_name: [1, _SEQ_LENGTH.value] for each in model.inputs})
    settings = {
        "INFERENCE_NUM_THREADS": num_threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    compiled = core.compile_model(model, "CPU", settings)
    return lambda example: compiled(example)[0]


def open_rows(folder: Path, num_threads: int) -> list[Row]:
    """Opens all files."""
    paths = {path.name: path for path in folder.iterdir() if path.is_file()}
    runs: dict[str, tuple[str, Run]] = {}
    for name in mobile_models.QUANTIZATIONS:
        file = f"{name}.tflite"
        runs[f"bert_tf {name}"] = file, litert(paths[file], num_threads)
    for name in ("float32", "dynamic_int8"):
        file = f"{name}.onnx"
        runs[f"onnx_runtime {name}"] = file, onnx_runtime(paths[file], num_threads)
    for name, file in (
        ("f32", "float32.onnx"),
        ("bf16", "float32.onnx"),
        ("f32", "dynamic_int8.onnx"),
    ):
        label = f"openvino {name if 'int8' not in file else 'dynamic_int8'}"
        runs[label] = file, open_vino(paths[file], num_threads, name)
    return [
        Row(name, paths[file].stat().st_size, run) for name, (file, run) in runs.items()
    ]


def measure(rows: Sequence[Row], example: Example, turns: int, calls: int) -> None:
    """Runs all rows in turns."""
    for row in rows:
        row.run(example)
    for _ in range(turns):
        for row in rows:
            for _ in range(calls):
                start = time.perf_counter()
                row.run(example)
                row.seconds.append(time.perf_counter() - start)


def main(argv: Sequence[str]) -> None:
    """Writes the models, measures them and prints a table."""
    rng = np.random.default_rng(0)
    length = _SEQ_LENGTH.value
    example = {
        "input_ids": rng.integers(1000, mobile_models.VOCAB_SIZE, [1, length]),
        "input_mask": np.ones([1, length]),
        "segment_ids": np.zeros([1, length]),
    }
    example = {name: value.astype(np.int32) for name, value in example.items()}
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "benchmarks.mobile_models"]
        subprocess.run([*command, scratch, _SIZE.value, str(length)], check=True)
        rows = open_rows(Path(scratch), _NUM_THREADS.value)
        measure(rows, example, _TURNS.value, _CALLS.value)
    expected = rows[0].run(example)
    table: list[dict[str, Any]] = []
    for row in rows:
        found = row.run(example)
        error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        table.append(
            {
                "name": row.name,
                "ms": 1000 * min(row.seconds),
                "median_ms": 1000 * statistics.median(row.seconds),
                "relative_error": float(error),
                "mb": row.num_bytes / 1e6,
            }
        )
    print(f"{_SIZE.value}, {length} tokens, {_NUM_THREADS.value} threads")
    print(f"{'':28}{'ms':>8}{'median':>8}{'MB':>8}  difference from the first")
    for each in table:
        print(
            f"{each['name']:28}{each['ms']:8.2f}{each['median_ms']:8.2f}"
            f"{each['mb']:8.1f}  {each['relative_error']:.1e}"
        )
    by_name = {each["name"]: each["ms"] for each in table}
    for ours, theirs in (
        ("bert_tf none", "onnx_runtime float32"),
        ("bert_tf none", "openvino f32"),
        ("bert_tf dynamic_int8", "onnx_runtime dynamic_int8"),
        ("bert_tf dynamic_int8", "openvino bf16"),
        ("bert_tf dynamic_int8", "openvino dynamic_int8"),
    ):
        ratio = by_name[ours] / by_name[theirs]
        print(f"{ours} : {theirs} = {ratio:.2f}")
    if _OUTPUT_FILE.value:
        Path(_OUTPUT_FILE.value).write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    jobs.run(main)
